"""The worker that encodes slates, seen from the event loop: one slate at a time, once each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from segmenter.media import Track
from streaming.config_paths import PathConfig
from streaming.slate.messages import RungSetup, SlateNews, SlateReady, SlateSetup
from streaming.transcode.messages import TrackMessage
from streaming.worker_process import WorkerExit, WorkerProcess

logger = logging.getLogger(__name__)

MODULE: Final = "streaming.slate.worker"
MOST_GOP_S: Final = 2.0
MOST_TRIES: Final = 3
"""A worker that dies over a slate as often will do so again."""
START_S: Final = 60.0
"""Encoding two seconds of 4K AV1 on a busy machine took 9 s."""


def slate_setup(
    config: PathConfig, tracks: Iterable[Track], rungs: tuple[RungSetup, ...] = ()
) -> SlateSetup:
    """What a worker is told of the slate of these tracks."""
    return SlateSetup(
        tuple(TrackMessage.from_track(track) for track in tracks),
        config.slate,
        config.slate_text,
        config.slate_audio,
        min(MOST_GOP_S, config.segment_duration_s),
        rungs,
    )


class SlateEncoding:
    """Owns the worker; its creator has it encode one slate after the other, and closes it.

    `on_done` gets the slate, or None where there will be none, which is in the log.
    `on_restart` is told why a worker died that is replaced.
    """

    def __init__(
        self,
        name: str,
        on_done: Callable[[SlateReady | None], None],
        on_restart: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._name = name
        self._on_done = on_done
        self._on_restart = on_restart
        self._worker: WorkerProcess[SlateNews] | None = None
        self._setup: SlateSetup | None = None
        self._tries = 0
        self._closing: set[asyncio.Task[None]] = set()

    def encode(self, setup: SlateSetup) -> None:
        """This one, and none that was asked for before; needs a running loop."""
        self._let_go()
        self._setup = setup
        self._tries = 0
        self._worker = WorkerProcess(
            MODULE,
            (),
            SlateNews,
            self._receive,
            self._worker_ended,
            on_start=self._send_setup,
            name=f"slate {self._name}",
            start_s=START_S,
        )
        self._worker.start()

    async def close(self) -> None:
        """Stops the worker."""
        self._let_go()
        await asyncio.gather(*self._closing)

    @property
    def pid(self) -> int:
        """Of the worker; 0 while there is none."""
        return self._worker.statistics().pid if self._worker is not None else 0

    def _send_setup(self) -> None:
        assert self._worker is not None
        self._worker.send(self._setup)

    def _receive(self, news: SlateNews) -> None:
        self._let_go()
        if isinstance(news, SlateReady):
            for warning in news.warnings:
                logger.warning("%s: %s", self._name, warning)
            self._on_done(news)
        else:
            self._fail(news.reason)

    def _worker_ended(self, end: WorkerExit) -> None:
        self._tries += 1
        if self._tries >= MOST_TRIES:
            self._let_go()
            self._fail(end.reason)
        else:
            self._on_restart(end.reason)

    def _fail(self, reason: str) -> None:
        logger.warning("%s: there is no slate: %s", self._name, reason)
        self._on_done(None)

    def _let_go(self) -> None:
        """Ends the worker, if there is one."""
        worker, self._worker = self._worker, None
        if worker is not None:
            task = asyncio.get_running_loop().create_task(worker.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
