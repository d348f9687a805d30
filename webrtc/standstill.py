"""Whether the clock of a source stood still while nothing of it came.

RTP timestamps of pictures go on while a camera is away; in libwebrtc those of sound count what was
sent: after ten seconds without a track (`replaceTrack(null)`) they say that no time has passed, and
sound would be ten seconds late from then on. Packets that had to wait on the way look alike, but
those of all sources have waited then: only where another source is on time has a clock stood still.
Sans-IO; times are ticks of the common time line.
"""

from __future__ import annotations

from typing import Final

_LATE_TICKS: Final = 27_000
"""What comes 0.3 s later than it is stamped, after as long a silence, is doubted."""
_LEAST_TICKS: Final = 72_000
"""Up to 0.8 s is left to sender reports: it may have been on the way after all."""
_VOUCHED_TICKS: Final = 18_000
"""Another source that came within 0.2 s before shows that nothing waits."""


class Standstill:
    """Owned by a source's clock, which tells it of each packet."""

    def __init__(self) -> None:
        self.doubted_at: int | None = None
        """Since when it has been late after a silence; None: it is on time."""
        self._heard_at: int | None = None
        self._late = 0
        """By how much later than it is stamped the last one came, plus a constant."""
        self._before = 0
        """The same, before the silence."""
        self._least = 0
        """The same at least, since then."""

    def hear(self, ticks: int, arrival: int) -> bool:
        """A packet, by its own stamp and when it came; whether doubts begin with it."""
        late, before, heard_at = arrival - ticks, self._late, self._heard_at
        self._heard_at, self._late = arrival, late
        if heard_at is None:
            return False
        if arrival - heard_at >= _LATE_TICKS and late - before >= _LATE_TICKS:
            self._before = before if self.doubted_at is None else self._before
            self.doubted_at, self._least = arrival, late
            return True
        if self.doubted_at is not None:
            self._least = min(self._least, late)
            if late - self._before < _LATE_TICKS:  # it has caught up
                self.doubted_at = None
        return False

    def vouches_for(self, other: Standstill) -> bool:
        """Whether this one came in time when the other one did not."""
        if self.doubted_at is not None or self._heard_at is None or other.doubted_at is None:
            return False
        return self._heard_at > other.doubted_at - _VOUCHED_TICKS

    def take_missing(self) -> int:
        """By how much its clock stood still; 0 where that is too little to be sure."""
        missing = self._least - self._before
        if self.doubted_at is None or missing < _LEAST_TICKS:
            return 0
        self.doubted_at = None
        return missing
