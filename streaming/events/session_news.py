"""WebRTC sessions that began and ended, as events."""

from __future__ import annotations

from typing import Final

from streaming.events.event import Emit
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest

KINDS: Final = {"view": "whep", "publish": "whip"}
SHOWN_CHARS: Final = 8
"""Of a session's name, which is its URL's secret: enough to find it in the log."""


class SessionNews:
    """Remembers the open sessions, to say of which path one was that ended."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._open: dict[str, tuple[str, str]] = {}
        """Session to path and protocol."""

    def answered(self, request: SignalRequest, answer: SignalAnswer) -> None:
        """A request was answered; 201 is a new session."""
        protocol = KINDS.get(request.verb)
        if protocol is None or answer.status != 201 or not answer.session:
            return
        self._open[answer.session] = request.path, protocol
        data = {"session": answer.session[:SHOWN_CHARS], "protocol": protocol}
        self._emit("session.opened", request.path, data)

    def ended(self, session: str, reason: str) -> None:
        """A session is over."""
        path, protocol = self._open.pop(session, ("", ""))
        if path:
            data = {"session": session[:SHOWN_CHARS], "protocol": protocol, "reason": reason}
            self._emit("session.closed", path, data)

    def all_ended(self, reason: str) -> None:
        """The process that had them has gone."""
        for session in list(self._open):
            self.ended(session, reason)
