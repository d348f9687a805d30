"""Where encoded rungs have their key frames, and which frames a rung with a divisor keeps. Pure.

All rungs ask the same object once per decoded frame, so their key frames agree to the tick.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Protocol

from segmenter.boundary import grid_ticks, longest_ticks, target_duration_for
from segmenter.media import VIDEO_TIMESCALE

MOST_PENDING_KEYS = 64
"""Key frames a decoder may hold back: more are lost frames, not reordering."""


class KeyGrid(Protocol):
    """Decides which decoded frames become key frames."""

    def source_key(self, pts: int) -> None:
        """A sync sample with this pts went into the decoder."""

    def is_key(self, pts: int) -> bool:
        """Whether the frame with this pts, in presentation order, becomes a key frame."""

    def is_clear(self, pts: int, ticks: int) -> bool:
        """Whether no segment is expected to begin within so many ticks after this frame, with a
        key frame or without one."""

    def restart(self) -> None:
        """Time broke: the next frame becomes a key frame."""


class SourceKeys:
    """On the source's own key frames; where one was lost, on the first frame after it."""

    def __init__(self, segment_duration_s: float) -> None:
        duration = Fraction(segment_duration_s)
        self._longest = longest_ticks(target_duration_for(duration, duration), VIDEO_TIMESCALE)
        self._pending: deque[int] = deque(maxlen=MOST_PENDING_KEYS)
        self._first = True
        self._last: int | None = None
        self._gop = 0

    def source_key(self, pts: int) -> None:
        self._pending.append(pts)

    def is_key(self, pts: int) -> bool:
        due = self._first
        self._first = False
        while self._pending and self._pending[0] <= pts:
            self._pending.popleft()
            due = True
        if due:
            self._gop = pts - self._last if self._last is not None else 0
            self._last = pts
        return due

    def is_clear(self, pts: int, ticks: int) -> bool:
        end = pts + ticks
        if self._last is None or (self._pending and self._pending[0] < end):
            return False
        return end - self._last <= self._gop <= self._longest

    def restart(self) -> None:
        self._pending.clear()
        self._first = True
        self._last = None


class EpochGrid:
    """On the first frame at or after each whole multiple of the segment's length since 1970.

    A second origin with the same settings cuts the same grid.
    """

    def __init__(self, segment_duration_s: float) -> None:
        self._step = grid_ticks(segment_duration_s, VIDEO_TIMESCALE)
        self._last: int | None = None

    def source_key(self, pts: int) -> None:
        """The source's own key frames do not matter."""

    def is_key(self, pts: int) -> bool:
        line = pts // self._step
        due = line != self._last
        self._last = line
        return due

    def is_clear(self, pts: int, ticks: int) -> bool:
        return (pts + ticks - 1) // self._step == pts // self._step

    def restart(self) -> None:
        self._last = None


class FrameDivider:
    """Keeps one frame in `divisor`, counted from the last key frame, and every key frame.

    With a known frame rate it counts on the time grid, so a source that loses frames does not
    lose more of them here; else it counts frames.
    """

    def __init__(self, divisor: int, frame_rate: Fraction) -> None:
        self._divisor = divisor
        self._ticks = VIDEO_TIMESCALE / frame_rate if frame_rate else Fraction(0)
        self._key_pts = 0
        self._count = 0
        self._slot = 0

    def keeps(self, pts: int, is_key: bool) -> bool:
        """Whether the next frame, in presentation order, is kept."""
        if self._divisor == 1:
            return True
        if is_key:
            self._key_pts, self._count, self._slot = pts, 0, 0
            return True
        self._count += 1
        number = round((pts - self._key_pts) / self._ticks) if self._ticks else self._count
        slot = number // self._divisor
        keep = slot > self._slot
        self._slot = max(slot, self._slot)
        return keep
