"""What placing video and placing audio have in common: from source ticks to media time."""

from __future__ import annotations

import abc

from segmenter.media import Sample, Track
from segmenter.source_clock import SourceClock
from segmenter.timeline_statistics import TimelineCounts

ANCHOR_TIMESCALE = 90_000
"""Ticks per second of anchors, which all tracks of a publisher share: video's, so that video is
placed exactly; audio is at most half of its own ticks off."""

UNSEEN = -(1 << 96)
"""The ``last_source`` of a track without samples: further off than any bound."""


class TrackClock(abc.ABC):
    """Where the samples of one track land; owned and called by one Timeline.

    ``offset`` is what the track's stamps need to be source ticks of the epoch (its wraps),
    ``last_source`` and ``last_arrival`` are of its latest sample, ``frontier`` is the earliest
    dts that its next sample may have, in ticks of the track like ``end``.
    """

    __slots__ = (
        "_denominator",
        "_half",
        "_numerator",
        "_origin",
        "_source_origin",
        "break_due",
        "counts",
        "frontier",
        "is_started",
        "last_arrival",
        "last_source",
        "offset",
        "source_timescale",
        "track",
    )

    is_video = False

    def __init__(self, track: Track, clock: SourceClock, counts: TimelineCounts) -> None:
        self.track = track
        self.counts = counts
        self.source_timescale = clock.timescale
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

    def anchor(self, source_origin: int, origin: int, not_before: int) -> None:
        """Let ``source_origin`` be at ``origin``, and nothing before ``not_before``.

        The latter two in ticks of ANCHOR_TIMESCALE.
        """
        scale = self.track.timescale
        self._source_origin = source_origin
        self._origin = (origin * scale + ANCHOR_TIMESCALE // 2) // ANCHOR_TIMESCALE
        self.frontier = max(self.frontier, -(-not_before * scale // ANCHOR_TIMESCALE))

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
