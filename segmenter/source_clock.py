"""The clock that a publisher stamps its samples with, and how its numbers wrap."""

from __future__ import annotations

from dataclasses import dataclass

from segmenter.errors import UsageError


@dataclass(frozen=True, slots=True)
class SourceClock:
    """A publisher's clock: ``timescale`` ticks per second, shared by all of its tracks.

    ``wrap_bits`` is the width of its numbers, None for one that never wraps. A wrap one bit
    earlier counts as one, too: OBS masks RTMP timestamps to 31 of their 32 bits, and there are
    MPEG-TS encoders which count PTS in 32 of the 33 bits.
    """

    timescale: int
    wrap_bits: int | None = None

    def __post_init__(self) -> None:
        if self.timescale <= 0:
            raise UsageError(f"a clock of {self.timescale} ticks per second")
        if self.wrap_bits is not None and self.wrap_bits < 2:
            raise UsageError(f"a clock of {self.wrap_bits} bits")

    def ticks(self, milliseconds: int) -> int:
        """A bound in ticks of this clock, at least one."""
        return max(1, self.timescale * milliseconds // 1000)

    def unwrap(self, stamp: int, near: int, *, behind: int, ahead: int) -> int | None:
        """``stamp`` with as many wraps added as bring it next to ``near``.

        None when even then it is not within ``behind`` ticks before and ``ahead`` ticks after.
        """
        if -behind <= stamp - near <= ahead:
            return stamp
        if self.wrap_bits is None:
            return None
        for bits in (self.wrap_bits, self.wrap_bits - 1):
            half = 1 << (bits - 1)
            step = ((stamp - near + half) & ((1 << bits) - 1)) - half
            if -behind <= step <= ahead:
                return near + step
        return None


RTMP_CLOCK = SourceClock(1_000, 32)
"""Milliseconds in 32 bits (Adobe RTMP 1.0, 5.3.1)."""

MPEG_TS_CLOCK = SourceClock(90_000, 33)
"""PTS and DTS (ISO/IEC 13818-1 2.4.3.7)."""
