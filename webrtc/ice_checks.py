"""The checks that a full ICE agent sends: ordinary, triggered, and to keep consent; sans-IO.

We are the controlled side always (RFC 8445 6.1.1: who answers an offer of a full agent), so a
check never nominates. Its use is the hole it makes in a NAT or firewall on our side, and the proof
that the peer is there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from webrtc import stun
from webrtc.ice import TCP, Candidate, Flow, IceCredentials, RandomBytes
from webrtc.stun import StunMessage

MAX_PAIRS = 16
"""One agent's pairs; browsers offer 2 to 10 candidates. RFC 8445 6.1.2.5 proposes at most 100, but
an offer may name anybody's address and each pair is seven packets to it."""

_MAX_TRANSMISSIONS = 7
_FIRST_TIMEOUT_S = 0.5
_MAX_TIMEOUT_S = 4.0
"""RFC 8445 14.3 and RFC 8489 6.2.1: 500 ms, doubled, at most seven times."""

_PACE_S = 0.05
"""RFC 8445 14.2: Ta, between ordinary checks of one agent."""

_CONSENT_S = 5.0
"""RFC 7675 5.1: about five seconds between checks of the flow in use."""

_PEER_REFLEXIVE_PRIORITY = 110 << 24 | 0xFFFF << 8 | 255


@dataclass(slots=True)
class _Pair:
    """A flow that we check."""

    flow: Flow
    due: float = 0.0
    transmissions: int = 0
    transaction_id: bytes = b""
    succeeded: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it may still succeed."""
        return not self.succeeded and self.transmissions < _MAX_TRANSMISSIONS


class ConnectivityChecks:
    """Owns the pairs of one ICE session and says when each is to be checked."""

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._random_bytes = random_bytes
        self._tie_breaker = random_bytes(8)
        self._pairs: dict[Flow, _Pair] = {}
        self._next_ordinary = 0.0
        self._next_consent = 0.0
        self._consent_id = b""
        self._consent_sent: float | None = None
        self.rtt_s: float | None = None
        """Round trip, by the last answer to a check that keeps consent: these are sent once."""

    def add(self, candidates: Sequence[Candidate], sockets: dict[int, int]) -> None:
        """Pair the peer's candidates with our sockets, ``sockets`` being IP version -> number."""
        for candidate in sorted(candidates, key=lambda each: -each.priority):
            version = ipaddress.ip_address(candidate.host).version
            if version in sockets:
                self._pair(Flow(sockets[version], candidate.host, candidate.port))

    def _pair(self, flow: Flow) -> _Pair | None:
        pair = self._pairs.get(flow)
        if pair is None and len(self._pairs) < MAX_PAIRS:
            pair = self._pairs[flow] = _Pair(flow)
        return pair

    def trigger(
        self, flow: Flow, local: IceCredentials, remote: IceCredentials, now: float
    ) -> list[tuple[Flow, bytes]]:
        """The peer checked us from there: check back (RFC 8445 7.3.1.4)."""
        pair = self._pair(flow)
        if pair is None or pair.succeeded or flow.socket == TCP:
            return []
        if pair.transmissions and now < pair.due:
            return []
        pair.transmissions = min(pair.transmissions, _MAX_TRANSMISSIONS - 1)
        return [self._send(pair, local, remote, now)]

    def receive(self, message: StunMessage, flow: Flow, now: float) -> bool:
        """An answer with the peer's integrity; whether it is one to a check of ours."""
        if message.transaction_id == self._consent_id:
            if self._consent_sent is not None:
                self.rtt_s, self._consent_sent = now - self._consent_sent, None
            return message.message_type == stun.BINDING_SUCCESS
        pair = self._pairs.get(flow)
        if pair is None or pair.transaction_id != message.transaction_id:
            return False
        if message.message_type == stun.BINDING_SUCCESS:
            pair.succeeded = True
        return pair.succeeded

    def handle_timer(
        self, local: IceCredentials, remote: IceCredentials, selected: Flow | None, now: float
    ) -> list[tuple[Flow, bytes]]:
        """What is due: one ordinary check, or the one that keeps consent."""
        if selected is not None:
            return self._keep_consent(local, remote, selected, now)
        if now < self._next_ordinary:
            return []
        for pair in self._pairs.values():
            if pair.is_open and now >= pair.due and pair.flow.socket != TCP:
                self._next_ordinary = now + _PACE_S
                return [self._send(pair, local, remote, now)]
        return []

    def _keep_consent(
        self, local: IceCredentials, remote: IceCredentials, selected: Flow, now: float
    ) -> list[tuple[Flow, bytes]]:
        if now < self._next_consent:
            return []
        jitter = 0.8 + 0.4 * self._random_bytes(1)[0] / 255
        self._next_consent = now + _CONSENT_S * jitter
        self._consent_id = self._random_bytes(stun.TRANSACTION_ID_BYTES)
        self._consent_sent = now
        return [(selected, self._check(self._consent_id, local, remote))]

    def _send(
        self, pair: _Pair, local: IceCredentials, remote: IceCredentials, now: float
    ) -> tuple[Flow, bytes]:
        if not pair.transaction_id:
            pair.transaction_id = self._random_bytes(stun.TRANSACTION_ID_BYTES)
        pair.due = now + min(_FIRST_TIMEOUT_S * 2**pair.transmissions, _MAX_TIMEOUT_S)
        pair.transmissions += 1
        return pair.flow, self._check(pair.transaction_id, local, remote)

    def _check(self, transaction_id: bytes, local: IceCredentials, remote: IceCredentials) -> bytes:
        attributes = [
            (stun.USERNAME, f"{remote.ufrag}:{local.ufrag}".encode()),
            (stun.PRIORITY, _PEER_REFLEXIVE_PRIORITY.to_bytes(4, "big")),
            (stun.ICE_CONTROLLED, self._tie_breaker),
        ]
        return stun.render_stun(
            stun.BINDING_REQUEST, transaction_id, attributes, password=remote.password
        )
