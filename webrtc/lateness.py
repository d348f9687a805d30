"""How late what is written leaves: counted by kind, for the share of it that is ours."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

LATE_BOUNDS_S: Final = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5,
)  # fmt: skip
"""From a thread that sleeps to viewers who are about to lose pictures; fine about 10 and 20 ms,
which are what sound and picture are to keep to."""


@dataclass(frozen=True, slots=True)
class LatenessCounts:
    """Since the start: ``counts[i]`` were at most ``LATE_BOUNDS_S[i]`` late, and more than the
    bound before; the last were later than all of them."""

    counts: tuple[int, ...]
    sum_s: float


NEVER_LATE: Final = LatenessCounts((0,) * (len(LATE_BOUNDS_S) + 1), 0.0)


class Lateness:
    """Owns the counts of one kind of media."""

    def __init__(self) -> None:
        self._counts = [0] * (len(LATE_BOUNDS_S) + 1)
        self._sum_s = 0.0

    def observe(self, late_s: float) -> None:
        """An access unit whose last packet has left."""
        late_s = max(late_s, 0.0)
        self._counts[bisect_left(LATE_BOUNDS_S, late_s)] += 1
        self._sum_s += late_s

    def counts(self) -> LatenessCounts:
        """Until now."""
        return LatenessCounts(tuple(self._counts), self._sum_s)
