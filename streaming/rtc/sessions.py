"""Whose sessions there are: their paths, and the channels that want to hear of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from streaming.rtc.signal_messages import EventKind, SignalEvent

MOST_KEPT: Final = 32
"""Of a session's events, for a channel that was lost: half a minute of the busiest, a count of
viewers that changes each second. Browsers come back after some seconds."""
MOST_DIGITS: Final = 9
"""Of an event's number."""


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
    numbered: int = 0
    """How many events have told how things are."""
    latest: list[SignalEvent] = field(default_factory=list)
    """Of these, at most `MOST_KEPT`."""

    def number(self, event: SignalEvent) -> SignalEvent:
        """Gives the next event its number, and keeps it."""
        self.numbered += 1
        event = replace(event, number=self.numbered)
        self.latest.append(event)
        del self.latest[:-MOST_KEPT]
        return event

    def missed(self, after: str) -> list[SignalEvent] | None:
        """Events since that number; None where it is none, or not all are kept."""
        if not (after.isascii() and after.isdigit() and len(after) <= MOST_DIGITS):
            return None
        count = self.numbered - int(after)
        return self.latest[len(self.latest) - count :] if 0 <= count <= len(self.latest) else None


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

    def attach(self, session_id: str, channel: str, after: str = "") -> None:
        """Events go there from now on, those since the event `after` first; where these are not all
        kept, it begins with how things are. Who had them is told."""
        session = self._sessions[session_id]
        if session.channel != channel:
            self.tell(session_id, "taken")
        session.channel = channel
        missed = session.missed(after)
        if missed is None:
            session.told.clear()
        for event in missed or ():
            self._send(replace(event, channel=channel))

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
        if session is not None and session.channel and session.told.get(topic) != value:
            session.told[topic] = value
            self._send(session.number(SignalEvent(session.channel, session_id, kind, text)))
