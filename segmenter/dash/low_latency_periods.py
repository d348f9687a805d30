"""The periods of a low-latency manifest: stretches of segments that follow a regular grid.

A low-latency player asks for a segment before any manifest could list it, so it must be able to
tell numbers from the clock: $Number$ and @duration. That holds for as long as each segment begins
within half a duration of its place on the grid (ISO/IEC 23009-1 5.3.9.5.3; the project's D6).
Where publishers' key frames do not keep to it, where time, format or the set of renditions
changes, or where segments are missing, a period ends and another begins with the next segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from segmenter.media import MediaType
from segmenter.period_start import PERIOD_TICKS_PER_SECOND
from segmenter.presentation import Presentation
from segmenter.rendition import Rendition
from segmenter.segment import InitSection, Segment

TOLERANCE = Fraction(2, 5)
"""Of a duration: how far a segment may begin from its place. Half of it is allowed, and the other
tracks of the period may begin later than the one that is looked at here."""

FIRST_TOLERANCE = Fraction(1, 20)
"""The same of a period's second segment, as the first says little of the grid: where a publisher
comes between two lines, it ends with the first key frame on one. Players ask for each segment of
the period as late as they were told by it, and aim at less than a second."""

STUB = Fraction(1, 4)
"""Of a duration: a first segment after a break that lasts less begins no period. Publishers who
come back shortly before the next segment is due send such ones, often without sound."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """A segment as soon as it has a part in some rendition."""

    msn: int
    start_s: Fraction
    discontinuity: int


@dataclass(frozen=True, slots=True)
class Member:
    """A rendition in a period, which it is in from beginning to end."""

    rendition: Rendition
    init: InitSection
    is_captured: bool
    """Its segments say when they were captured (prft)."""


@dataclass(frozen=True, slots=True)
class LowLatencyPeriod:
    """Segments ``first_msn`` and on; all that is said of it never changes."""

    id: str
    first_msn: int
    discontinuity: int
    start_ticks: int
    """Of 40 ms, since 1970: at or before its first segment."""
    origin_s: Fraction
    """Where its first segment begins: the grid counts from there."""
    duration_s: Fraction
    """Of each segment, nearly."""
    members: tuple[Member, ...]

    def place_s(self, msn: int) -> Fraction:
        """Where the grid has a segment."""
        return self.origin_s + (msn - self.first_msn) * self.duration_s

    def suits(self, beginning: Beginning) -> bool:
        """Whether a segment is where the clock says it is."""
        off = abs(beginning.start_s - self.place_s(beginning.msn))
        is_second = beginning.msn == self.first_msn + 1
        return off <= (FIRST_TOLERANCE if is_second else TOLERANCE) * self.duration_s


class LowLatencyPeriods:
    """Owns the periods of one presentation; ``update`` after each of its changes.

    To be made after `Presentation.restore`, if that is called: what an earlier origin has said of
    the segments listed by then is not known, so their periods get ids which it cannot have used.
    """

    def __init__(self, presentation: Presentation) -> None:
        self._presentation = presentation
        renditions = presentation.renditions.values()
        self._restored = max((r.segments[-1].msn for r in renditions if r.segments), default=-1)
        self._periods: list[LowLatencyPeriod] = []
        self._latest: Beginning | None = None

    def update(self) -> Sequence[LowLatencyPeriod]:
        """Those of which something can still be played, in order."""
        renditions = self._presentation.renditions.values()
        for beginning in self._beginnings():
            if not self._must_wait(beginning) and not self._is_stub(beginning):
                self._take(beginning)
                self._latest = beginning
        oldest = min((r.segments[0].msn for r in renditions if r.segments), default=0)
        while len(self._periods) > 1 and self._periods[1].first_msn <= oldest:
            self._periods.pop(0)
        return self._periods

    def _beginnings(self) -> list[Beginning]:
        """Segments that have begun in some rendition since the latest; video tells where."""
        latest = self._latest.msn if self._latest is not None else -1
        renditions = sorted(self._presentation.renditions.values(), key=_is_audio)
        found: dict[int, Beginning] = {}
        for rendition in renditions:
            for beginning in _begun(rendition, latest):
                found.setdefault(beginning.msn, beginning)
        return [found[msn] for msn in sorted(found)]

    def _must_wait(self, beginning: Beginning) -> bool:
        """After a break the others' formats are known with their first parts only.

        A period never gets another rendition, so it waits for a segment that all of them have, but
        not for longer than a segment lasts.
        """
        if self._has_same_break(beginning) or self._has_lasted(beginning):
            return False
        renditions = self._presentation.renditions.values()
        expected = [rendition for rendition in renditions if rendition.outlook.is_expected]
        return not all(_has_media(rendition, beginning.msn) for rendition in expected)

    def _is_stub(self, beginning: Beginning) -> bool:
        """Whether a period would be as short as dash.js does not find its way out of."""
        if self._has_same_break(beginning) or self._presentation.is_ended:
            return False
        found = (_finished(r, beginning.msn) for r in self._presentation.renditions.values())
        limit_s = STUB * self._settled_s
        return any(segment is not None and segment.duration_s < limit_s for segment in found)

    def _has_same_break(self, beginning: Beginning) -> bool:
        return bool(self._periods) and self._periods[-1].discontinuity == beginning.discontinuity

    def _has_lasted(self, beginning: Beginning) -> bool:
        newest_s = max(map(_end_s, self._presentation.renditions.values()))
        return self._presentation.is_ended or newest_s - beginning.start_s >= self._settled_s

    def _take(self, beginning: Beginning) -> None:
        lag = 1 if self._has_same_break(beginning) else 0
        members = self._members(beginning.msn - lag)
        latest, period = self._latest, self._periods[-1] if self._periods else None
        goes_on = (
            period is not None
            and latest is not None
            and beginning.msn == latest.msn + 1
            and beginning.discontinuity == period.discontinuity
            and period.suits(beginning)
            and _names(members) == _names(period.members)
        )
        if goes_on or not members:
            return
        start_ticks = int(beginning.start_s * PERIOD_TICKS_PER_SECOND)
        if period is not None and start_ticks <= period.start_ticks:
            self._periods.pop()  # of no length, which players do not stand
        self._periods.append(
            LowLatencyPeriod(
                self._id(beginning.msn),
                beginning.msn,
                beginning.discontinuity,
                start_ticks,
                beginning.start_s,
                self._duration_s(beginning),
                members,
            )
        )

    def _id(self, msn: int) -> str:
        return str(msn) if msn > self._restored else f"{msn}.{self._restored}"

    def _duration_s(self, beginning: Beginning) -> Fraction:
        """As long as the segment before it if that was whole, else as settled."""
        latest, settled = self._latest, self._settled_s
        if latest is None or beginning.msn != latest.msn + 1:
            return settled
        if latest.discontinuity != beginning.discontinuity:
            return self._periods[-1].duration_s if self._periods else settled
        lasted = beginning.start_s - latest.start_s
        if lasted < settled and self._is_first_since_break(latest):
            return settled
        return max(lasted, settled / 4)

    def _is_first_since_break(self, beginning: Beginning) -> bool:
        """As far as periods tell: it may have begun at any moment."""
        same = [p for p in self._periods if p.discontinuity == beginning.discontinuity]
        return len(same) == 1 and same[0].first_msn == beginning.msn

    @property
    def _settled_s(self) -> Fraction:
        return Fraction(self._presentation.settings.segment_duration_s).limit_denominator(1000)

    def _members(self, msn: int) -> tuple[Member, ...]:
        """Renditions that have media of segment ``msn`` or later ones."""
        members = []
        for rendition in sorted(self._presentation.renditions.values(), key=lambda r: r.position):
            opened = rendition.open_segment
            if opened is not None and rendition.open_parts and opened.msn >= msn:
                captured = rendition.open_parts[0].captured_utc
                members.append(Member(rendition, opened.init, captured > 0))
            elif rendition.segments:
                last = rendition.segments[-1]
                if last.msn >= msn and not last.is_gap:
                    captured = last.parts[0].captured_utc if last.parts else 0.0
                    members.append(Member(rendition, last.init, captured > 0))
        return tuple(members)


def _begun(rendition: Rendition, latest: int) -> Iterator[Beginning]:
    """Segments with media after number ``latest``."""
    for segment in reversed(rendition.segments):
        if segment.msn <= latest:
            break
        if not segment.is_gap:
            start_s = Fraction(segment.start, segment.timescale)
            yield Beginning(segment.msn, start_s, segment.discontinuity)
    opened = rendition.open_segment
    if opened is not None and rendition.open_parts and opened.msn > latest:
        first = rendition.open_parts[0]
        yield Beginning(opened.msn, Fraction(first.start, first.timescale), opened.discontinuity)


def _has_media(rendition: Rendition, msn: int) -> bool:
    """Whether there is a part of that segment."""
    opened = rendition.open_segment
    if opened is not None and opened.msn == msn:
        return bool(rendition.open_parts)
    return _finished(rendition, msn) is not None


def _finished(rendition: Rendition, msn: int) -> Segment | None:
    """Segment ``msn`` if it is finished and has media."""
    return next((s for s in reversed(rendition.segments) if s.msn == msn and not s.is_gap), None)


def _end_s(rendition: Rendition) -> Fraction:
    """Where its newest media end."""
    if rendition.open_parts:
        part = rendition.open_parts[-1]
        return Fraction(part.start + part.duration, part.timescale)
    if rendition.segments:
        return Fraction(rendition.segments[-1].end, rendition.segments[-1].timescale)
    return Fraction(0)


def _is_audio(rendition: Rendition) -> bool:
    return rendition.track.media_type is MediaType.AUDIO


def _names(members: Sequence[Member]) -> list[tuple[str, str]]:
    return [(member.rendition.name, member.init.name) for member in members]
