"""Video on the timeline: the publisher's own stamps, kept as they are."""

from __future__ import annotations

from segmenter.media import Sample, Track
from segmenter.source_clock import SourceClock
from segmenter.timeline_statistics import TimelineCounts
from segmenter.track_clock import TrackClock

COMPOSITION_LIMIT_MS = 10_000
"""Reordering spans a handful of frames; beyond ten seconds an offset is damage, not B-frames."""

ASSUMED_FRAMES_PER_SECOND = 30
"""Length of the last frame where the track does not say its rate and no other frame came."""


class VideoClock(TrackClock):
    """Places video samples: dts shifted by a constant so that the first dts is its pts.

    Frame times are kept, whatever their rate. The dts of later sync samples is their pts, too,
    where the source's ticks were too coarse for both. A dts which does not rise is nudged to one
    tick after the one before it, and its pts by as much. Durations are left 0: unknown until the
    next.
    """

    __slots__ = (
        "_assumed_duration",
        "_composition_limit",
        "_last_delta",
        "_last_dts",
        "_last_pts",
        "_rounding",
        "_shift",
        "_start_pts",
        "_wrap_mask",
    )

    is_video = True

    def __init__(self, track: Track, clock: SourceClock, counts: TimelineCounts) -> None:
        super().__init__(track, clock, counts)
        rate = track.frame_rate or ASSUMED_FRAMES_PER_SECOND
        self._assumed_duration = int(track.timescale / rate) or 1
        self._composition_limit = clock.ticks(COMPOSITION_LIMIT_MS)
        self._rounding = 2 * track.timescale // clock.timescale
        self._wrap_mask = (1 << clock.wrap_bits) - 1 if clock.wrap_bits else 0
        self._shift = 0
        self._start_pts = 0
        self._last_pts = -1
        self._last_dts = -1
        self._last_delta = 0

    @property
    def end(self) -> int:
        """The end of the sample shown last; nudged samples may be shown before their dts."""
        if self._last_pts < 0:
            return 0
        return max(self._last_pts + self.last_duration, self.frontier)

    @property
    def last_duration(self) -> int:
        """As long as the one before it, but after a long still picture at most a second."""
        return min(self._last_delta or self._assumed_duration, self.track.timescale)

    def composition(self, sample: Sample) -> int:
        """pts - dts in source ticks; one of them may have wrapped, damage becomes 0."""
        offset = sample.pts - sample.dts
        limit = self._composition_limit
        if -limit <= offset <= limit:
            return offset
        half = (self._wrap_mask + 1) // 2
        wrapped = ((offset + half) & self._wrap_mask) - half
        if self._wrap_mask and -limit <= wrapped <= limit:
            return wrapped
        self.counts.repaired_offsets += 1
        return 0

    def start(self, sample: Sample, source: int) -> None:
        """Take the shift from a sync sample; what is shown before it cannot be decoded."""
        self.is_started = True
        composition = self.composition(sample)
        self._start_pts = self.media_time(source + composition)
        self._shift = self._start_pts - self.media_time(source)
        self._last_dts = -1

    def place(self, sample: Sample, source: int, now_utc: float) -> Sample | None:
        """Shift, keep rising, mark the break on the first sync sample after it."""
        composition = sample.pts - sample.dts
        limit = self._composition_limit
        if not -limit <= composition <= limit:
            composition = self.composition(sample)
        position = self.media_time(source)
        pts = self.media_time(source + composition) if composition else position
        dts = position + self._shift
        if pts < self._start_pts <= dts:
            # Leading pictures of an open GOP refer to pictures that nobody here has had.
            self.counts.dropped += 1
            return None
        frontier = self.frontier
        if sample.is_sync and abs(pts - dts) <= self._rounding and pts >= frontier:
            dts = pts
        if dts < frontier:
            pts += frontier - dts
            dts = frontier
            self.counts.nudged += 1
        if self._last_dts >= 0:
            self._last_delta = dts - self._last_dts
        self._last_dts = dts
        self.frontier = dts + 1
        if pts > self._last_pts:
            self._last_pts = pts
        is_break = self.break_due and sample.is_sync
        if is_break:
            self.break_due = False
        return Sample(
            sample.track,
            dts,
            pts,
            sample.data,
            sample.is_sync,
            0,
            is_break,
            sample.captured_utc or now_utc,
        )
