"""One thread around one rung's encoder."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Literal

from av.error import FFmpegError

from segmenter.media import Sample, Track
from streaming.transcode.encoders import software_encoder
from streaming.transcode.rung_encoder import RungEncoder, ScaledFrame

QUEUED_FRAMES = 4
"""Enough to ride out a key frame. A full queue holds the decoder up, so that whatever is too slow
shows in one place: the input queue, whose lag sheds rungs and whose bound drops whole groups."""


class RungThread:
    """Owns an encoder and its thread; one other thread feeds it.

    `emit` and `on_track` are called on this thread, `on_failure` with an error that is a bug. An
    encoder that fails is replaced by the software one at the next key frame.
    """

    def __init__(
        self,
        encoder: RungEncoder,
        emit: Callable[[Sample], None],
        on_track: Callable[[Track], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.encoder = encoder
        self.frames = 0
        self.busy_since: float | None = None
        self._emit = emit
        self._on_track = on_track
        self._on_failure = on_failure
        self._skipping = False
        self._queue: queue.Queue[ScaledFrame | Literal["flush", "stop"]] = queue.Queue(
            QUEUED_FRAMES
        )
        self._thread = threading.Thread(
            target=self._run, name=f"encode {encoder.rung.name}", daemon=True
        )
        self._thread.start()

    @property
    def queued_frames(self) -> int:
        """Frames that wait for the encoder."""
        return self._queue.qsize()

    def put(self, frame: ScaledFrame) -> None:
        """Hands a frame over; waits while the queue is full."""
        self._queue.put(frame)

    def flush(self) -> None:
        """Lets the encoder finish what it has; the next frame is a key frame."""
        self._queue.put("flush")

    def stop(self) -> None:
        """Flushes, and waits until everything has been emitted."""
        self._queue.put("stop")
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._step(self._queue.get()):
                self.busy_since = None
        except BaseException as error:
            self._on_failure(error)

    def _step(self, item: ScaledFrame | Literal["flush", "stop"]) -> bool:
        self.busy_since = time.monotonic()
        try:
            samples = self._encode(item)
        except FFmpegError as error:
            self._replace(f"{self.encoder.choice.name} failed: {error}")
            samples = []
        for sample in samples:
            self._emit(sample)
        return item != "stop"

    def _encode(self, item: ScaledFrame | Literal["flush", "stop"]) -> list[Sample]:
        if not isinstance(item, ScaledFrame):
            return self.encoder.flush()
        if self._skipping and not item.is_key:
            return []
        self._skipping = False
        self.frames += 1
        return self.encoder.push(item)

    def _replace(self, reason: str) -> None:
        old = self.encoder
        self._skipping = True
        self.encoder = old.with_choice(software_encoder(old.rung.codec, reason))
        if self.encoder.track != old.track:
            self._on_track(self.encoder.track)
