"""What a push tells of itself, and how it is counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from segmenter.media import VIDEO_TIMESCALE, Sample
from streaming.ingest.pacing import Tracks

PROGRESS_S = 0.25
"""Between two calls of `on_progress`: as often as a progress bar is looked at."""


@dataclass(frozen=True, slots=True)
class PushProgress:
    """How far a push has come."""

    media_s: float
    """Media sent, seconds of its own time."""
    frames: int
    """Video frames sent."""
    bytes_sent: int
    """Of media, without the protocol's own."""
    bitrate: int
    """Bits per second since the report before."""
    lag_s: float
    """How late the latest sample was sent; 0 where its moment is not known."""
    reconnects: int


@dataclass(frozen=True, slots=True)
class PushListener:
    """What whoever started a push wants to hear; notes and length may come on another thread."""

    progress: Callable[[PushProgress], None] = lambda progress: None
    """Every PROGRESS_S."""
    tracks: Callable[[Tracks], None] = lambda tracks: None
    """What is sent from now on."""
    note: Callable[[str], None] = lambda text: None
    """A sentence that the user should read."""
    length: Callable[[float], None] = lambda seconds: None
    """How long one pass of a recording is; not called where nobody knows."""


class PushCounts:
    """What a push has sent, over all of its connections."""

    def __init__(self, report: Callable[[PushProgress], None]) -> None:
        self._report = report
        self._ticks = 0
        self._last_dts: int | None = None
        self._frames = 0
        self._bytes = self._reported_bytes = 0
        self._bitrate = 0
        self._lag_s = 0.0
        self._reported_at = time.monotonic()
        self.reconnects = 0
        self.last_ms = 0

    def add(self, sample: Sample, is_video: bool, sent_ms: int, lag_s: float) -> None:
        """A sample has been sent."""
        if self._last_dts is not None:
            self._ticks += max(0, sample.dts - self._last_dts)
        self._last_dts = sample.dts if self._last_dts is None else max(self._last_dts, sample.dts)
        self._frames += is_video
        self._bytes += len(sample.data)
        self._lag_s = lag_s
        self.last_ms = sent_ms
        now = time.monotonic()
        elapsed = now - self._reported_at
        if elapsed >= PROGRESS_S:
            self._bitrate = int((self._bytes - self._reported_bytes) * 8 / elapsed)
            self._reported_at, self._reported_bytes = now, self._bytes
            self._report(self.progress())

    @property
    def media_s(self) -> float:
        """Media sent, seconds."""
        return self._ticks / VIDEO_TIMESCALE

    def progress(self) -> PushProgress:
        """As it is now."""
        return PushProgress(
            media_s=self.media_s,
            frames=self._frames,
            bytes_sent=self._bytes,
            bitrate=self._bitrate,
            lag_s=self._lag_s,
            reconnects=self.reconnects,
        )
