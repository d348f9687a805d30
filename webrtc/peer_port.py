"""The one port where all peers meet: its candidates, and the way out for every flow."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Protocol

from aioice.ice import get_host_addresses

from webrtc.flow_table import FlowTable
from webrtc.ice import TCP, Candidate, Flow, host_candidate
from webrtc.tcp_mux import TcpMux
from webrtc.udp_mux import UdpMux

MAX_ADDRESSES = 8
"""Each is a candidate in every answer, and each viewer checks all of them."""


class PeerPort(Protocol):
    """What signalling needs of the network."""

    table: FlowTable
    candidates: tuple[Candidate, ...]
    is_lite: bool

    @property
    def by_version(self) -> dict[int, int]:
        """IP version -> number of the socket to send by."""

    def send(self, flow: Flow, datagram: bytes) -> None:
        """Send to a peer."""

    def media_flow(self, flow: Flow) -> Flow:
        """Where the fan-out reaches the peer of a flow, which has to be by UDP."""


class MuxedPort:
    """All of it: UDP, TCP, and their candidates.

    ``addresses`` are those that peers reach us at (`reachable_addresses`). Made and closed by the
    composition root, which owns the muxes.
    """

    def __init__(
        self,
        table: FlowTable,
        udp: UdpMux,
        tcp: TcpMux | None,
        addresses: Sequence[str],
        *,
        is_lite: bool,
    ) -> None:
        self.table = table
        self.is_lite = is_lite
        self._udp = udp
        self._tcp = tcp
        versions = udp.by_version
        usable = [each for each in addresses if ipaddress.ip_address(each).version in versions]
        ways = [("udp", udp.port)] + ([("tcp", tcp.port)] if tcp is not None else [])
        self._own: tuple[Candidate, ...] = tuple(
            host_candidate(address, port, rank=rank, transport=transport)
            for transport, port in ways
            for rank, address in enumerate(usable)
        )
        self.candidates = self._own

    def set_discovered(self, host: str, port: int) -> None:
        """Where others see our UDP port behind a NAT; peers are told of it as well, from now on."""
        if all((one.host, one.port) != (host, port) for one in self._own):
            found = host_candidate(host, port, rank=MAX_ADDRESSES)
            self.candidates = (*self._own, found)

    @property
    def by_version(self) -> dict[int, int]:
        """IP version -> number of the socket to send by."""
        return self._udp.by_version

    def send(self, flow: Flow, datagram: bytes) -> None:
        """Send by the flow's socket or connection; what they do not take is dropped."""
        if flow.socket != TCP:
            self._udp.send(flow, datagram)
        elif self._tcp is not None:
            self._tcp.send(flow, datagram)

    def media_flow(self, flow: Flow) -> Flow:
        """The flow itself, or for a TCP connection its relay's."""
        return flow if flow.socket != TCP or self._tcp is None else self._tcp.media_flow(flow)


def reachable_addresses(configured: Sequence[str], bound: Iterable[str]) -> tuple[list[str], bool]:
    """Addresses for our candidates, and whether ICE lite will do.

    Configured (public) addresses are all that is told, and peers reach them. Otherwise it is the
    addresses that the sockets are bound to, for a wildcard those of the machine's interfaces;
    then lite will do when one of them is public (RFC 8445 2.5).
    """
    if configured:
        return list(configured)[:MAX_ADDRESSES], True
    found: list[str] = []
    for host in bound:
        if ipaddress.ip_address(host).is_unspecified:
            found += get_host_addresses(use_ipv4=":" not in host, use_ipv6=":" in host)
        else:
            found.append(host)
    addresses = list(dict.fromkeys(found))[:MAX_ADDRESSES]
    return addresses, any(ipaddress.ip_address(each).is_global for each in addresses)
