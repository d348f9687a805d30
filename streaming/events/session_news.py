"""WebRTC sessions that began and ended, as events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streaming.events.event import Emit
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest

KINDS: Final = {"view": "whep", "answer": "whep", "publish": "whip"}
SHOWN_CHARS: Final = 8
"""Of a session's name, which is its URL's secret: enough to find it in the log."""


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """What is remembered of a session."""

    path: str
    protocol: str
    remote: str
    since_utc: float


class SessionNews:
    """Remembers the open sessions, to say of which path one was that ended."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._open: dict[str, OpenedSession] = {}

    def answered(self, request: SignalRequest, answer: SignalAnswer, now_utc: float) -> None:
        """A request was answered; 201 is a new session."""
        protocol = KINDS.get(request.verb)
        if protocol is None or answer.status != 201 or not answer.session:
            return
        self._open[answer.session] = OpenedSession(request.path, protocol, request.remote, now_utc)
        data = {"session": answer.session[:SHOWN_CHARS], "protocol": protocol}
        self._emit("session.opened", request.path, data)

    def ended(self, session: str, reason: str) -> None:
        """A session is over."""
        opened = self._open.pop(session, None)
        if opened is not None:
            shown = session[:SHOWN_CHARS]
            data = {"session": shown, "protocol": opened.protocol, "reason": reason}
            self._emit("session.closed", opened.path, data)

    def viewers(self) -> list[tuple[str, OpenedSession]]:
        """Those who view, each with what is shown of its session's name."""
        return [
            (session[:SHOWN_CHARS], opened)
            for session, opened in self._open.items()
            if opened.protocol == KINDS["view"]
        ]

    def full_name(self, path: str, shown: str) -> str | None:
        """The session of a path that begins so; None where there is none, or several."""
        if len(shown) != SHOWN_CHARS:
            return None
        found = [
            session
            for session, opened in self._open.items()
            if opened.path == path and session.startswith(shown)
        ]
        return found[0] if len(found) == 1 else None

    def all_ended(self, reason: str) -> None:
        """The process that had them has gone."""
        for session in list(self._open):
            self.ended(session, reason)
