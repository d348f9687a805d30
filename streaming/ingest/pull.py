"""A pulled source seen from the origin: what to read, in which state it is, who gets its samples.

The life of a pulled source:

    IDLE ──start──→ CONNECTING ──tracks──→ CLAIMING ──granted──→ LIVE ──worker ended──→ WAITING
                       ↑  └──worker ended──→ WAITING ←──refused──┘                         │
                       └────────────────────── worker starts again ───────────────────────┘
    any but CLOSED ──the source's end, not looped──→ ENDED
    LIVE ──another publisher took the path──→ DISPLACED
    IDLE, ENDED, DISPLACED ──start──→ CONNECTING      any ──close──→ CLOSED

While WAITING the delay before the next attempt grows, see `RestartBackoff`.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable
from dataclasses import dataclass

from segmenter.errors import SegmenterError
from segmenter.timeline import SourceClock
from streaming.config import PathConfig
from streaming.errors import LocalError, PublishRejected, StreamingError
from streaming.ingest.pull_messages import (
    PullEnded,
    PullFailure,
    PullNews,
    PullSetup,
    PullTracks,
)
from streaming.ingest.source import Publication, PublishDoor, PublishRequest
from streaming.transcode.messages import SampleMessage
from streaming.worker_process import WorkerExit, WorkerProcess, redact

WORKER_MODULE = "streaming.ingest.pull_worker"
MAX_CLAIM_MESSAGES = 2_000
"""Held while the door decides, which takes milliseconds: 20 s of 60 fps video with audio."""
CLOCK = SourceClock(90_000, None)
"""Whatever the source counted in, the worker has unwrapped it and sends ticks of 90 kHz."""

logger = logging.getLogger(__name__)


class PullState(enum.Enum):
    """Where a pulled source is in its life; the value is the word of the API, logs and metrics."""

    IDLE = "idle"
    CONNECTING = "connecting"
    CLAIMING = "claiming"
    LIVE = "live"
    WAITING = "waiting"
    ENDED = "ended"
    DISPLACED = "displaced"
    CLOSED = "closed"


_RUNNING = frozenset({PullState.CONNECTING, PullState.CLAIMING, PullState.LIVE, PullState.WAITING})
_STOPS = frozenset({PullState.ENDED, PullState.CLOSED})
_TRANSITIONS: dict[PullState, frozenset[PullState]] = {
    PullState.IDLE: frozenset({PullState.CONNECTING, PullState.CLOSED}),
    PullState.CONNECTING: _STOPS | {PullState.CLAIMING, PullState.WAITING},
    PullState.CLAIMING: _STOPS | {PullState.LIVE, PullState.WAITING, PullState.DISPLACED},
    PullState.LIVE: _STOPS | {PullState.WAITING, PullState.DISPLACED},
    PullState.WAITING: _STOPS | {PullState.CONNECTING},
    PullState.ENDED: frozenset({PullState.CONNECTING, PullState.CLOSED}),
    PullState.DISPLACED: frozenset({PullState.CONNECTING, PullState.CLOSED}),
    PullState.CLOSED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class PullStatistics:
    """What a pulled source has done; counters only rise."""

    state: PullState
    source: str
    """The URL without its secrets."""
    starts: int
    """Runs of the worker."""
    samples: int
    bytes_read: int
    last_error: str
    """Why the latest run failed; empty when none has."""


class _Tenant:
    """The Publisher that one claim gives to the door."""

    def __init__(self, on_close: Callable[[str], None]) -> None:
        self._on_close = on_close

    def close(self, code: str, description: str) -> None:
        """The path wants to be rid of the publication."""
        self._on_close(description)


class PullSource:
    """Owns the worker of one pulled source and its hold on the path; its creator starts and
    closes it.

    `on_state(state, reason)` is told of each change, on the event loop.
    """

    def __init__(
        self,
        path: str,
        config: PathConfig,
        door: PublishDoor,
        *,
        on_state: Callable[[PullState, str], None] = lambda state, reason: None,
    ) -> None:
        self._path = path
        self._setup = PullSetup(config.source, path, config.source_loop)
        self._remote = redact(config.source)
        self._door = door
        self._on_state = on_state
        self._state = PullState.IDLE
        self._worker: WorkerProcess[PullNews] | None = None
        self._publication: Publication | None = None
        self._claim: asyncio.Task[None] | None = None
        self._held: list[PullNews] = []
        self._stopping: set[asyncio.Task[None]] = set()
        self._starts = 0
        self._samples = 0
        self._bytes = 0
        self._run_error = ""
        self._last_error = ""

    @property
    def state(self) -> PullState:
        """The present state."""
        return self._state

    def start(self) -> None:
        """Begins to pull; needs a running loop. While it pulls already this does nothing.

        Raises LocalError after close.
        """
        if self._state is PullState.CLOSED:
            raise LocalError(f"the source of {self._path} has been closed")
        if self._state in _RUNNING:
            return
        self._set_state(PullState.CONNECTING, f"pulling {self._remote}")
        self._worker = WorkerProcess(
            WORKER_MODULE,
            (),
            PullNews,
            self._receive,
            self._worker_ended,
            on_start=self._send_setup,
            name=f"pull {self._path}",
        )
        self._worker.start()

    async def close(self) -> None:
        """Stops for good, and waits until the worker has gone."""
        if self._state is not PullState.CLOSED:
            self._set_state(PullState.CLOSED, "closed")
            self._stop("the source has been closed")
        await asyncio.gather(*self._stopping)

    def kill_worker(self, reason: str) -> None:
        """Ends the worker's present run; after the back-off the next one may fare better."""
        if self._worker is not None:
            self._run_error = reason
            self._worker.restart(reason)

    def statistics(self) -> PullStatistics:
        """The present state."""
        return PullStatistics(
            state=self._state,
            source=self._remote,
            starts=self._starts,
            samples=self._samples,
            bytes_read=self._bytes,
            last_error=self._last_error,
        )

    # -- the worker's news -------------------------------------------------------------------

    def _send_setup(self) -> None:
        assert self._worker is not None
        if self._state is PullState.WAITING:
            self._set_state(PullState.CONNECTING, f"pulling {self._remote}")
        self._starts += 1
        self._worker.send(self._setup)

    def _receive(self, news: PullNews) -> None:
        try:
            self._receive_news(news)
        except (SegmenterError, StreamingError) as error:
            self.kill_worker(str(error))

    def _receive_news(self, news: PullNews) -> None:
        if isinstance(news, SampleMessage):
            self._receive_sample(news)
        elif isinstance(news, PullTracks):
            self._receive_tracks(news)
        elif isinstance(news, PullFailure):
            self._run_error = redact(news.reason)
        elif isinstance(news, PullEnded):
            self._source_ended()

    def _receive_sample(self, news: SampleMessage) -> None:
        if self._publication is not None:
            self._samples += 1
            self._bytes += len(news.data)
            self._publication.write([news.to_sample()])
        elif self._state is PullState.CLAIMING:
            self._hold(news)

    def _receive_tracks(self, news: PullTracks) -> None:
        if self._publication is not None:
            self._publication.set_tracks([t.to_track() for t in news.tracks], CLOCK)
        elif self._state is PullState.CONNECTING:
            self._set_state(PullState.CLAIMING, "the source has opened")
            self._hold(news)
            self._claim = asyncio.get_running_loop().create_task(self._claim_path())
        elif self._state is PullState.CLAIMING:
            self._hold(news)

    def _hold(self, news: PullNews) -> None:
        if len(self._held) < MAX_CLAIM_MESSAGES:
            self._held.append(news)

    async def _claim_path(self) -> None:
        request = PublishRequest(path=self._path, key="", remote=self._remote, protocol="pull")
        try:
            publication = await self._door.publish(request, _Tenant(self._displaced))
        except PublishRejected as refusal:
            self.kill_worker(f"the path refused it: {refusal}")
            return
        if self._state is not PullState.CLAIMING:
            publication.close("the source has gone")
            return
        self._publication = publication
        self._set_state(PullState.LIVE, "publishing")
        held, self._held = self._held, []
        for news in held:
            self._receive(news)

    def _worker_ended(self, end: WorkerExit) -> None:
        if self._state not in _RUNNING:
            return
        reason = self._run_error or end.reason
        self._run_error, self._last_error = "", reason
        self._leave(reason)
        if self._state is not PullState.WAITING:
            self._set_state(PullState.WAITING, f"{reason}; again in {end.restart_in_s:.1f} s")

    def _source_ended(self) -> None:
        if self._state in _RUNNING:
            self._set_state(PullState.ENDED, "the source has ended")
            self._stop("the source has ended")

    def _displaced(self, description: str) -> None:
        """The path has let go of us: do not fight for it, `start` begins again."""
        if self._state in (PullState.CLAIMING, PullState.LIVE):
            self._publication = None
            self._set_state(PullState.DISPLACED, description)
            self._stop(description)

    def _leave(self, reason: str) -> None:
        self._held.clear()
        if self._claim is not None:
            self._claim.cancel()
            self._claim = None
        publication, self._publication = self._publication, None
        if publication is not None:
            publication.close(reason)

    def _stop(self, reason: str) -> None:
        self._leave(reason)
        worker, self._worker = self._worker, None
        if worker is not None:
            task = asyncio.get_running_loop().create_task(worker.close())
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    def _set_state(self, new: PullState, reason: str) -> None:
        old = self._state
        if new not in _TRANSITIONS[old]:
            raise LocalError(f"pull of {self._path} cannot go from {old.value} to {new.value}")
        self._state = new
        logger.info("pull %s: %s (%s)", self._path, new.value, reason)
        self._on_state(new, reason)
