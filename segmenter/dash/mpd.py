"""A presentation as a dynamic MPD over the very segments of its HLS playlists.

The timeline of the presentation is UTC since 1970: availabilityStartTime is the epoch and every
period starts at its media time, so nothing in the manifest depends on when an origin was started.
A period is a discontinuity sequence number; within it encoders may come and go without a seam.

A period lasts until the next one starts (@duration would only repeat it); the last one
gets its @duration when nothing follows. Then the manifest stays dynamic, without
minimumUpdatePeriod and timeShiftBufferDepth: as static it would begin in 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from segmenter.dash.adaptation_set import adaptation_sets
from segmenter.dash.segment_timeline import Run, listed_runs, timeline_listing
from segmenter.dash.xml_text import Attributes, element, empty_element, format_duration
from segmenter.errors import UsageError
from segmenter.hls.media_lines import format_date_time
from segmenter.period_start import PERIOD_TICKS_PER_SECOND, PeriodStart
from segmenter.presentation import Presentation

NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
PROFILE = "urn:mpeg:dash:profile:isoff-live:2011"
UTC_TIMING_SCHEME = "urn:mpeg:dash:utc:http-xsdate:2014"

DELAY_TARGETS = 3
"""suggestedPresentationDelay in target durations: what HLS players keep (RFC 8216bis 6.3.3)."""

FILLED_SEGMENTS = 2
"""Segments after which a period is listed even without renditions that the one before had."""

EPOCH_TEXT = "1970-01-01T00:00:00Z"
_LONGEST_BEYOND_TARGET_S = Fraction(1, 2)
"""Durations round to the target duration at most."""


def render_mpd(presentation: Presentation, publish_utc: float, utc_timing_url: str) -> str:
    """The manifest; URLs are relative to the directory it is in.

    ``publish_utc`` is @publishTime, seconds since 1970; ``utc_timing_url`` answers GET with the
    time of now as an xs:dateTime. Raises UsageError when no rendition has media yet.
    """
    periods = _periods(presentation)
    if not periods:
        raise UsageError("no rendition has media yet")
    attributes = {
        "xmlns": NAMESPACE,
        "profiles": PROFILE,
        "type": "dynamic",
        "availabilityStartTime": EPOCH_TEXT,
        "publishTime": format_date_time(int(publish_utc * 1000), 1000),
        **_timing(presentation, periods[-1][1]),
    }
    content: list[str] = []
    for start, runs in periods:
        content += _period(presentation, start, runs, is_last=runs is periods[-1][1])
    timing: Attributes = {"schemeIdUri": UTC_TIMING_SCHEME, "value": utc_timing_url}
    content.append(empty_element("UTCTiming", timing))
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', *element("MPD", attributes, content), ""]
    return "\n".join(lines)


def _periods(presentation: Presentation) -> list[tuple[PeriodStart, list[Run]]]:
    by_number: dict[int, list[Run]] = {}
    renditions = sorted(presentation.renditions.values(), key=lambda r: r.position)
    for rendition in renditions:
        for number, run in listed_runs(rendition).items():
            by_number.setdefault(number, []).append(run)
    # A break within 40 ms of another one leaves a period of no length, which players do not stand.
    starts = {presentation.period_start(number).ticks: number for number in sorted(by_number)}
    numbers = list(starts.values())
    if len(numbers) > 1 and not presentation.is_ended:
        former, latest = (by_number[number] for number in numbers[-2:])
        if _is_filling(former, latest):
            numbers.pop()
    return [(presentation.period_start(number), by_number[number]) for number in numbers]


def _is_filling(former: Sequence[Run], latest: Sequence[Run]) -> bool:
    """Whether a period that has just begun may still get renditions of the one before it.

    The AdaptationSets of a period never change once it is listed (DASH-IF timing model): a player
    that enters one which has no audio yet stays without. A second segment ends the wait.
    """
    missing = {run.rendition.name for run in former} - {run.rendition.name for run in latest}
    return bool(missing) and all(len(run.segments) < FILLED_SEGMENTS for run in latest)


def _timing(presentation: Presentation, last_runs: Sequence[Run]) -> Attributes:
    target = presentation.target_duration
    attributes: Attributes = {
        "minBufferTime": format_duration(target),
        "maxSegmentDuration": format_duration(target + _LONGEST_BEYOND_TARGET_S),
        "suggestedPresentationDelay": format_duration(DELAY_TARGETS * target),
    }
    if presentation.is_ended:
        attributes["mediaPresentationDuration"] = format_duration(_end_s(last_runs))
    else:
        # Half of it: a segment is known for less than it lasts before players look again.
        attributes["minimumUpdatePeriod"] = format_duration(max(1, target / 2))
        attributes["timeShiftBufferDepth"] = format_duration(depth_s(presentation))
    return attributes


def depth_s(presentation: Presentation) -> float:
    """Seconds: what every rendition lists when its window is full."""
    shortened = [
        rendition.window_duration_s
        for rendition in presentation.renditions.values()
        if rendition.is_shortened
    ]
    return min([presentation.settings.window_s, *shortened])


def _period(
    presentation: Presentation, start: PeriodStart, runs: Sequence[Run], *, is_last: bool
) -> list[str]:
    start_s = Fraction(start.ticks, PERIOD_TICKS_PER_SECOND)
    attributes: Attributes = {
        "id": start.discontinuity,
        "start": format_duration(start_s),
    }
    if is_last and presentation.is_ended:
        attributes["duration"] = format_duration(_end_s(runs) - start_s)
    listings = [timeline_listing(run, start) for run in runs]
    return element("Period", attributes, adaptation_sets(listings))


def _end_s(runs: Sequence[Run]) -> Fraction:
    return max(Fraction(run.segments[-1].end, run.segments[-1].timescale) for run in runs)
