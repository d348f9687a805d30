"""How long from capture until media can be fetched, counted in buckets for /metrics."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

BOUNDS_S: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0)
"""From a frame that waits for the next one to an encoder that cannot keep up."""


@dataclass(frozen=True, slots=True)
class LatencyCounts:
    """All that has been counted: `cumulative[i]` took at most `BOUNDS_S[i]`, the last any time."""

    cumulative: tuple[int, ...]
    sum_s: float


class LatencyHistogram:
    """Owns the counts of one rendition; whoever makes media available calls `observe`."""

    __slots__ = ("_counts", "_sum_s")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """One part; a clock that was set back counts as no time at all."""
        seconds = max(0.0, seconds)
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self._sum_s += seconds

    def counts(self) -> LatencyCounts:
        """Until now."""
        return LatencyCounts(tuple(accumulate(self._counts)), self._sum_s)
