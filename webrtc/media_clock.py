"""RTP timestamps of one publisher on one time line, so that sound and picture stay together.

Each source counts from a random number. The first packet places it where it arrived; later the
sender reports (RFC 3550 6.4.1) say what both counts are in the publisher's own wall clock, and
the picture is moved to where it belongs beside the sound, little by little. Sans-IO.
"""

from __future__ import annotations

from typing import Final

MEDIA_RATE: Final = 90_000
"""Ticks per second of the common time line, whatever the sources' rates are."""

MAX_SKEW_TICKS: Final = 5 * MEDIA_RATE
"""Sender reports that disagree more than that with arrivals are wrong, and not followed."""

_SLEW_TICKS: Final = 90
_SLEW_SHARE: Final = 32
"""The picture is moved by at most 1 ms, or a 32nd of what is missing, with each frame: two frames
never change their order, and 40 ms are made good within a second or two."""


class SourceClock:
    """One source's timestamps in ticks of the common time line."""

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._unwrapped: int | None = None
        self._offset = 0
        self._report: tuple[int, int] | None = None
        self._target: int | None = None

    @property
    def is_placed(self) -> bool:
        """Whether a packet has placed it."""
        return self._unwrapped is not None

    def place(self, timestamp: int, arrival_s: float) -> None:
        """The first packet came so many seconds after the publisher's beginning."""
        self._unwrapped = timestamp
        self._offset = round(arrival_s * MEDIA_RATE) - self._ticks(timestamp)

    def media_ticks(self, timestamp: int) -> int:
        """Where a timestamp is on the common time line; the source has been placed."""
        unwrapped = self._unwrap(timestamp)
        if self._target is not None:
            missing = self._target - self._offset
            step = max(_SLEW_TICKS, abs(missing) // _SLEW_SHARE)
            self._offset += max(-step, min(step, missing))
        return self._ticks(unwrapped) + self._offset

    def report(self, ntp: int, timestamp: int) -> None:
        """A sender report: 64-bit NTP time, and the timestamp of the same moment."""
        if self._unwrapped is not None:
            wall = (ntp * MEDIA_RATE) >> 32
            self._report = wall, self._ticks(self._near(timestamp))

    def follow(self, other: SourceClock) -> None:
        """Move to where the sender reports of both put this one beside the other."""
        if self._report is None or other._report is None:
            return
        wall, ticks = self._report
        other_wall, other_ticks = other._report
        target = other_ticks + other._offset + (wall - other_wall) - ticks
        if abs(target - self._offset) <= MAX_SKEW_TICKS:
            self._target = target

    def _ticks(self, unwrapped: int) -> int:
        return unwrapped * MEDIA_RATE // self._rate

    def _unwrap(self, timestamp: int) -> int:
        self._unwrapped = self._near(timestamp)
        return self._unwrapped

    def _near(self, timestamp: int) -> int:
        """The count nearest to the last one that has this timestamp."""
        assert self._unwrapped is not None, "place comes first"
        step = (timestamp - self._unwrapped) & 0xFFFFFFFF
        return self._unwrapped + (step if step < 1 << 31 else step - (1 << 32))
