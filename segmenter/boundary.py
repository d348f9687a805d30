"""Where segments begin: one rule on one track, whose boundaries all renditions of a path share.

The grid is k * T since 1970 (T: the segment duration), so that two origins, or one before and
after a restart, cut alike. On the track that leads a segment begins

- at a sync sample when a line of the grid has been reached since the last boundary (DUE),
- at a sync sample before that, when waiting for the next one would make the segment longer than
  the target duration allows (EARLY): GOPs of 1.9 s, or a scene cut between key frames,
- at any sample, when the segment would otherwise break the target duration (FORCED): a GOP that
  is too long. It is the only way to keep RFC 8216bis 4.4.3.1; that segment is not independent.
  Among B-frames it is the last sample that is shown after all before it, as far as can be told.

Renditions of one source begin on the same tick. The source's samples are placed by their dts, the
same pictures on encoded rungs by their pts, and both may be rounded (RTMP: to milliseconds): other
video tracks begin with their picture next to the boundary (``first_ticks``), and take its time.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction

from segmenter.media import Sample

FIRST_SEGMENT_LIMIT_S = 11
"""Until the first segment is complete no target duration binds; ten seconds of waiting for a key
frame is what encoders' defaults (x264: 250 frames, of 24 a second, and a run of B-frames) need,
and more than viewers accept."""

BOUNDARY_MARGIN_S = Fraction(3, 20)
"""Other tracks begin at their first sample after the boundary, so their segments may be longer by
one frame: 128 ms of AAC at 8 kHz, or video at 7 frames/s."""

ROUNDING_S = Fraction(1, 200)
"""A picture's stamps on two tracks may differ by less: a millisecond or two from rounding, as much
again where layers of one camera are placed by their own sender reports."""

WATCH_S = 1
"""For so long before a forced cut the order of pictures is followed: more than any encoder's run
of B-frames, which are 16 at most, and less than the shortest limit."""

GOPS_REMEMBERED = 16
"""The next GOP is taken to be as long as the longest of these: half a minute at the usual 2 s."""

NUMBER_EPOCH_S = 1_577_836_800
"""2020-01-01T00:00:00Z. Counted from 1970 numbers would not fit DASH's 32-bit @startNumber."""

NUMBERS_PER_SECOND = 2
"""Media sequence numbers start from the clock at this rate and then rise by one per segment. As
segments last half a second or more, an origin that has lost its memory starts above everything
that it ever served (RFC 8216bis 6.2.2), whatever its segment duration was or is now."""


DISCONTINUITY_EPOCH_S = 1_767_225_600
"""2026-01-01T00:00:00Z."""

DISCONTINUITY_SPACING_S = 600
"""Discontinuity sequence numbers start from the clock at this rate: an origin that lost its memory
starts above what it served unless it broke more often. hls.js indexes arrays by them and copies
these hole by hole: one number each second blocked Chromium for 8 s, one each ten minutes for 2 ms.
"""


@dataclass(slots=True)
class Boundary:
    """The instant at which segment ``msn`` begins, in ticks of the track that leads."""

    msn: int
    time: int
    timescale: int
    discontinuity: int
    """Discontinuity Sequence Number of the segment that begins here."""
    is_break: bool
    """A discontinuity begins here."""
    previous_end: int
    """Where the media before it ended: ``time``, unless time broke here."""
    expected_end: int | None = None
    """Where the segment will probably end; None: nobody knows."""
    rounding: int = field(default=0, compare=False)
    """Pictures of other tracks so little before ``time`` are of that time; after a restart, which
    nothing but a break follows, that does not matter."""
    is_key: bool = field(default=False, compare=False)
    """The picture that leads there is a key frame. Matters where ``rounding`` does."""

    def ticks(self, timescale: int) -> int:
        """The first tick of another track that is not before the boundary."""
        return -(-self.time * timescale // self.timescale)

    def first_ticks(self, timescale: int) -> int:
        """The first tick of another video track whose picture is not before the boundary."""
        return -(-(self.time - self.rounding) * timescale // self.timescale)

    def is_before(self, sample: Sample, timescale: int) -> bool:
        """Whether a sample at or after ``first_ticks`` begins the segment: just before a key frame
        only another one does, for that may be the picture before it, on a clock that is late."""
        return sample.is_sync or not self.is_key or sample.dts >= self.ticks(timescale)

    def previous_end_ticks(self, timescale: int) -> int:
        """``previous_end`` in ticks of another track, rounded up."""
        return -(-self.previous_end * timescale // self.timescale)

    def expected_end_ticks(self, timescale: int) -> int | None:
        """``expected_end`` in ticks of another track, rounded up."""
        if self.expected_end is None:
            return None
        return -(-self.expected_end * timescale // self.timescale)


class Cut(enum.Enum):
    """What the rule says about a sample of the leading track."""

    NO = "no"
    DUE = "due"
    EARLY = "early"
    FORCED = "forced"


class BoundaryRule:
    """Decides for each sample of the leading track whether a segment begins with it.

    Owned by `Leading`. ``start`` tells it of every boundary made, ``judge`` is asked for
    every sample in decode order. Times are ticks of the leading track.
    """

    def __init__(
        self, segment_duration: Fraction, timescale: int, target_duration: int, *, counts_gops: bool
    ) -> None:
        """``target_duration`` 0: not decided yet. Audio need not count GOPs, all its samples
        being sync samples."""
        line_ticks = segment_duration * timescale
        # Whole, as it usually is, it is reckoned with in a tenth of the time.
        self._line_ticks = int(line_ticks) if line_ticks.denominator == 1 else line_ticks
        self._timescale = timescale
        self._nominal_limit = longest_ticks(
            target_duration_for(segment_duration, segment_duration), timescale
        )
        self._limit = max(FIRST_SEGMENT_LIMIT_S * timescale, self._nominal_limit)
        self._counts_gops = counts_gops
        self._rounding = math.floor(ROUNDING_S * timescale) if counts_gops else 0
        self._gops: deque[int] = deque(maxlen=GOPS_REMEMBERED)
        self._last_sync: int | None = None
        self._last_dts: int | None = None
        self._step = 0
        self.start_time = 0
        self.next_line = 0
        self._last_moment = self._watched_from = 0
        self._last_shown = self._last_ordered = self._longest_run = 0
        if target_duration:
            self.set_target_duration(target_duration)

    def set_target_duration(self, target_duration: int) -> None:
        """From now on no segment may be longer than this allows (seconds)."""
        self._limit = self._nominal_limit = longest_ticks(target_duration, self._timescale)
        self._set_last_moment()

    def start(self, time: int, *, is_early: bool = False) -> None:
        """A segment begins at ``time``; one that is early stands for the line just ahead."""
        self.start_time = time
        self.next_line = self.line_after(time + Fraction(self._line_ticks, 2) if is_early else time)
        self._last_shown = self._longest_run = 0
        self._set_last_moment()

    def line_after(self, time: int | Fraction) -> int:
        """The first tick at or after the next line of the grid."""
        return math.ceil((time // self._line_ticks + 1) * self._line_ticks)

    def forget_gops(self) -> None:
        """Another publisher: nothing is known about its key frames."""
        self._gops.clear()
        self._last_sync = self._last_dts = None

    @property
    def last_moment(self) -> int:
        """The latest time at which the segment in progress may end."""
        return self._last_moment

    def rounding_at(self, time: int) -> int:
        """How much before ``time`` other tracks may have the picture that is here at ``time``."""
        return min(self._step // 2, self._rounding) if time == self._last_dts else 0

    def is_key_at(self, time: int) -> bool:
        """Whether there is a key frame at ``time``, as far as samples were judged."""
        return time == self._last_sync

    def expected_end(self) -> int | None:
        """Where the segment in progress will end if key frames come as they did last.

        None while no two of them have come, and when it will have to end between them.
        """
        if not self._counts_gops:
            return self.next_line
        if self._last_sync is None or not self._gops:
            return None
        gop, longest = self._gops[-1], max(self._gops)
        # The first one that is due, or early.
        reached = min(self.next_line, self.start_time + self._nominal_limit - longest + 1)
        count = max(1, -(-(reached - self._last_sync) // gop))
        end = self._last_sync + count * gop
        return end if end <= self._last_moment else None

    def judge(self, sample: Sample) -> Cut:
        """Whether a segment begins with ``sample``."""
        dts = sample.dts
        if self._last_dts is not None:
            self._step = dts - self._last_dts
        self._last_dts = dts
        if sample.is_sync:
            if self._counts_gops:
                self._count_gop(dts)
            if dts >= self.next_line:
                return Cut.DUE
            if self._gops and dts + max(self._gops) > self.start_time + self._nominal_limit:
                return Cut.EARLY
        end = dts + (sample.duration or self._step)
        return self._judge_late(sample, end) if end > self._watched_from else Cut.NO

    def _judge_late(self, sample: Sample, end: int) -> Cut:
        """Whether this is the last sample at which the segment may end, or the last that is shown
        after all before it."""
        if end > self._last_moment:
            return Cut.FORCED
        if sample.pts <= self._last_shown:
            return Cut.NO
        if self._last_shown:
            self._longest_run = max(self._longest_run, sample.dts - self._last_ordered)
        self._last_shown, self._last_ordered = sample.pts, sample.dts
        return Cut.FORCED if sample.dts + self._longest_run > self._last_moment else Cut.NO

    def _set_last_moment(self) -> None:
        """And from when on samples are followed: not before a key frame that is expected."""
        self._last_moment = self.start_time + self._limit
        early = self._last_moment - WATCH_S * self._timescale
        self._watched_from = max(early, self.expected_end() or early)

    def _count_gop(self, dts: int) -> None:
        if self._last_sync is not None:
            self._gops.append(dts - self._last_sync)
        self._last_sync = dts
        self._set_last_moment()


def grid_ticks(segment_duration_s: float, timescale: int) -> int:
    """How far apart the grid's lines are for who has to hit them to the tick."""
    return round(segment_duration_s * timescale)


def target_duration_for(segment_duration: Fraction, longest_s: Fraction) -> int:
    """The target duration (whole seconds) that suits segments of up to ``longest_s``."""
    longest = max(segment_duration, longest_s)
    return max(1, math.ceil(longest + BOUNDARY_MARGIN_S - Fraction(1, 2)))


def longest_ticks(target_duration: int, timescale: int) -> int:
    """How long the leading track's segments may be, for all to round to the target duration."""
    return math.floor((target_duration + Fraction(1, 2) - BOUNDARY_MARGIN_S) * timescale)


def number_at(time: int, timescale: int) -> int:
    """The media sequence number that the clock gives to media time ``time``."""
    return max(0, NUMBERS_PER_SECOND * time // timescale - NUMBERS_PER_SECOND * NUMBER_EPOCH_S)


def discontinuity_at(time: int, timescale: int) -> int:
    """The discontinuity sequence number to start with, for the same reason."""
    return max(0, (time // timescale - DISCONTINUITY_EPOCH_S) // DISCONTINUITY_SPACING_S)
