"""Whose sessions there are: their paths, and the channels that want to hear of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from streaming.rtc.signal_messages import EventKind, SignalEvent


@dataclass(slots=True)
class OpenSession:
    """What the server keeps of one session."""

    path: str
    channel: str
    """Empty: nobody wants its events."""
    is_publisher: bool = False
    share: str = ""
    """Name of the viewing token that it goes by, where that has a limit."""
    told: dict[str, object] = field(default_factory=dict)
    """What its channel knows already, by topic."""


class OpenSessions:
    """Owns the table; the server adds and removes."""

    def __init__(self, send: Callable[[Any], None]) -> None:
        self._send = send
        self._sessions: dict[str, OpenSession] = {}
        self._per_path: Counter[str] = Counter()

    def add(self, session_id: str, session: OpenSession) -> None:
        """A session has been opened."""
        self._sessions[session_id] = session
        if not session.is_publisher:
            self._per_path[session.path] += 1

    def remove(self, session_id: str) -> OpenSession | None:
        """It has ended."""
        session = self._sessions.pop(session_id, None)
        if session is not None and not session.is_publisher:
            self._per_path[session.path] -= 1
            if not self._per_path[session.path]:
                del self._per_path[session.path]
        return session

    def find(self, session_id: str) -> OpenSession | None:
        """None where there is none (any more)."""
        return self._sessions.get(session_id)

    def followed(self) -> Iterator[tuple[str, OpenSession]]:
        """Those whose events somebody wants."""
        return ((key, one) for key, one in list(self._sessions.items()) if one.channel)

    def attach(self, session_id: str, channel: str) -> None:
        """Events go there from now on, beginning with how things are; who had them is told."""
        session = self._sessions[session_id]
        if session.channel != channel:
            self.tell(session_id, "taken")
        session.channel = channel
        session.told.clear()

    def count(self, path: str) -> int:
        """Viewers of a path."""
        return self._per_path[path]

    def count_share(self, name: str) -> int:
        """Sessions that go by the token of that name."""
        return sum(one.share == name for one in self._sessions.values())

    def viewers(self) -> dict[str, int]:
        """The same of all paths that have some."""
        return dict(self._per_path)

    def tell(self, session_id: str, kind: EventKind, text: str = "") -> None:
        """Says to the session's channel, if it has one, what happened."""
        session = self._sessions.get(session_id)
        if session is not None and session.channel:
            self._send(SignalEvent(session.channel, session_id, kind, text))

    def tell_new(
        self, session_id: str, topic: str, value: object, kind: EventKind, text: str = ""
    ) -> None:
        """The same where the channel knows another value of the topic, or none."""
        session = self._sessions.get(session_id)
        if session is not None and session.told.get(topic) != value:
            session.told[topic] = value
            self.tell(session_id, kind, text)
