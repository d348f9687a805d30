"""What must outlive an origin for its playlists to go on: a live window as plain records.

`Presentation.saved_state` and `Rendition.saved_state` give what is to be kept beside the init
sections and segments that their events announce; `Presentation.restore` takes all of it.

An origin that is killed leaves less than it knew: segments that were finished last may be missing
of some renditions, and of the one in progress there is only its boundary. Nothing that was ever
announced may be announced again as something else, so such numbers become gaps, and at
once: low-latency players know of the segment in progress, and numbers only rise.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from segmenter.boundary import Boundary
from segmenter.period_start import PeriodStart
from segmenter.segment import InitSection, Segment

SHORTEST_GAP_S = Fraction(1, 10)
"""In the place of a segment that was lost just after it had begun: the seam of other gaps."""


@dataclass(frozen=True, slots=True)
class PresentationState:
    """What the playlists of a presentation have promised together."""

    target_duration: int
    """Seconds; 0 before it is decided."""
    has_forced_cut: bool
    period_starts: tuple[PeriodStart, ...]
    boundary: Boundary | None
    """The latest; its segment may be in progress."""


@dataclass(frozen=True, slots=True)
class RenditionState:
    """What the playlists of a rendition have promised beside their segments."""

    media_sequence: int
    """Number of the first segment listed."""
    part_target_s: float
    is_independent: bool
    is_shortened: bool
    longest_s: float
    """Of the longest playlist so far."""
    peak: int
    """Bits per second, see `Bitrates`."""


@dataclass(frozen=True, slots=True)
class SavedRendition:
    """A rendition as it was saved last."""

    name: str
    position: int
    init: InitSection
    """Announced last; its track is the rendition's."""
    state: RenditionState
    segments: tuple[Segment, ...]
    """In order, also those that are no longer listed but must stay downloadable."""

    @property
    def contiguous(self) -> tuple[Segment, ...]:
        """The segments up to the newest whose numbers have no hole."""
        count = 0
        for segment in reversed(self.segments):
            if segment.msn != self.segments[-1].msn - count:
                break
            count += 1
        return self.segments[len(self.segments) - count :]


@dataclass(frozen=True, slots=True)
class SavedPresentation:
    """A path's live window as it was saved last."""

    state: PresentationState
    renditions: tuple[SavedRendition, ...]
    """At least one segment each, in the order of their positions."""

    @property
    def last_msn(self) -> int:
        """The highest media sequence number that may have been announced."""
        boundary = self.state.boundary
        return max(
            boundary.msn if boundary is not None else 0,
            *(rendition.segments[-1].msn for rendition in self.renditions),
        )

    @property
    def last_discontinuity(self) -> int:
        """The highest discontinuity sequence number that may have been announced."""
        boundary = self.state.boundary
        return max(
            boundary.discontinuity if boundary is not None else 0,
            *(rendition.segments[-1].discontinuity for rendition in self.renditions),
        )

    def end_of_last(self, segment_duration_s: Fraction, now_utc: float) -> Fraction:
        """Where the segment of the highest number ends, seconds since 1970.

        One that was in progress and is lost may have lasted until now, if not too long.
        """
        lasts = (rendition.segments[-1] for rendition in self.renditions)
        ends = [Fraction(s.end, s.timescale) for s in lasts if s.msn == self.last_msn]
        boundary = self.state.boundary
        if ends or boundary is None:
            return max(ends)
        begin = Fraction(boundary.time, boundary.timescale)
        shortest_s = min(SHORTEST_GAP_S, segment_duration_s)
        return begin + min(max(Fraction(now_utc) - begin, shortest_s), segment_duration_s)

    def boundaries(self) -> list[Boundary]:
        """One for each number from the first that some rendition misses up to the last, in order.

        The first of them is one that all renditions have, so that the others follow on it.
        """
        known = self._known_boundaries()
        first = min(rendition.segments[-1].msn for rendition in self.renditions)
        made = [known[first]]
        for msn in range(first + 1, self.last_msn + 1):
            boundary = known.get(msn)
            if boundary is None:  # of this number nothing is left: it begins where others end
                former = made[-1]
                boundary = Boundary(
                    msn, former.time, former.timescale, former.discontinuity, False, former.time
                )
            made.append(boundary)
        return made

    def _known_boundaries(self) -> dict[int, Boundary]:
        """By number, as the rendition of the lowest position has them."""
        known: dict[int, Boundary] = {}
        for rendition in self.renditions:
            for former, segment in zip(
                (None, *rendition.segments[:-1]), rendition.segments, strict=True
            ):
                known.setdefault(segment.msn, _boundary_of(segment, former))
        latest = self.state.boundary
        if latest is not None:
            known.setdefault(latest.msn, latest)
        return known


def _boundary_of(segment: Segment, former: Segment | None) -> Boundary:
    previous_end = segment.start
    if segment.starts_discontinuity and former is not None:
        previous_end = min(segment.start, former.end * segment.timescale // former.timescale)
    return Boundary(
        segment.msn,
        segment.start,
        segment.timescale,
        segment.discontinuity,
        segment.starts_discontinuity,
        previous_end,
    )
