"""What a manifest can list of a rendition, and as which timeline (ISO/IEC 23009-1 5.3.9.6).

$Number$ counts the entries of a timeline, so a number that is missing in the middle cannot be
said in a way that players know. Of a rendition with gaps a period lists the segments after the
last gap between two of them; a gap at the end hides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from segmenter.dash.adaptation_set import Listing
from segmenter.dash.xml_text import Attributes, element, empty_element
from segmenter.period_start import PeriodStart
from segmenter.rendition import Rendition
from segmenter.segment import Segment


@dataclass(frozen=True, slots=True)
class Run:
    """Segments of one rendition in one period, their numbers without a hole; at least one."""

    rendition: Rendition
    segments: tuple[Segment, ...]

    @property
    def first(self) -> Segment:
        """Its number is @startNumber; its init section is that of all of them."""
        return self.segments[0]

    @property
    def is_independent(self) -> bool:
        """Whether each segment begins with a sync sample."""
        return all(segment.is_independent for segment in self.segments)


def listed_runs(rendition: Rendition) -> dict[int, Run]:
    """For each discontinuity sequence number in the window: what a manifest lists of it."""
    runs: dict[int, list[Segment]] = {}
    follows_gap = False
    for segment in rendition.segments:
        if segment.is_gap:
            follows_gap = True
            continue
        if follows_gap or segment.discontinuity not in runs:
            runs[segment.discontinuity] = []
            follows_gap = False
        runs[segment.discontinuity].append(segment)
    return {number: Run(rendition, tuple(segments)) for number, segments in runs.items()}


def timeline_listing(run: Run, period_start: PeriodStart) -> Listing:
    """The run as a template with a timeline."""
    rendition, first = run.rendition, run.first
    attributes: Attributes = {
        "timescale": first.timescale,
        "presentationTimeOffset": period_start.media_time(first.timescale),
        "initialization": f"{rendition.name}/{first.init.name}",
        "media": f"{rendition.name}/$Number$.m4s",
        "startNumber": first.msn,
    }
    timeline = element("SegmentTimeline", {}, timeline_entries(run))
    template = element("SegmentTemplate", attributes, timeline)
    return Listing(rendition, first.init, run.is_independent, template)


def timeline_entries(run: Run) -> list[str]:
    """S elements; equal neighbours that follow on each other are one with @r."""
    entries: list[str] = []
    segments = run.segments
    index = 0
    end: int | None = None
    while index < len(segments):
        first = segments[index]
        start, duration = first.start, first.duration
        time = start if start != end else None
        end = start + duration
        repeats = 0
        index += 1
        while index < len(segments) and _repeats(segments[index], end, duration):
            repeats += 1
            end += duration
            index += 1
        attributes: Attributes = {"t": time, "d": duration, "r": repeats or None}
        entries.append(empty_element("S", attributes))
    return entries


def _repeats(segment: Segment, end: int, duration: int) -> bool:
    return segment.start == end and segment.duration == duration
