"""One session's ICE: the controlled side, which waits for the peer's checks (RFC 8445), sans-IO.

A browser checks our candidates and nominates one; we answer. That is all that ICE lite asks of a
server with an address everybody reaches. A server without one checks back towards the peer as
well (`webrtc/ice_checks.py`), which opens the NAT or firewall in between. Two deviations stand in
ARCHITECTURE.md: a nomination counts at once, and consent (RFC 7675) is the peer's last check.

After a restart the old credentials keep working until the peer has nominated with the new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webrtc import stun
from webrtc.ice import Candidate, Flow, IceCredentials, RandomBytes, new_credentials
from webrtc.ice_checks import ConnectivityChecks
from webrtc.stun import StunMessage

Outgoing = tuple[Flow, bytes]


@dataclass(slots=True)
class _Generation:
    """What one ICE session (between restarts) goes by."""

    local: IceCredentials
    remote: IceCredentials


class IceAgent:
    """Owns the credentials of one peer and knows which flow it has chosen.

    Its session calls `receive` with every STUN message for one of `local_ufrags`, sends what is
    returned and looks at `selected` and `last_check`.
    """

    def __init__(
        self,
        remote: IceCredentials,
        *,
        random_bytes: RandomBytes,
        now: float,
        lite: bool = True,
        local: IceCredentials | None = None,
    ) -> None:
        """``local`` are ours where they have been told already."""
        self.selected: Flow | None = None
        """The flow that the peer has nominated."""
        self.last_check = now
        """When the peer last proved that it is there, or when we began to wait for it."""
        self._random_bytes = random_bytes
        self._generations = [_Generation(local or new_credentials(random_bytes), remote)]
        self._flows: set[Flow] = set()
        self._checks = None if lite else ConnectivityChecks(random_bytes)

    @property
    def rtt_s(self) -> float | None:
        """Round trip, where we check as well and were answered."""
        return self._checks.rtt_s if self._checks is not None else None

    @property
    def local(self) -> IceCredentials:
        """Our credentials of the newest ICE session."""
        return self._generations[-1].local

    @property
    def remote(self) -> IceCredentials:
        """The peer's credentials of the newest ICE session."""
        return self._generations[-1].remote

    @property
    def active(self) -> tuple[str, str]:
        """USERNAME of the peer's checks and the password they are made with, as far as the peer
        has come: those of a restart once it has nominated."""
        generation = self._generations[0]
        return f"{generation.local.ufrag}:{generation.remote.ufrag}", generation.local.password

    @property
    def local_ufrags(self) -> tuple[str, ...]:
        """Under which of our username fragments checks may come."""
        return tuple(generation.local.ufrag for generation in self._generations)

    def restart(self, remote: IceCredentials) -> IceCredentials:
        """New credentials for both sides (RFC 8445 9); the flow in use stays in use meanwhile."""
        self._generations = [self._generations[-1], _Generation(self._new_local(), remote)]
        if self._checks is not None:
            self._checks = ConnectivityChecks(self._random_bytes)
        return self.local

    def _new_local(self) -> IceCredentials:
        return new_credentials(self._random_bytes)

    def add_candidates(self, candidates: Sequence[Candidate], sockets: dict[int, int]) -> None:
        """Candidates of the peer; ``sockets`` is the mux's IP version -> socket number."""
        if self._checks is not None:
            self._checks.add(candidates, sockets)

    def receive(self, message: StunMessage, flow: Flow, now: float) -> list[Outgoing]:
        """Take one STUN message; what is returned is to be sent."""
        if message.message_type == stun.BINDING_REQUEST:
            return self._answer(message, flow, now)
        is_answer = message.message_type in (stun.BINDING_SUCCESS, stun.BINDING_ERROR)
        if self._checks is None or not is_answer or not message.is_from(self.remote.password):
            return []
        if self._checks.receive(message, flow, now):
            self.last_check = now
        return []

    def is_known(self, flow: Flow) -> bool:
        """Whether a check that was the peer's came from there."""
        return flow in self._flows

    def see(self, seen_at: float) -> None:
        """Something authenticated came from the peer and was dealt with elsewhere."""
        self.last_check = max(self.last_check, seen_at)

    def follow(self, flow: Flow) -> None:
        """A nomination of this flow was answered elsewhere."""
        self._flows.add(flow)
        self.selected = flow

    def forget(self, flow: Flow) -> None:
        """The mux has no room for this flow, or its connection is gone."""
        self._flows.discard(flow)
        if self.selected == flow:
            self.selected = None

    def handle_timer(self, now: float) -> list[Outgoing]:
        """Checks that are due; nothing when lite."""
        if self._checks is None:
            return []
        return self._checks.handle_timer(self.local, self.remote, self.selected, now)

    def _answer(self, request: StunMessage, flow: Flow, now: float) -> list[Outgoing]:
        generation = self._addressed(request)
        if generation is None or not request.is_from(generation.local.password):
            # Unlike RFC 8445 7.3 we are silent: an answer would make us a mirror for strangers.
            return []
        password = generation.local.password
        if request.unknown_attributes:
            return [(flow, stun.render_error(request, stun.UNKNOWN_ATTRIBUTE, password))]
        if stun.ICE_CONTROLLED in request.attributes:
            return [(flow, stun.render_error(request, stun.ROLE_CONFLICT, password))]
        self.last_check = now
        self._flows.add(flow)
        outgoing = [(flow, stun.render_success(request, flow.host, flow.port, password))]
        if stun.USE_CANDIDATE in request.attributes:
            self._nominate(flow, generation)
        if self._checks is not None and generation is self._generations[-1]:
            outgoing += self._checks.trigger(flow, self.local, self.remote, now)
        return outgoing

    def _addressed(self, request: StunMessage) -> _Generation | None:
        ours, _, theirs = request.username.partition(":")
        for generation in self._generations:
            if generation.local.ufrag == ours and generation.remote.ufrag == theirs:
                return generation
        return None

    def _nominate(self, flow: Flow, generation: _Generation) -> None:
        if generation is self._generations[-1]:
            self._generations = [generation]
            self.selected = flow
        elif self.selected is None:
            self.selected = flow
