"""The WebRTC process seen from the main process: what it is asked, what it is fed, what it brings.

It holds the peers of all paths. Its sockets belong to the main process, so a process that died is
replaced without losing the port; its sessions are lost, and clients come back by themselves.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from streaming.command_messages import SendMessage, SessionRecord
from streaming.config import WebrtcConfig
from streaming.errors import MessageRefused
from streaming.events.event import Emit, no_events
from streaming.events.session_news import SessionNews
from streaming.ingest.source import AdmissionDoor
from streaming.restart_backoff import RestartBackoff
from streaming.rtc.messages import (
    FromRtc,
    KeyFrameAsked,
    PublishAsked,
    PublishClosed,
    PublishSample,
    PublishTracks,
    RtcListening,
    RtcReport,
    RtcSetup,
    SaidRefused,
    Unwatch,
    ViewerSaid,
    Watch,
)
from streaming.rtc.signal_messages import (
    SessionEnded,
    SignalAnswer,
    SignalEvent,
    SignalRequest,
)
from streaming.rtc.tap import RtcTap
from streaming.rtc.whip_publication import WhipPublication
from streaming.worker_process import WorkerExit, WorkerProcess, WorkerStatistics

logger = logging.getLogger(__name__)

MODULE = "streaming.rtc.process"
ANSWER_S = 10.0
"""An offer is answered within some 20 ms; browsers give up after tens of seconds."""
MOST_PENDING = 2_000
"""Requests on their way: what a crowd sends within a second or two."""
NOT_LIVE_RETRY_S = 2
"""When a viewer of what is not live may ask again: a publisher takes that long to be playable."""

Answer = Callable[[SignalAnswer], None]


class WatchedPaths(Protocol):
    """The part of the registry that viewers need."""

    def tap(self, name: str) -> RtcTap | None:
        """What WebRTC viewers of a path get; None where there is no such path."""

    def segment_duration_s(self, name: str) -> float:
        """How long the segments of a path are to be, seconds."""

    def want(self, name: str) -> None:
        """A viewer asks for a path that is not live."""


@dataclass(frozen=True, slots=True)
class WebrtcStatistics:
    """How the WebRTC process fares."""

    worker: WorkerStatistics
    report: RtcReport
    pending: int


@dataclass(slots=True)
class _Pending:
    """A request whose answer is awaited."""

    request: SignalRequest
    answer: Answer
    due: float

    @property
    def id(self) -> int:
        """By which the asker knows it."""
        return self.request.id


class WebrtcProcess:
    """Owns the WebRTC process; the composition root starts, ticks and closes it.

    Delivery processes' requests come through `signal`; taps send by it (it is their outlet).
    `on_event` hears what happens to sessions that a WebSocket belongs to.
    """

    def __init__(
        self,
        config: WebrtcConfig,
        log_level: str,
        utc_ahead_s: Callable[[], float],
        on_event: Callable[[SignalEvent], None] = lambda event: None,
        emit: Emit = no_events,
        send_message: Callable[[SendMessage], object] = lambda wish: None,
    ) -> None:
        """`send_message` takes what viewers say; it raises MessageRefused."""
        self._send_message = send_message
        self._config = config
        self._log_level = log_level
        self._utc_ahead_s = utc_ahead_s
        self._on_event = on_event
        self._news = SessionNews(emit)
        self._paths: WatchedPaths | None = None
        self._door: AdmissionDoor | None = None
        self._udp: list[socket.socket] = []
        self._tcp: list[socket.socket] = []
        self._worker: WorkerProcess[FromRtc] | None = None
        self._listening = False
        self._pending: dict[int, _Pending] = {}
        self._next_id = 0
        self._watched: set[str] = set()
        self._publications: dict[str, WhipPublication] = {}
        self._report = RtcReport()

    def start(
        self,
        paths: WatchedPaths,
        door: AdmissionDoor,
        udp: list[socket.socket],
        tcp: list[socket.socket],
    ) -> None:
        """Takes over the sockets and begins; needs a running loop."""
        self._paths, self._door = paths, door
        self._udp, self._tcp = udp, tcp
        self._worker = WorkerProcess(
            MODULE,
            (),
            FromRtc,
            self._receive,
            self._worker_ended,
            on_start=self._send_setup,
            name="webrtc",
            descriptors=[one.fileno() for one in (*udp, *tcp)],
            logs_itself=True,
            backoff=RestartBackoff(first_s=0.1, most_s=5.0),
        )
        self._worker.start()

    async def close(self) -> None:
        """Ends the process and every session."""
        if self._worker is not None:
            await self._worker.close()
        self._lose_everything("the server is shutting down")
        for one in (*self._udp, *self._tcp):
            one.close()

    # -- the taps' outlet --------------------------------------------------------------------

    @property
    def buffered_bytes(self) -> int:
        """How far the process is behind with reading."""
        return self._worker.buffered_bytes if self._worker is not None else 0

    def send(self, message: object) -> bool:
        """Queues one message; False when there is no process."""
        return self._worker is not None and self._worker.send(message)

    # -- requests ----------------------------------------------------------------------------

    def signal(self, request: SignalRequest, answer: Answer) -> None:
        """Passes a request on; `answer` is called once, perhaps at once."""
        refusal = self._refusal(request)
        if refusal is not None:
            answer(refusal)
            return
        if request.verb in ("view", "offer"):
            self._watch(request.path)
        self._next_id += 1
        due = asyncio.get_running_loop().time() + ANSWER_S
        self._pending[self._next_id] = _Pending(request, answer, due)
        self.send(msgspec.structs.replace(request, id=self._next_id))

    def handle_timer(self) -> None:
        """Answers those whose request got lost; called a few times a second."""
        now = asyncio.get_running_loop().time()
        for number in [n for n, pending in self._pending.items() if pending.due <= now]:
            pending = self._pending.pop(number)
            pending.answer(_busy(pending.id, "WebRTC did not answer in time"))

    def statistics(self) -> WebrtcStatistics:
        """The present state."""
        worker = (
            self._worker.statistics()
            if self._worker is not None
            else WorkerStatistics(0, 0, 0, None)
        )
        return WebrtcStatistics(worker, self._report, len(self._pending))

    @property
    def viewers(self) -> Mapping[str, int]:
        """WHEP sessions of each path."""
        return self._report.viewers

    def viewer_sessions(self) -> list[SessionRecord]:
        """Everybody who views by WHEP."""
        return [
            SessionRecord(
                opened.path, shown, opened.protocol, "viewer", "", True, opened.remote,
                opened.since_utc, 0,
            )
            for shown, opened in self._news.viewers()
        ]  # fmt: skip

    def full_session(self, path: str, shown: str) -> str | None:
        """The session of a path that is shown as this; None where there is none, or several."""
        for session, publication in self._publications.items():
            if publication.is_shown_as(path, shown):
                return session
        return self._news.full_name(path, shown)

    def _refusal(self, request: SignalRequest) -> SignalAnswer | None:
        """What is known without asking."""
        if not self._listening:
            return _busy(request.id, "WebRTC is starting")
        if len(self._pending) >= MOST_PENDING:
            return _busy(request.id, "too many requests at once")
        if request.verb not in ("view", "offer"):
            return None
        assert self._paths is not None
        tap = self._paths.tap(request.path)
        if tap is not None and tap.is_live:
            return None
        self._paths.want(request.path)
        return SignalAnswer(
            request.id,
            409,  # W6
            f"{request.path} is not live",
            {"Retry-After": str(NOT_LIVE_RETRY_S)},
        )

    # -- the process's news ------------------------------------------------------------------

    def _send_setup(self) -> None:
        self.send(
            RtcSetup(
                udp=tuple(one.fileno() for one in self._udp),
                tcp=tuple(one.fileno() for one in self._tcp),
                config=self._config,
                log_level=self._log_level,
                utc_ahead_s=self._utc_ahead_s(),
            )
        )

    def _receive(self, news: FromRtc) -> None:
        match news:
            case PublishSample():
                publication = self._publications.get(news.session)
                if publication is not None:
                    publication.write(news)
            case PublishTracks():
                publication = self._publications.get(news.session)
                if publication is not None:
                    publication.set_tracks(news)
            case SignalAnswer():
                pending = self._pending.pop(news.id, None)
                if pending is not None:
                    now_utc = time.monotonic() + self._utc_ahead_s()
                    self._news.answered(pending.request, news, now_utc)
                    pending.answer(msgspec.structs.replace(news, id=pending.id))
            case SignalEvent():
                self._on_event(news)
            case SessionEnded():
                self._news.ended(news.session, news.reason)
            case PublishAsked():
                self._ask_door(news)
            case PublishClosed():
                publication = self._publications.pop(news.session, None)
                if publication is not None:
                    publication.leave(news.reason)
            case ViewerSaid():
                self._take_said(news)
            case Watch():
                self._watch(news.path)
            case Unwatch():
                self._unwatch(news.path)
            case KeyFrameAsked():
                self._ask_for_key_frame(news.path)
            case RtcReport():
                self._report = news
            case RtcListening():
                self._listening = True

    def _take_said(self, said: ViewerSaid) -> None:
        wish = SendMessage(said.path, "chat", text=said.text, sender=said.sender, by_viewer=True)
        try:
            self._send_message(wish)
        except MessageRefused as refusal:
            self.send(SaidRefused(said.session, refusal.http_status or 400, str(refusal)))

    def _watch(self, path: str) -> None:
        assert self._paths is not None
        tap = self._paths.tap(path)
        if tap is not None and tap.is_live:
            self._watched.add(path)
            tap.watch()

    def _ask_for_key_frame(self, path: str) -> None:
        assert self._paths is not None
        tap = self._paths.tap(path)
        if tap is not None:
            tap.ask_for_key_frame()

    def _unwatch(self, path: str) -> None:
        assert self._paths is not None
        self._watched.discard(path)
        tap = self._paths.tap(path)
        if tap is not None:
            tap.unwatch()

    def _worker_ended(self, end: WorkerExit) -> None:
        self._lose_everything(end.reason)

    def _lose_everything(self, reason: str) -> None:
        """All sessions have gone with the process."""
        self._listening = False
        self._news.all_ended(reason)
        self._report = RtcReport()
        for path in list(self._watched):
            self._unwatch(path)
        pending, self._pending = list(self._pending.values()), {}
        for one in pending:
            one.answer(_busy(one.id, "WebRTC has been restarted"))
        publications, self._publications = list(self._publications.values()), {}
        for publication in publications:
            publication.leave(reason)

    # -- publishers --------------------------------------------------------------------------

    def _ask_door(self, asked: PublishAsked) -> None:
        assert self._door is not None
        publication = WhipPublication(asked, self._door, self)
        self._publications[asked.session] = publication
        publication.ask()

    def segment_duration_s(self, path: str) -> float:
        """How long the segments of a path are to be, seconds."""
        assert self._paths is not None
        return self._paths.segment_duration_s(path)

    def forget(self, session: str) -> None:
        """The publication is over, on our side."""
        self._publications.pop(session, None)


def _busy(number: int, reason: str) -> SignalAnswer:
    return SignalAnswer(number, 503, reason, {"Retry-After": "1"})
