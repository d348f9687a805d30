"""Whether the media times of one rendition go on, read from the boxes of its segments."""

from __future__ import annotations

from segmenter.errors import MediaError
from segmenter.fmp4.checks import check_segment
from segmenter.fmp4.reader import InitTrack, read_fragments

LONGEST_HOLE_S = 10.0
"""Over a break: a publisher is back after a second, and a busy machine takes some more."""


class MediaTimes:
    """Owns where the media seen so far end; a follower pushes its segments in order."""

    def __init__(self) -> None:
        self._end = -1
        self._stretch = 0

    def push(self, data: bytes, init: InitTrack, stretch: int, start: int | None) -> list[str]:
        """What is wrong with the times of one segment.

        Within a ``stretch`` it begins where the one before ended, to the tick (C2, D5); in the next
        one not earlier. ``start`` is what a manifest says.
        """
        found = check_segment(data, init)
        try:
            samples = read_fragments(data, init)
        except MediaError:
            samples = []
        if not samples:
            return found  # which says so
        first, last = samples[0], samples[-1]
        if start is not None and first.dts != start:
            found.append(f"begins at {first.dts}, listed {start}")
        if self._end >= 0:
            hole_s = (first.dts - self._end) / init.track.timescale
            is_told = stretch > self._stretch
            if hole_s < 0 or hole_s > LONGEST_HOLE_S or (hole_s and not is_told):
                found.append(f"begins {hole_s:+.4f} s from where the one before ended")
        self._end, self._stretch = last.dts + last.duration, stretch
        return found
