"""Segments of which a rendition has nothing, so that its numbers stay those of the others."""

from __future__ import annotations

from collections.abc import Iterable

from segmenter.boundary import Boundary
from segmenter.rendition import Rendition
from segmenter.segment import Event, InitSection, Segment, SegmentReady

SEAM_S = 0.1
"""Between a segment and a gap: half a frame at 5 frames/s."""


class Gaps:
    """Owns the segment that a rendition has not begun though it is its turn; its lane calls it.

    ``pass_by`` takes the boundaries that came without media. The last of them may still be joined
    by a sample that comes late; those before it become gaps, if the rendition has begun at all.
    """

    def __init__(self, rendition: Rendition) -> None:
        self._rendition = rendition
        self._due: Boundary | None = None

    @property
    def is_due(self) -> bool:
        """Whether there is a segment that may be joined."""
        return self._due is not None

    def listed_end(self, timescale: int) -> int:
        """Where what is listed ends, in ticks of a track, rounded up; 0 before anything is."""
        last = self._rendition.segments[-1] if self._rendition.segments else None
        return -(-last.end * timescale // last.timescale) if last is not None else 0

    def lead_to(self, boundary: Boundary) -> bool:
        """Whether the segment that begins comes after a gap of the same discontinuity."""
        last = self._rendition.segments[-1] if self._rendition.segments else None
        return last is not None and last.is_gap and last.discontinuity == boundary.discontinuity

    def join(self) -> None:
        """It has media after all."""
        self._due = None

    def pass_by(
        self, boundaries: Iterable[Boundary], init: InitSection, now_utc: float
    ) -> list[Event]:
        """The next boundaries came without media."""
        events: list[Event] = []
        for boundary in boundaries:
            events += self.end(boundary.previous_end_ticks(init.track.timescale), init, now_utc)
            self._due = boundary
        return events

    def end(self, end: int, init: InitSection, now_utc: float) -> list[Event]:
        """The segment due, if there is one, gets no media; it ends at ``end`` (ticks)."""
        boundary, self._due = self._due, None
        if boundary is None or not self._rendition.segments:
            return []
        timescale = init.track.timescale
        start = self._start(boundary, timescale)
        gap = Segment(
            msn=boundary.msn,
            start=start,
            duration=max(end - start, 1),
            timescale=timescale,
            size_bytes=0,
            sample_count=0,
            init=init,
            discontinuity=boundary.discontinuity,
            starts_discontinuity=boundary.is_break,
            is_independent=True,
            is_gap=True,
        )
        self._rendition.add(gap, now_utc)
        return [SegmentReady(self._rendition.name, gap)]

    def _start(self, boundary: Boundary, timescale: int) -> int:
        """At the boundary; where the segment before it ended within half a frame of it, there."""
        start = boundary.ticks(timescale)
        previous = self._rendition.segments[-1]
        if previous.timescale != timescale:
            return start
        is_seam = not boundary.is_break and start - previous.end < round(SEAM_S * timescale)
        return previous.end if is_seam else max(start, previous.end)
