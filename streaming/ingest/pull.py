"""A pulled source seen from the origin: one run of its worker after the other, and its hold on the
path.

When a run begins decides whoever owns the path's life (streaming/lifecycle.py has the rules); it is
told how each run came out:

    open ──→ tracks come ──→ the door grants the path ──→ source_opened ──→ samples
      └──────────┴───────────────────┴───── the worker ended ──────────────────┴──→ source_failed
    the source's end, not looped; or the path was given to another, or closed it ──→ source_over
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from segmenter.errors import SegmenterError
from segmenter.timeline import SourceClock
from streaming.config_paths import PathConfig
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

LOST = "the source was lost"
"""What events say, which many may read; the log names the source and what was wrong."""

logger = logging.getLogger(__name__)


class SourceOwner(Protocol):
    """Who decides when the source is opened."""

    def source_opened(self) -> None:
        """It publishes on its path."""

    def source_failed(self, end: RunEnd) -> None:
        """A run is over that nobody wanted to end."""

    def source_over(self, reason: str) -> None:
        """It has ended, or was sent away: it is not to be opened again by itself."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run of the worker ended."""

    reason: str
    """For the log: names the source."""
    ran_s: float
    died: bool
    """The process itself ended, without having said why."""


@dataclass(frozen=True, slots=True)
class PullStatistics:
    """What a pulled source has done; counters only rise."""

    source: str
    """The URL without its secrets."""
    is_publishing: bool
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
    """Owns the worker of one pulled source and its hold on the path; its owner opens it."""

    def __init__(
        self, path: str, config: PathConfig, door: PublishDoor, owner: SourceOwner
    ) -> None:
        self._path = path
        self._setup = PullSetup(config.source, path, config.source_loop)
        self._remote = redact(config.source)
        self._door = door
        self._owner = owner
        self._worker: WorkerProcess[PullNews] | None = None
        self._publication: Publication | None = None
        self._claim: asyncio.Task[None] | None = None
        self._held: list[PullNews] = []
        self._stopping: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._starts = 0
        self._samples = 0
        self._bytes = 0
        self._run_error = ""
        self._last_error = ""

    def open(self) -> None:
        """Begins a run; needs a running loop. While there is one this does nothing.

        Raises LocalError after close.
        """
        if self._is_closed:
            raise LocalError(f"the source of {self._path} has been closed")
        logger.info("pull %s: opening %s", self._path, self._remote)
        if self._worker is None:
            self._worker = WorkerProcess(
                WORKER_MODULE,
                (),
                PullNews,
                self._receive,
                self._worker_ended,
                on_start=self._send_setup,
                name=f"pull {self._path}",
                restarts=False,
            )
        self._worker.start()

    async def close(self) -> None:
        """Stops for good, and waits until the worker has gone."""
        self._is_closed = True
        self._stop("the source has been closed")
        await asyncio.gather(*self._stopping)

    def abandon(self, reason: str) -> None:
        """Ends the present run, which is a failure like any other."""
        if self._worker is not None:
            self._run_error = reason
            self._worker.restart(reason)

    def statistics(self) -> PullStatistics:
        """The present state."""
        return PullStatistics(
            source=self._remote,
            is_publishing=self._publication is not None,
            starts=self._starts,
            samples=self._samples,
            bytes_read=self._bytes,
            last_error=self._last_error,
        )

    # -- the worker's news -------------------------------------------------------------------

    def _send_setup(self) -> None:
        assert self._worker is not None
        self._starts += 1
        self._worker.send(self._setup)

    def _receive(self, news: PullNews) -> None:
        try:
            self._receive_news(news)
        except (SegmenterError, StreamingError) as error:
            self.abandon(str(error))

    def _receive_news(self, news: PullNews) -> None:
        if isinstance(news, SampleMessage):
            self._receive_sample(news)
        elif isinstance(news, PullTracks):
            self._receive_tracks(news)
        elif isinstance(news, PullFailure):
            self._run_error = redact(news.reason)
        elif isinstance(news, PullEnded):
            self._end("the source has ended")

    def _receive_sample(self, news: SampleMessage) -> None:
        if self._publication is not None:
            self._samples += 1
            self._bytes += len(news.data)
            self._publication.write([news.to_sample()])
        elif self._claim is not None:
            self._hold(news)

    def _receive_tracks(self, news: PullTracks) -> None:
        if self._publication is not None:
            self._publication.set_tracks([t.to_track() for t in news.tracks], CLOCK)
            return
        self._hold(news)
        if self._claim is None:
            self._claim = asyncio.get_running_loop().create_task(self._claim_path())

    def _hold(self, news: PullNews) -> None:
        if len(self._held) < MAX_CLAIM_MESSAGES:
            self._held.append(news)

    async def _claim_path(self) -> None:
        request = PublishRequest(path=self._path, key="", remote=self._remote, protocol="pull")
        try:
            publication = await self._door.publish(request, _Tenant(self._displaced))
        except PublishRejected as refusal:
            self.abandon(f"the path refused it: {refusal}")
            return
        self._publication = publication
        logger.info("pull %s: publishing", self._path)
        self._owner.source_opened()
        held, self._held = self._held, []
        for news in held:
            self._receive(news)

    def _worker_ended(self, end: WorkerExit) -> None:
        died = not self._run_error
        reason = self._run_error or end.reason
        self._run_error, self._last_error = "", reason
        logger.warning("pull %s: failed (%s)", self._path, reason)
        self._leave(LOST)
        self._owner.source_failed(RunEnd(reason, end.ran_s, died))

    def _displaced(self, description: str) -> None:
        """The path has let go of us: do not fight for it."""
        self._publication = None
        self._end(description)

    def _end(self, reason: str) -> None:
        logger.info("pull %s: over (%s)", self._path, reason)
        self._stop(reason)
        self._owner.source_over(reason)

    def _leave(self, reason: str) -> None:
        self._held.clear()
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.cancel()
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
