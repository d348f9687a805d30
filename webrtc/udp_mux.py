"""All peers on one UDP port: sockets to datagrams and back, a thin shell around the flow table."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable, Sequence

from webrtc.flow_table import FlowTable
from webrtc.ice import Flow

Datagram = tuple[bytes, tuple[str, int]]
Receive = Callable[[int], Sequence[Datagram]]
"""All datagrams that wait at a socket (by its number) and that somebody else has not taken."""

_MAX_DATAGRAMS = 64
"""Taken at one go, so that a flood delays timers by a millisecond or two only."""

_MAX_DATAGRAM_BYTES = 2_048

_BUFFER_BYTES = 4 << 20
"""Asked of the kernel: the key frame of a hundred viewers, or 50 ms of 600 Mb/s."""


def bind_udp(hosts: Iterable[str], port: int) -> list[socket.socket]:
    """One socket for each host, all on one port; port 0 takes the first one's for the others.

    ``::`` is IPv6 alone, so that IPv4 peers keep their plain addresses. Raises OSError.
    """
    sockets: list[socket.socket] = []
    try:
        for host in hosts:
            bound = socket.socket(_family(host), socket.SOCK_DGRAM)
            sockets.append(bound)
            bound.setblocking(False)
            if bound.family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                bound.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
            bound.bind((host, port))
            port = bound.getsockname()[1]
    except OSError:
        for bound in sockets:
            bound.close()
        raise
    return sockets


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class UdpMux:
    """Reads its sockets on the event loop and feeds the flow table; sends for sessions.

    ``receive`` may be the fan-out's, which keeps what it can deal with by itself. Made and closed
    by the composition root, which also owns the sockets.
    """

    def __init__(
        self, sockets: Sequence[socket.socket], table: FlowTable, receive: Receive | None = None
    ) -> None:
        self.sockets = tuple(sockets)
        self._table = table
        self._receive = receive or self._receive_plainly
        self._loop = asyncio.get_running_loop()
        self.unsent = 0
        """Datagrams that the kernel did not take."""
        for number, each in enumerate(self.sockets):
            self._loop.add_reader(each.fileno(), self._read, number)

    @property
    def port(self) -> int:
        """The port of all sockets."""
        port: int = self.sockets[0].getsockname()[1]
        return port

    @property
    def by_version(self) -> dict[int, int]:
        """IP version -> number of the socket to send by."""
        versions: dict[int, int] = {}
        for number, each in enumerate(self.sockets):
            versions.setdefault(6 if each.family == socket.AF_INET6 else 4, number)
        return versions

    def send(self, flow: Flow, datagram: bytes) -> None:
        """Send, or drop what the kernel does not take: DTLS and ICE repeat themselves."""
        try:
            self.sockets[flow.socket].sendto(datagram, (flow.host, flow.port))
        except OSError:
            self.unsent += 1

    def close(self) -> None:
        """Stop reading."""
        for each in self.sockets:
            self._loop.remove_reader(each.fileno())

    def _read(self, number: int) -> None:
        now = self._loop.time()
        for datagram, (host, port) in self._receive(number):
            self._table.receive(datagram, Flow(number, host, port), now)

    def _receive_plainly(self, number: int) -> list[Datagram]:
        datagrams: list[Datagram] = []
        with contextlib.suppress(BlockingIOError):
            while len(datagrams) < _MAX_DATAGRAMS:
                try:
                    data, address = self.sockets[number].recvfrom(_MAX_DATAGRAM_BYTES)
                except ConnectionError:  # an ICMP error to something we sent
                    continue
                datagrams.append((data, (address[0], address[1])))
        return datagrams
