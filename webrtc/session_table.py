"""All sessions, and the bounds on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from webrtc.errors import SessionNotFound, TooManySessions
from webrtc.flow_table import FlowTable
from webrtc.ice import Flow
from webrtc.session import Role, Session, State

_CONNECTED_CHECK_S = 1.0
"""Connected sessions have nothing that is due sooner."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds on what strangers may make us keep."""

    sessions: int = 5_000
    """Five cores' worth of viewers."""
    sessions_per_address: int = 500
    """One address may be a company's."""
    half_open: int = 1_000
    """Not connected yet: so many may join within 15 s, and a flood of offers keeps no more."""


class SessionTable:
    """Owns all sessions and their routes; Signalling's alone.

    Sessions report to `changed`; ``on_change`` hears of each change after the tables are right.
    """

    def __init__(
        self,
        limits: SessionLimits,
        flows: FlowTable,
        on_change: Callable[[Session, float], None],
    ) -> None:
        self._limits = limits
        self._flows = flows
        self._on_change = on_change
        self._sessions: dict[str, Session] = {}
        self._half_open: dict[Session, None] = {}
        self._by_role: dict[Role, Session] = {}
        self._clients: dict[Session, str] = {}
        self._per_client: Counter[str] = Counter()
        self._ending: set[Session] = set()
        self._next_full_check = 0.0

    def __len__(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        """All sessions, which may be closed meanwhile."""
        return iter(list(self._sessions.values()))

    @property
    def half_open(self) -> int:
        """How many are not connected yet."""
        return len(self._half_open)

    def check_room(self, client: str) -> None:
        """Raises TooManySessions when there is none for this client."""
        limits = self._limits
        if len(self._sessions) >= limits.sessions or len(self._half_open) >= limits.half_open:
            raise TooManySessions("there are too many sessions")
        if self._per_client[client] >= limits.sessions_per_address:
            raise TooManySessions("there are too many sessions from this address", value=client)

    def add(self, session: Session, client: str) -> None:
        """A new session of this client."""
        self._sessions[session.session_id] = session
        self._half_open[session] = None
        self._by_role[session.role] = session
        self._clients[session] = client
        self._per_client[client] += 1
        self.update_ufrags(session)

    def update_ufrags(self, session: Session) -> None:
        """Its ICE has begun or been restarted."""
        self._flows.set_ufrags(session.agent.local_ufrags, session)

    def find(self, session_id: str) -> Session:
        """Raises SessionNotFound."""
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionNotFound("there is no such session")
        return session

    def close_role(self, role: Role, reason: str, now: float) -> None:
        """End the session with this role, if there is one."""
        session = self._by_role.get(role)
        if session is not None:
            session.close(reason, now)

    def follow(self, role: Role, flow: Flow) -> None:
        """The peer with this role has moved."""
        session = self._by_role.get(role)
        if session is not None:
            self._flows.learn(flow, session)
            session.follow(flow)

    def changed(self, session: Session, now: float) -> None:
        """A session's state has changed."""
        if session.state in (State.CONNECTED, State.CLOSED):
            self._half_open.pop(session, None)
        if session.state is State.CLOSED:
            self._remove(session)
        self._on_change(session, now)

    def handle_timer(self, now: float) -> None:
        """Give each session its time: half-open ones always, others once a second."""
        sessions = self._half_open
        if now >= self._next_full_check:
            self._next_full_check = now + _CONNECTED_CHECK_S
            sessions = dict.fromkeys(self._sessions.values())
        for session in list(sessions):
            session.handle_timer(now)
        self._ending = {each for each in self._ending if not each.has_ended}

    async def wait_closed(self, now: float) -> None:
        """Close all sessions and wait until nothing of them runs."""
        for session in list(self._sessions.values()):
            session.close("the server stops", now)
        for session in self._ending:
            await session.wait_closed()
        self._ending.clear()

    def _remove(self, session: Session) -> None:
        del self._sessions[session.session_id]
        del self._by_role[session.role]
        client = self._clients.pop(session)
        self._per_client[client] -= 1
        if not self._per_client[client]:
            del self._per_client[client]
        self._flows.remove(session)
        self._ending.add(session)
