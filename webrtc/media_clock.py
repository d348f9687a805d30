"""RTP timestamps of one publisher on one time line, so that sound and picture stay together.

Each source counts from a random number. The first packet places it where it arrived; later the
sender reports (RFC 3550 6.4.1) say what both counts are in the publisher's own wall clock, and
the picture is moved to where it belongs beside the sound, little by little. A clock that stood
still while nothing came (standstill.py) is made to have gone on.

Simulcast layers show the same pictures, and players change between them only where their times are
the same to the tick: they ride on the clock of one of them, and a picture that another layer has
had already takes the time it had there. Sans-IO.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from webrtc.standstill import Standstill

MEDIA_RATE: Final = 90_000
"""Ticks per second of the common time line, whatever the sources' rates are."""

MAX_SKEW_TICKS: Final = 5 * MEDIA_RATE
"""Sender reports that disagree more than that with arrivals are wrong, and not followed."""

_SLEW_TICKS: Final = 90
_SLEW_SHARE: Final = 32
"""The picture is moved by at most 1 ms, or a 32nd of what is missing, with each frame: two frames
never change their order, and 40 ms are made good within a second or two."""

_SAME_PICTURE_TICKS: Final = 450
"""5 ms: libwebrtc's sender reports are off by a millisecond or two, pictures are 8 ms apart."""

_PICTURES_REMEMBERED: Final = 64
"""A second of 60 pictures: layers of one picture leave within a tenth, paced."""


class SourceClock:
    """One source's timestamps in ticks of the common time line."""

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._unwrapped: int | None = None
        self._offset = 0
        self._report: tuple[int, int] | None = None
        self._target: int | None = None
        self._carrier: SourceClock | None = None
        self._behind = 0
        """What its own ticks lack of the carrier's at the same moment."""
        self._standstill = Standstill()

    @property
    def is_placed(self) -> bool:
        """Whether a packet has placed it."""
        return self._unwrapped is not None

    def place(self, timestamp: int, arrival_s: float) -> None:
        """The first packet came so many seconds after the publisher's beginning."""
        self._unwrapped = timestamp
        self._offset = round(arrival_s * MEDIA_RATE) - self._ticks(timestamp)

    def hear(self, timestamp: int, arrival_s: float) -> None:
        """A packet came so many seconds after the publisher's beginning; it has been placed."""
        ticks = self._ticks(self._near(timestamp))
        if self._standstill.hear(ticks, round(arrival_s * MEDIA_RATE)):
            self._report = None  # it told of the time before

    @property
    def is_doubted(self) -> bool:
        """Whether it came late after a silence, so that its clock may have stood still."""
        return self._standstill.doubted_at is not None

    def make_up(self, others: Iterable[SourceClock]) -> None:
        """Go on from now, where one of the others shows that nothing waited on the way."""
        if any(other._standstill.vouches_for(self._standstill) for other in others):
            self._offset += self._standstill.take_missing()

    def media_ticks(self, timestamp: int) -> int:
        """Where a timestamp is on the common time line; the source has been placed."""
        unwrapped = self._unwrap(timestamp)
        if self._carrier is not None:
            self._offset = self._behind + self._carrier._offset
        elif self._target is not None:
            missing = self._target - self._offset
            step = max(_SLEW_TICKS, abs(missing) // _SLEW_SHARE)
            self._offset += max(-step, min(step, missing))
        return self._ticks(unwrapped) + self._offset

    def report(self, ntp: int, timestamp: int) -> None:
        """A sender report: 64-bit NTP time, and the timestamp of the same moment.

        The newest counts: Chromium's are within 2 ms, and what a busy one loses of its sound (10 to
        40 ms at once) its timestamps do not count.
        """
        if self._unwrapped is not None:
            wall = (ntp * MEDIA_RATE) >> 32
            self._report = wall, self._ticks(self._near(timestamp))

    def follow(self, other: SourceClock) -> None:
        """Move to where the sender reports of both put this one beside the other."""
        if self._report is None or other._report is None or other.is_doubted:
            return
        wall, ticks = self._report
        other_wall, other_ticks = other._report
        target = other_ticks + other._offset + (wall - other_wall) - ticks
        if abs(target - self._offset) <= MAX_SKEW_TICKS:
            self._target = target

    def ride(self, carrier: SourceClock) -> None:
        """From now on go as another goes, which shows the same pictures."""
        if self._report is None or carrier._report is None:
            return
        wall, ticks = self._report
        carrier_wall, carrier_ticks = carrier._report
        behind = carrier_ticks + (wall - carrier_wall) - ticks
        if abs(behind + carrier._offset - self._offset) <= MAX_SKEW_TICKS:
            self._carrier, self._behind, self._target = carrier, behind, None

    def alight(self) -> None:
        """Go by itself again, from where it is."""
        self._carrier = None

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


class PictureTimes:
    """When a camera's latest pictures were taken; its layers share it."""

    def __init__(self) -> None:
        self._recent: deque[int] = deque(maxlen=_PICTURES_REMEMBERED)

    def settle(self, ticks: int) -> int:
        """The time of a picture that one layer places at ``ticks``: the first layer's decides."""
        nearest = min(self._recent, key=lambda at: abs(at - ticks), default=None)
        if nearest is not None and abs(nearest - ticks) <= _SAME_PICTURE_TICKS:
            return nearest
        self._recent.append(ticks)
        return ticks
