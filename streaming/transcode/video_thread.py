"""The thread that decodes a path's video and scales it, and the queue before it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from segmenter.media import Sample, Track
from streaming.errors import ConfigError
from streaming.transcode.deinterlacer import Deinterlacer
from streaming.transcode.frames import FrameHook, load_hook
from streaming.transcode.gop_queue import QueueStatistics
from streaming.transcode.key_grid import EpochGrid, KeyGrid, SourceKeys
from streaming.transcode.ladder_encoder import LadderEncoder
from streaming.transcode.messages import StartMessage
from streaming.transcode.rung_thread import RungThread
from streaming.transcode.source_thread import SourceThread
from streaming.transcode.video_decoder import DecodedFrame, VideoDecoder


@dataclass(frozen=True, slots=True)
class VideoStatistics:
    """What the video of a path goes through."""

    queue: QueueStatistics
    threads: tuple[RungThread, ...]
    shed: tuple[str, ...]
    failures: Mapping[str, str]
    """Rungs that no encoder takes, and why."""
    decode_errors: int
    hook: str
    hook_errors: int
    stuck_s: float
    """How long one frame has kept a thread busy."""


@dataclass(frozen=True, slots=True)
class _Source:
    """All that lives as long as one source."""

    decoder: VideoDecoder
    deinterlacer: Deinterlacer
    keys: KeyGrid
    ladder: LadderEncoder
    hook: FrameHook | None


class VideoThread(SourceThread):
    """Owns decoder and ladder; its creator puts and asks, and `emit` hears from many threads."""

    def __init__(
        self,
        emit: Callable[[Sample], None],
        on_tracks: Callable[[Sequence[Track]], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        super().__init__("decode video", on_failure)
        self._emit = emit
        self._on_tracks = on_tracks
        self._source: _Source | None = None
        self._hook_trouble = ""
        self._shed: tuple[str, ...] = ()
        self._applied_shed: tuple[str, ...] = ()
        self._thread.start()

    # -- the door ------------------------------------------------------------------------------

    def shed(self, names: tuple[str, ...]) -> None:
        """These rungs stand still from the next frame on, all others run."""
        self._shed = names

    def ask_for_key_frame(self, from_pts: int = 0) -> None:
        """Of each rung, besides those that its grid has."""
        source = self._source
        if source is not None:
            source.ladder.ask_for_key_frame(from_pts)

    @property
    def lag_s(self) -> float:
        """Media time received and not yet decoded."""
        return self._queue.statistics().lag_s

    def statistics(self) -> VideoStatistics:
        """The present measurements."""
        source = self._source
        threads = tuple(source.ladder.threads) if source is not None else ()
        busy = [t for t in (self._busy_since, *(t.busy_since for t in threads)) if t is not None]
        hook = source.hook if source is not None else None
        return VideoStatistics(
            queue=self._queue.statistics(),
            threads=threads,
            shed=self._applied_shed,
            failures=source.ladder.failures if source is not None else {},
            decode_errors=source.decoder.errors if source is not None else 0,
            hook=hook.bypassed if hook is not None else self._hook_trouble,
            hook_errors=hook.errors if hook is not None else 0,
            stuck_s=time.monotonic() - min(busy) if busy else 0.0,
        )

    # -- the thread ----------------------------------------------------------------------------

    def _timescale(self, message: StartMessage) -> int:
        return message.video.timescale if message.video else 1

    def _take(self, sample: Sample) -> None:
        source = self._source
        if source is None:
            return
        if sample.discontinuity:
            self._flush(source)
        if sample.is_sync:
            source.keys.source_key(sample.pts)
        for frame in source.decoder.push(sample):
            self._encode(source, source.deinterlacer.push(frame))

    def _begin(self, message: StartMessage) -> None:
        self._shed = self._applied_shed = ()
        if message.video is None or not message.rungs:
            self._on_tracks(())
            return
        track = message.video.to_track()
        hook = self._load_hook(message)
        grid = SourceKeys if message.follow_source else EpochGrid
        keys: KeyGrid = grid(message.segment_duration_s)
        ladder = LadderEncoder(
            track,
            message.rungs,
            keys,
            message.encoder,
            hook,
            emit=self._emit,
            on_tracks=self._on_tracks,
            on_failure=self._on_failure,
        )
        self._source = _Source(VideoDecoder(track), Deinterlacer(), keys, ladder, hook)

    def _load_hook(self, message: StartMessage) -> FrameHook | None:
        self._hook_trouble = ""
        if not message.frame_hook:
            return None
        try:
            return FrameHook(load_hook(message.frame_hook), message.frame_hook_budget_ms)
        except ConfigError as error:
            self._hook_trouble = str(error)
            return None

    def _encode(self, source: _Source, frames: Sequence[DecodedFrame]) -> None:
        for frame in frames:
            source.ladder.push(frame, source.decoder.sample_aspect_ratio)
            if self._applied_shed != self._shed:
                self._applied_shed = self._shed
                source.ladder.set_shed(self._applied_shed)

    def _drain(self, source: _Source) -> None:
        for frame in source.decoder.flush():
            self._encode(source, source.deinterlacer.push(frame))
        self._encode(source, source.deinterlacer.flush())

    def _flush(self, source: _Source) -> None:
        """Time or format broke: nothing after it may refer to anything before it."""
        self._drain(source)
        source.ladder.break_timeline()
        source.keys.restart()

    def _end(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            self._drain(source)
            source.ladder.stop()
