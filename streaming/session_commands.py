"""Carries out the API's commands on sessions: who publishes and who views, and ending one."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

import msgspec

from streaming.command_messages import (
    CommandAnswer,
    EndSession,
    GetSession,
    ListSessions,
    SessionRecord,
)
from streaming.rtc.session_figures import WebrtcFigures
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest

Answer = Callable[[CommandAnswer], None]
CLOSED_BY_OPERATOR: Final = "closed by the operator"
_BY_WEBRTC: Final = ("whip", "whep")
_FIGURES: Final = msgspec.json.Decoder(dict[str, WebrtcFigures])


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

    def list(self, number: int, command: ListSessions, answer: Answer) -> None:
        """A page of sessions in the order of their paths and names; `answer` is called once,
        perhaps later."""
        found = [
            (f"{one.path}/{one.session}", one)
            for one in self._all()
            if command.path in ("", one.path) and command.protocol in ("", one.protocol)
        ]
        left = (pair for pair in found if pair[0] > command.after)
        page = heapq.nsmallest(command.limit + 1, left, key=lambda pair: pair[0])
        shown, rest = page[: command.limit], page[command.limit :]
        following = {"next": shown[-1][0]} if rest else {}

        def told(records: Iterable[SessionRecord]) -> None:
            sessions = [msgspec.to_builtins(one) for one in records]
            answer(CommandAnswer(number, 200, {"sessions": sessions, **following}))

        self._measure([one for _, one in shown], told)

    def get(self, number: int, command: GetSession, answer: Answer) -> None:
        """One session as it is listed; `answer` is called once, perhaps later."""
        name = command.path, command.session
        found = [one for one in self._all() if (one.path, one.session) == name]
        if not found:
            answer(CommandAnswer(number, 404, detail="there is no such session"))
            return
        self._measure(
            found[:1],
            lambda records: answer(CommandAnswer(number, 200, msgspec.to_builtins(records[0]))),
        )

    def _all(self) -> Iterator[SessionRecord]:
        yield from self._publishers.publisher_sessions()
        yield from self._viewers.viewer_sessions()

    def _measure(
        self, records: Sequence[SessionRecord], tell: Callable[[Sequence[SessionRecord]], None]
    ) -> None:
        """With what the WebRTC process knows of each; without it where that does not answer."""
        names = {
            (one.path, one.session): full
            for one in records
            if one.protocol in _BY_WEBRTC
            and (full := self._viewers.full_session(one.path, one.session)) is not None
        }
        if not names:
            tell(records)
            return

        def told(signal: SignalAnswer) -> None:
            seen = _FIGURES.decode(signal.body) if signal.status == 200 else {}
            found = [(one, seen.get(names.get((one.path, one.session), ""))) for one in records]
            tell([msgspec.structs.replace(one, webrtc=figures) for one, figures in found])

        body = msgspec.json.encode([*names.values()]).decode()
        self._signal(SignalRequest(0, "figures", "", body=body), told)

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
