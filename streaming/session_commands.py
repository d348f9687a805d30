"""Carries out the API's commands on sessions: who publishes and who views, and ending one."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import msgspec

from streaming.command_messages import CommandAnswer, EndSession, ListSessions, SessionRecord
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest

Answer = Callable[[CommandAnswer], None]
CLOSED_BY_OPERATOR: Final = "closed by the operator"


class Publishers(Protocol):
    """The part of the registry that knows who publishes."""

    def publisher_sessions(self) -> Iterable[SessionRecord]:
        """Everybody who publishes, pushed or pulled."""

    def end_publisher(self, name: str, session: str) -> bool:
        """Closes one publisher of a path; False where there is no such one."""


class Viewers(Protocol):
    """The part of WebRTC that knows who views."""

    def viewer_sessions(self) -> Iterable[SessionRecord]:
        """Everybody who views by WHEP."""

    def full_session(self, path: str, shown: str) -> str | None:
        """The session of a path that is shown as this; None where there is none, or several."""


class NoViewers:
    """Where there is no WebRTC."""

    def viewer_sessions(self) -> Iterable[SessionRecord]:
        """Nobody."""
        return ()

    def full_session(self, path: str, shown: str) -> str | None:
        """Nobody."""
        return None


class SessionCommands:
    """Owns nothing; the composition root wires it."""

    def __init__(
        self,
        publishers: Publishers,
        viewers: Viewers,
        signal: Callable[[SignalRequest, Callable[[SignalAnswer], None]], None],
    ) -> None:
        self._publishers = publishers
        self._viewers = viewers
        self._signal = signal

    def list(self, number: int, command: ListSessions) -> CommandAnswer:
        """A page of sessions in the order of their paths and names."""
        found = [
            (f"{one.path}/{one.session}", one)
            for one in (*self._publishers.publisher_sessions(), *self._viewers.viewer_sessions())
            if command.path in ("", one.path) and command.protocol in ("", one.protocol)
        ]
        left = (pair for pair in found if pair[0] > command.after)
        page = heapq.nsmallest(command.limit + 1, left, key=lambda pair: pair[0])
        shown, rest = page[: command.limit], page[command.limit :]
        result: dict[str, Any] = {"sessions": [msgspec.to_builtins(one) for _, one in shown]}
        if rest:
            result["next"] = shown[-1][0]
        return CommandAnswer(number, 200, result)

    def end(self, number: int, command: EndSession, answer: Answer) -> None:
        """Closes one; `answer` is called once, perhaps later.

        A session is named as it is listed, or, of WebRTC, as its own URL has it.
        """
        ended = {"path": command.path, "session": command.session}
        if self._publishers.end_publisher(command.path, command.session):
            answer(CommandAnswer(number, 200, ended))
            return

        def told(signal: SignalAnswer) -> None:
            if signal.status >= 400:
                answer(CommandAnswer(number, signal.status, detail=signal.body))
            else:
                answer(CommandAnswer(number, 200, ended))

        full = self._viewers.full_session(command.path, command.session) or command.session
        self._signal(SignalRequest(0, "kick", command.path, full), told)
