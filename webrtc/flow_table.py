"""Which session a datagram belongs to: by username fragment, then by where it came from; sans-IO.

RFC 7983 tells by the first byte what a datagram is. STUN with a fragment of ours goes to its
session, which decides whether the flow is its peer's; everything else only from flows that are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from webrtc import stun
from webrtc.errors import StunError
from webrtc.ice import Flow
from webrtc.stun import StunMessage

MAX_FLOWS_PER_ENDPOINT = 8
"""A browser checks from each of its interfaces, over IPv4 and IPv6, and once through each NAT."""

_DTLS = range(20, 64)
_RTP = range(128, 192)


class Endpoint(Protocol):
    """A session, as the mux sees it. Each method takes one datagram that came by the flow."""

    def receive_stun(self, message: StunMessage, flow: Flow, now: float) -> bool:
        """Whether the message proves that the flow is the peer's."""

    def receive_dtls(self, datagram: bytes, flow: Flow, now: float) -> None:
        """A DTLS record."""

    def receive_media(self, datagram: bytes, flow: Flow, now: float) -> None:
        """SRTP or SRTCP."""

    def forget_flow(self, flow: Flow) -> None:
        """The flow is not routed any more."""


class FlowTable:
    """Owns the routes to all endpoints; the muxes feed it, sessions add and remove themselves."""

    def __init__(self) -> None:
        self._by_ufrag: dict[str, Endpoint] = {}
        self._by_flow: dict[Flow, Endpoint] = {}
        self._ufrags: dict[Endpoint, tuple[str, ...]] = {}
        self._flows: dict[Endpoint, list[Flow]] = {}
        self.dropped = 0
        """Datagrams that belonged to nobody."""

    def __len__(self) -> int:
        """How many routes there are."""
        return len(self._by_ufrag) + len(self._by_flow)

    def set_ufrags(self, ufrags: Iterable[str], endpoint: Endpoint) -> None:
        """Checks to these fragments, and to no others, are for the endpoint."""
        for ufrag in self._ufrags.pop(endpoint, ()):
            del self._by_ufrag[ufrag]
        self._ufrags[endpoint] = tuple(ufrags)
        for ufrag in self._ufrags[endpoint]:
            self._by_ufrag[ufrag] = endpoint

    def remove(self, endpoint: Endpoint) -> None:
        """The endpoint and all its routes."""
        for flow in self._flows.pop(endpoint, ()):
            del self._by_flow[flow]
        for ufrag in self._ufrags.pop(endpoint, ()):
            del self._by_ufrag[ufrag]

    def remove_flow(self, flow: Flow) -> None:
        """A TCP connection has ended."""
        endpoint = self._by_flow.pop(flow, None)
        if endpoint is not None:
            self._flows[endpoint].remove(flow)
            endpoint.forget_flow(flow)

    def endpoint_of(self, flow: Flow) -> Endpoint | None:
        """Whose flow it is."""
        return self._by_flow.get(flow)

    def receive(self, datagram: bytes, flow: Flow, now: float) -> None:
        """Hand one datagram to whom it belongs; others are dropped and counted."""
        first = datagram[0] if datagram else 255
        if first < 4:
            self._receive_stun(datagram, flow, now)
            return
        endpoint = self._by_flow.get(flow)
        if endpoint is None:
            self.dropped += 1
        elif first in _RTP:
            endpoint.receive_media(datagram, flow, now)
        elif first in _DTLS:
            endpoint.receive_dtls(datagram, flow, now)
        else:
            self.dropped += 1

    def _receive_stun(self, datagram: bytes, flow: Flow, now: float) -> None:
        try:
            message = stun.parse_stun(datagram)
        except StunError:
            self.dropped += 1
            return
        if message.message_type == stun.BINDING_REQUEST:
            endpoint = self._by_ufrag.get(message.username.partition(":")[0])
        else:
            endpoint = self._by_flow.get(flow)
        if endpoint is None:
            self.dropped += 1
        elif endpoint.receive_stun(message, flow, now):
            self.learn(flow, endpoint)

    def learn(self, flow: Flow, endpoint: Endpoint) -> None:
        """The flow is the endpoint's from now on."""
        known = self._by_flow.get(flow)
        if known is endpoint:
            return
        if known is not None:
            self.remove_flow(flow)
        flows = self._flows.setdefault(endpoint, [])
        if len(flows) == MAX_FLOWS_PER_ENDPOINT:
            self.remove_flow(flows[0])
        flows.append(flow)
        self._by_flow[flow] = endpoint
