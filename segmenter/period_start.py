"""Where the periods of a manifest begin: at each discontinuity, and where renditions come or go."""

from __future__ import annotations

from dataclasses import dataclass

PERIOD_TICKS_PER_SECOND = 25
"""DASH periods start at whole ticks of 40 ms, the finest grid that is exact in seconds with two
decimals, at 90,000 and at every audio sampling rate from 8,000 (11,025 is the hardest)."""


@dataclass(frozen=True, slots=True)
class PeriodStart:
    """Where a period begins, in ticks of 40 ms since 1970, and with which media sequence number."""

    discontinuity: int
    ticks: int
    first_msn: int = 0
    follows_gap: bool = False
    """Within a discontinuity sequence number, as some rendition has gone or is back after a gap."""

    @property
    def id(self) -> str:
        """Of the period, different from all others."""
        discontinuity = str(self.discontinuity)
        return f"{discontinuity}.{self.first_msn}" if self.follows_gap else discontinuity

    def media_time(self, timescale: int) -> int:
        """The same instant in ticks of a track; exact for the timescales there are."""
        return self.ticks * timescale // PERIOD_TICKS_PER_SECOND
