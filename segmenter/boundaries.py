"""Where the segments of a presentation begin, and by which numbers they go."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from segmenter.boundary import Boundary, discontinuity_at, number_at
from segmenter.errors import UsageError
from segmenter.period_start import PERIOD_TICKS_PER_SECOND, PeriodStart
from segmenter.saved_window import SavedPresentation

BOUNDARIES_TO_JOIN = 2
"""A rendition that appears may begin with a segment as old: an encoder is up in half a second,
and then brings what was pushed meanwhile, while the first segment may be short."""


class Boundaries:
    """Owns the numbers of a path's segments and breaks; its presentation and `Leading` call it.

    Numbers go on over the ends of playlists, all the rest begins anew with ``begin_life``.
    """

    def __init__(self, floor_msn: int, floor_discontinuity: int) -> None:
        self.count = self.breaks = 0
        self._next_msn = floor_msn
        self._next_discontinuity = floor_discontinuity
        self.begin_life()

    def begin_life(self) -> None:
        """A playlist's life is from its first segment to EXT-X-ENDLIST."""
        self.latest: Boundary | None = None
        self.recent: deque[Boundary] = deque(maxlen=BOUNDARIES_TO_JOIN)
        """Those with which a rendition that appears may begin."""
        self.period_starts: list[PeriodStart] = []
        """In order, by their first numbers."""

    def restore(self, saved: SavedPresentation, boundaries: Sequence[Boundary]) -> None:
        """Go on after those of an origin that is no more; a break is to follow."""
        self.period_starts = list(saved.state.period_starts)
        self.latest = boundaries[-1]
        self._next_msn = max(self._next_msn, saved.last_msn + 1)
        self._next_discontinuity = max(self._next_discontinuity, saved.last_discontinuity)

    def has_spare_number(self, time: int, timescale: int) -> bool:
        """Numbers never run ahead of the clock's, or a restart could go back."""
        return self._next_msn <= number_at(time, timescale)

    def make(
        self,
        time: int,
        timescale: int,
        previous_end: int | None,
        expected_end: int | None,
        rounding: int = 0,
        *,
        is_key: bool = False,
    ) -> Boundary:
        """A segment begins at ``time``; ``previous_end`` is given where time breaks."""
        is_break = previous_end is not None
        if self.latest is None:
            self._next_msn = max(self._next_msn, number_at(time, timescale))
            self._next_discontinuity = max(
                self._next_discontinuity, discontinuity_at(time, timescale)
            )
        elif is_break:
            self.breaks += 1
            self._next_discontinuity += 1
            self.recent.clear()
        boundary = Boundary(
            self._next_msn,
            time,
            timescale,
            self._next_discontinuity,
            is_break,
            time if previous_end is None else previous_end,
            expected_end,
            0 if is_break else rounding,
            is_key,
        )
        self._next_msn += 1
        self.count += 1
        self.latest = boundary
        self.recent.append(boundary)
        return boundary

    def begin_period(self, boundary: Boundary, oldest_msn: int, *, follows_gap: bool) -> None:
        """It begins a period; below ``oldest_msn`` nothing is listed."""
        starts = self.period_starts
        while len(starts) > 1 and starts[1].first_msn <= oldest_msn:
            starts.pop(0)
        ticks = boundary.time * PERIOD_TICKS_PER_SECOND // boundary.timescale
        starts.append(PeriodStart(boundary.discontinuity, ticks, boundary.msn, follows_gap))

    def period_start(self, msn: int) -> PeriodStart:
        """Where the period of a listed segment begins."""
        for start in reversed(self.period_starts):
            if start.first_msn <= msn:
                return start
        raise UsageError(f"segment {msn} is not listed")
