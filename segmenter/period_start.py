"""Where the periods of a manifest begin, one for each discontinuity sequence number."""

from __future__ import annotations

from dataclasses import dataclass

PERIOD_TICKS_PER_SECOND = 25
"""DASH periods start at whole ticks of 40 ms, the finest grid that is exact in seconds with two
decimals, at 90,000 and at every audio sampling rate from 8,000 (11,025 is the hardest)."""


@dataclass(frozen=True, slots=True)
class PeriodStart:
    """Where the media of one discontinuity sequence number begin, in ticks of 40 ms since 1970."""

    discontinuity: int
    ticks: int

    def media_time(self, timescale: int) -> int:
        """The same instant in ticks of a track; exact for the timescales there are."""
        return self.ticks * timescale // PERIOD_TICKS_PER_SECOND
