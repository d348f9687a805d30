"""An encoded slate played over and over, at its own pace. Sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from segmenter.errors import UsageError
from segmenter.media import Sample, Track
from segmenter.source_clock import SourceClock

SLATE_CLOCK = SourceClock(90_000)
"""Stamps count on from loop to loop and never wrap."""


@dataclass(frozen=True, slots=True)
class SlateStrip:
    """One track's loop: access units of equal length, the first one a sync sample."""

    track: Track
    samples: tuple[tuple[bytes, bool], ...]
    """Data, and whether it is a sync sample."""
    duration: Fraction
    """Of each, seconds."""


FILLS_S = 10.0
"""A slate fills the hole before it up to here: longer than stalls are waited for and workers take
to encode one. Beyond it viewers have run dry, and media made up for the past help nobody."""


class SlateLoop:
    """Owns one encoded slate; its path starts it and takes what is due.

    Strips loop independently of each other and never drift apart: stamps follow from counts.
    """

    def __init__(self, strips: Sequence[SlateStrip]) -> None:
        if not strips or not all(strip.samples for strip in strips):
            raise UsageError("a slate without samples")
        self.clock = SLATE_CLOCK
        self.tracks = tuple(strip.track for strip in strips)
        self._strips = tuple(strips)
        self._counts = [0] * len(strips)
        self._start_utc = 0.0

    def start_after(self, end_utc: float, now_utc: float) -> None:
        """Begins where media ended, so that there is no hole; not where that is long ago."""
        is_near = now_utc - FILLS_S < end_utc < now_utc
        self.start(end_utc if is_near else now_utc)

    def start(self, at_utc: float) -> None:
        """Begins with the first samples, due at `at_utc`."""
        self._start_utc = at_utc
        self._counts = [0] * len(self._strips)

    @property
    def next_due_utc(self) -> float:
        """When the next sample is due."""
        return self._start_utc + float(min(self._dues()))

    def take_due(self, now_utc: float) -> list[tuple[Sample, float]]:
        """Samples in ticks of `clock`, each with the moment it was due, in order."""
        out: list[tuple[Sample, float]] = []
        while self.next_due_utc <= now_utc:
            dues = self._dues()
            out.append(self._take(dues.index(min(dues))))
        return out

    def take_last(self) -> list[tuple[Sample, float]]:
        """What is missing for all tracks to end with the first one.

        A segment that has just begun would otherwise hold nothing of them, which is a gap.
        """
        out: list[tuple[Sample, float]] = []
        for index in range(1, len(self._strips)):
            while self._dues()[index] < self._dues()[0]:
                out.append(self._take(index))
        return out

    def _take(self, index: int) -> tuple[Sample, float]:
        due = self._dues()[index]
        due_utc = self._start_utc + float(due)
        sample = self._make(index, due, due_utc)
        self._counts[index] += 1
        return sample, due_utc

    def _dues(self) -> list[Fraction]:
        return [
            count * strip.duration for count, strip in zip(self._counts, self._strips, strict=True)
        ]

    def _make(self, index: int, due: Fraction, due_utc: float) -> Sample:
        strip = self._strips[index]
        data, is_sync = strip.samples[self._counts[index] % len(strip.samples)]
        ticks = round(due * SLATE_CLOCK.timescale)
        duration = round(strip.duration * strip.track.timescale)
        return Sample(strip.track.name, ticks, ticks, data, is_sync, duration, captured_utc=due_utc)
