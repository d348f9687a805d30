"""What placing video and placing audio have in common: from source ticks to media time."""

from __future__ import annotations

import abc

from segmenter.media import Sample, Track
from segmenter.source_clock import SourceClock
from segmenter.timeline_statistics import TimelineCounts

ANCHOR_TIMESCALE = 90_000
"""Ticks per second of anchors, which all tracks of a publisher share: video's, so that video is
placed exactly; audio is at most half of its own ticks off."""

JUMP_AHEAD_MS = 3_000
"""A stamp further ahead is a jump: more than the deepest interleaving, which muxers hold below
a second or two, and less than viewers would wait for."""

STEP_BACK_MS = 500
"""A stamp further behind its own track is a jump; less is nudged. Publishers which confuse pts
and dts step back by a few frames."""

SILENCE_MS = 10_000
"""A stamp ahead by up to this is a pause, not a jump, if as much time has really passed: still
pictures from screen sharing come seconds apart."""

UNSEEN = -(1 << 96)
"""The ``last_source`` of a track without samples: further off than any bound."""


class TrackClock(abc.ABC):
    """Where the samples of one track land; owned and called by one Timeline.

    ``offset`` is what the track's stamps need to be source ticks of the epoch (its wraps);
    ``back`` and ``ahead`` bound the steps between them that need no further thought.
    ``last_source`` and ``last_arrival`` are of its latest sample, ``frontier`` is the earliest
    dts that its next sample may have, in ticks of the track like ``end``.
    """

    __slots__ = (
        "_clock",
        "_denominator",
        "_half",
        "_numerator",
        "_origin",
        "_silence",
        "_source_origin",
        "ahead",
        "back",
        "break_due",
        "counts",
        "frontier",
        "is_started",
        "last_arrival",
        "last_source",
        "offset",
        "track",
    )

    is_video = False

    def __init__(self, track: Track, clock: SourceClock, counts: TimelineCounts) -> None:
        self.track = track
        self.counts = counts
        self.ahead = clock.ticks(JUMP_AHEAD_MS)
        self.back = clock.ticks(STEP_BACK_MS)
        self._silence = clock.ticks(SILENCE_MS)
        self._clock = clock
        self.offset = 0
        self.last_source = UNSEEN
        self.last_arrival = 0.0
        self.is_started = False
        self.break_due = False
        self.frontier = 0
        self._origin = 0
        self._source_origin = 0
        self._numerator, self._denominator = _reduce(track.timescale, clock.timescale)
        self._half = self._denominator // 2

    def forget_stamps(self) -> None:
        """The source's clock was set: nothing is known about where the track is on it."""
        self.offset = 0
        self.last_source = UNSEEN

    def locate(self, stamp: int, newest: int, elapsed: int) -> int | None:
        """Source ticks of a stamp that does not simply follow the last one; None if it is off.

        It may have wrapped, be the first of the track, come after a pause of the track while
        others went on (``newest`` is the latest stamp of any), or after a pause of all of them
        (``elapsed`` source ticks since then, by our clock).
        """
        near, last, unwrap = stamp + self.offset, self.last_source, self._clock.unwrap
        seen = last != UNSEEN
        source = unwrap(near, last, behind=self.back, ahead=self.ahead) if seen else None
        if source is None:
            source = unwrap(near, newest, behind=self.ahead, ahead=self.ahead)
            if seen and source is not None and source < last - self.back:
                source = None
        if source is None and seen:
            longest = min(self._silence, elapsed + self.ahead)
            source = unwrap(near, last, behind=0, ahead=longest)
        if source is not None:
            self.offset = source - stamp
        return source

    def anchor(self, source_origin: int, origin: int, not_before: int) -> None:
        """Let ``source_origin`` be at ``origin``, and nothing before ``not_before``.

        The latter two in ticks of ANCHOR_TIMESCALE.
        """
        self._source_origin = source_origin
        self.move(origin)
        scale = self.track.timescale
        self.frontier = max(self.frontier, -(-not_before * scale // ANCHOR_TIMESCALE))

    def move(self, origin: int) -> None:
        """Let the anchored source ticks be at ``origin`` (ticks of ANCHOR_TIMESCALE) instead."""
        scale = self.track.timescale
        self._origin = (origin * scale + ANCHOR_TIMESCALE // 2) // ANCHOR_TIMESCALE

    def follow(self, predecessor: TrackClock) -> None:
        """Go on where the clock of the same track, before it was declared anew, has stopped."""
        self.offset = predecessor.offset
        self.last_source = predecessor.last_source
        self.last_arrival = predecessor.last_arrival
        scale, old_scale = self.track.timescale, predecessor.track.timescale
        self.frontier = max(self.frontier, -(-predecessor.frontier * scale // old_scale))

    def media_time(self, source: int) -> int:
        """Source ticks as ticks of the track, before any correction."""
        return (
            self._origin
            + ((source - self._source_origin) * self._numerator + self._half) // self._denominator
        )

    def to_source(self, ticks: int) -> int:
        """A length in ticks of the track as ticks of the source, at least one."""
        return max(1, ticks * self._denominator // self._numerator)

    @property
    def anchor_end(self) -> int:
        """Where the media placed so far ends, in ticks of ANCHOR_TIMESCALE, rounded up."""
        return -(-self.end * ANCHOR_TIMESCALE // self.track.timescale)

    @property
    @abc.abstractmethod
    def end(self) -> int:
        """Where the media placed so far ends; 0 when there is none."""

    @property
    @abc.abstractmethod
    def last_duration(self) -> int:
        """How long the latest sample lasts, as far as is known, in ticks of the track."""

    @abc.abstractmethod
    def start(self, sample: Sample, source: int) -> None:
        """``sample`` is the first one to be placed since the epoch or the track began."""

    @abc.abstractmethod
    def composition(self, sample: Sample) -> int:
        """pts - dts in source ticks, 0 for what cannot be."""

    @abc.abstractmethod
    def place(self, sample: Sample, source: int, now_utc: float) -> Sample | None:
        """The sample in media time, or None if it must be left out. Raises MediaError."""


def _reduce(numerator: int, denominator: int) -> tuple[int, int]:
    a, b = numerator, denominator
    while b:
        a, b = b, a % b
    return numerator // a, denominator // a
