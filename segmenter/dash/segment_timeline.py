"""What a manifest can list of a rendition, and as which timeline (ISO/IEC 23009-1 5.3.9.6).

$Number$ counts the entries of a timeline, so a number that is missing in the middle cannot be
said in a way that players know. Of a rendition with a gap a period lists what came before it; the
rest follows with the next period, which begins as soon as the rendition is back, with the first
segment that no rendition has listed yet (`leading.py`).
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from itertools import islice

from segmenter.dash.xml_text import Attributes, attributes_text
from segmenter.period_start import PeriodStart
from segmenter.presentation import Presentation
from segmenter.rendition import Rendition
from segmenter.segment import InitSection, Segment

_INDENT = 8 * " "
"""Of what is inside MPD, Period, AdaptationSet and Representation."""


class _Entry:
    """Segments of one duration that follow on each other: an S element."""

    __slots__ = ("_text", "count", "duration", "start")

    def __init__(self, start: int, duration: int) -> None:
        self.start = start
        self.duration = duration
        self.count = 1
        self._text = ""

    @property
    def end(self) -> int:
        return self.start + self.count * self.duration

    def repeat(self) -> None:
        """Another one of the same duration."""
        self.count += 1
        self._text = ""

    def drop_first(self) -> None:
        """Its first segment is listed no longer."""
        self.start += self.duration
        self.count -= 1
        self._text = ""

    def words(self, end: int | None) -> str:
        """The element, where the one before it ends at ``end``."""
        if self.start != end:
            return self._element(self.start)
        self._text = self._text or self._element(None)
        return self._text

    def _element(self, time: int | None) -> str:
        begins = "" if time is None else f' t="{time}"'
        repeated = f' r="{self.count - 1}"' if self.count > 1 else ""
        return f'{_INDENT}    <S{begins} d="{self.duration}"{repeated}/>\n'


class Run:
    """Segments of one rendition in one period, their numbers without a hole; at least one."""

    def __init__(self, rendition: Rendition, first: Segment) -> None:
        self.rendition = rendition
        self.init: InitSection = first.init
        """Of all of them."""
        self.first_msn = first.msn
        self.count = 0
        self._timescale = first.timescale
        addresses: Attributes = {
            "initialization": f"{rendition.name}/{first.init.name}",
            "media": f"{rendition.name}/$Number$.m4s",
        }
        self._addresses = attributes_text(addresses)
        self._dependent: deque[int] = deque()
        self._entries: deque[_Entry] = deque()

    @property
    def is_independent(self) -> bool:
        """Whether each segment begins with a sync sample."""
        return not self._dependent

    @property
    def end_s(self) -> Fraction:
        """Where its last segment ends, seconds since 1970."""
        return Fraction(self._entries[-1].end, self._timescale)

    def add(self, segment: Segment) -> None:
        """The segment of the next number; equal neighbours that meet are one entry with @r."""
        self.count += 1
        if not segment.is_independent:
            self._dependent.append(segment.msn)
        last = self._entries[-1] if self._entries else None
        if last and segment.start == last.end and segment.duration == last.duration:
            last.repeat()
        else:
            self._entries.append(_Entry(segment.start, segment.duration))

    def drop_first(self) -> None:
        """The first of its segments is listed no longer."""
        self.first_msn += 1
        self.count -= 1
        self._entries[0].drop_first()
        if not self._entries[0].count:
            self._entries.popleft()
        if self._dependent and self._dependent[0] < self.first_msn:
            self._dependent.popleft()

    def template(self, period_start: PeriodStart) -> str:
        """A template with a timeline, in its place in a manifest."""
        timescale = self._timescale
        texts = [
            f'{_INDENT}<SegmentTemplate timescale="{timescale}"'
            f' presentationTimeOffset="{period_start.media_time(timescale)}"'
            f'{self._addresses} startNumber="{self.first_msn}">\n'
            f"{_INDENT}  <SegmentTimeline>\n"
        ]
        end: int | None = None
        for entry in self._entries:
            texts.append(entry.words(end))
            end = entry.end
        texts.append(f"{_INDENT}  </SegmentTimeline>\n{_INDENT}</SegmentTemplate>\n")
        return "".join(texts)


class ListedRuns:
    """Owns what a manifest lists of one rendition; ``update`` after each of its changes."""

    def __init__(self, presentation: Presentation, rendition: Rendition) -> None:
        self.rendition = rendition
        self.runs: dict[int, Run] = {}
        """By the first numbers of the periods in the window."""
        self._presentation = presentation
        self._taken: deque[Segment] = deque()
        self._cut_period = -1
        """Its rest is not listed, as there was a gap."""

    def update(self) -> None:
        """Take over what was listed and unlisted since the last time."""
        segments = self.rendition.segments
        if not segments:
            self._forget()
            return
        first, taken = segments[0].msn, self._taken
        while taken and taken[0].msn < first:
            dropped = taken.popleft()
            self._drop(dropped)
            if dropped.is_gap:
                self._forget()  # what was behind it may be the first of its period now
        if taken and segments[len(taken) - 1] is not taken[-1]:
            self._forget()  # it has become a gap
        for segment in islice(segments, len(taken), None):
            taken.append(segment)
            self._add(segment)

    def _forget(self) -> None:
        self.runs = {}
        self._taken.clear()
        self._cut_period = -1

    def _add(self, segment: Segment) -> None:
        period = self._presentation.period_start(segment.msn).first_msn
        if segment.is_gap:
            self._cut_period = period
        elif period != self._cut_period:
            if period not in self.runs:
                self.runs[period] = Run(self.rendition, segment)
            self.runs[period].add(segment)

    def _drop(self, segment: Segment) -> None:
        for period, run in self.runs.items():
            if segment.msn == run.first_msn:
                run.drop_first()
                if not run.count:
                    del self.runs[period]
                return
