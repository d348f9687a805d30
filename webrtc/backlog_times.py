"""The RTP timestamps of pictures that wait for who joins. Sans-IO; specification of the C.

They come faster than they were taken. A browser learns from timestamps and arrivals how a sender's
clock runs (libwebrtc's TimestampExtrapolator): two seconds that came within a quarter taught it one
so fast that for minutes it took pictures for late and showed them at once, whatever they were to
wait for, sound or resends. (Chromium 156, told to hold them for 60 ms, held the first, lost 30 ms
each second, and began again.) So until a stream has caught up, its pictures are stamped as if they
had been taken shortly before the newest one that there is: the first is of the present, and time
runs as it does. Each is still later than the one before.
"""

from __future__ import annotations

from typing import Final

from webrtc.packet_ring import is_after

KEPT_SHARE: Final = 64
"""Of what a picture is before the newest one this part is left: 30 ms of two seconds, and those of
a camera are still half a millisecond apart."""

MOST_STEPS: Final = 32
"""New pictures come while older ones catch up: 30 a second. Later ones are not noted, and time
stands nearly still."""


class BacklogTimes:
    """Owns what is taken off the timestamps of a stream's first units; the stream alone calls.

    Packets are named by their index in the stream, so what is sent again is stamped as it was.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[int, int]] = []
        """From which packet on which timestamp was the newest one."""
        self._end: int | None = None
        """The first packet since it has caught up."""

    def place(self, index: int, timestamp: int, newest: int) -> None:
        """A unit begins with the packet of this index; `newest` is the last one of its ring."""
        if self._end is not None:
            return
        last = self._steps[-1][1] if self._steps else None
        if last is not None and not is_after(newest, last):
            newest = last
        if not is_after(newest, timestamp):
            self._end = index
        elif newest != last and len(self._steps) < MOST_STEPS:
            self._steps.append((index, newest))

    def stamp(self, index: int, timestamp: int) -> int:
        """What a packet of a unit with this timestamp is stamped with."""
        if self._end is not None and index >= self._end:
            return timestamp
        newest = next((at for first, at in reversed(self._steps) if first <= index), timestamp)
        if not is_after(newest, timestamp):
            return timestamp
        return newest - (newest - timestamp & 0xFFFFFFFF) // KEPT_SHARE & 0xFFFFFFFF
