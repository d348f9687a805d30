"""A presentation as a dynamic MPD over the very segments of its HLS playlists.

The timeline of the presentation is UTC since 1970: availabilityStartTime is the epoch and every
period starts at its media time, so nothing in the manifest depends on when an origin was started.
A period is a discontinuity sequence number, or what of it follows a gap of some rendition; within
it encoders may come without a seam.

A period lasts until the next one starts (@duration would only repeat it); the last one
gets its @duration when nothing follows. Then the manifest stays dynamic, without
minimumUpdatePeriod and timeShiftBufferDepth: as static it would begin in 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from segmenter.dash.adaptation_set import Listing, adaptation_sets
from segmenter.dash.segment_timeline import ListedRuns, Run
from segmenter.dash.xml_text import (
    Attributes,
    attributes_text,
    element,
    empty_element,
    format_duration,
)
from segmenter.errors import UsageError
from segmenter.hls.media_lines import format_date_time
from segmenter.period_start import PERIOD_TICKS_PER_SECOND, PeriodStart
from segmenter.presentation import Presentation
from segmenter.rendition import Rendition

NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
PROFILE = "urn:mpeg:dash:profile:isoff-live:2011"
UTC_TIMING_SCHEME = "urn:mpeg:dash:utc:http-xsdate:2014"

DELAY_TARGETS = 3
"""suggestedPresentationDelay in target durations: what HLS players keep (RFC 8216bis 6.3.3)."""

FILLED_SEGMENTS = 2
"""Segments after which a period is listed even without renditions that the one before had."""

EPOCH_TEXT = "1970-01-01T00:00:00Z"
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<MPD xmlns="{NAMESPACE}" profiles="{PROFILE}" type="dynamic"'
    f' availabilityStartTime="{EPOCH_TEXT}"'
)
_TIMELINE = "\0"
_LONGEST_BEYOND_TARGET_S = Fraction(1, 2)
"""Durations round to the target duration at most."""


class Mpd:
    """Owns the manifest of one presentation; its origin renders it after changes.

    What only seldom changes is put into words once: everything but the timelines, and of those
    all but their ends. A render takes some 15 µs for each rendition.
    """

    def __init__(self, presentation: Presentation, utc_timing_url: str) -> None:
        """``utc_timing_url`` answers GET with the time of now as an xs:dateTime."""
        self._presentation = presentation
        timing: Attributes = {"schemeIdUri": UTC_TIMING_SCHEME, "value": utc_timing_url}
        self._utc_timing = empty_element("UTCTiming", timing)
        self._listed: dict[str, ListedRuns] = {}
        self._periods: dict[int, _PeriodWords] = {}
        self._timing_key: tuple[object, ...] = ()
        self._timing_text = ""

    def render(self, publish_utc: float) -> str:
        """The manifest; URLs are relative to the directory it is in.

        ``publish_utc`` is @publishTime, seconds since 1970. Raises UsageError when no rendition
        has media yet.
        """
        periods = self._update()
        if not periods:
            raise UsageError("no rendition has media yet")
        published = format_date_time(int(publish_utc * 1000), 1000)
        last = periods[-1][1]
        content: list[str] = []
        for start, runs in periods:
            words = self._periods.get(start.first_msn)
            if words is None or words.start != start:
                words = self._periods[start.first_msn] = _PeriodWords(start)
            end_s = self._end_s(runs) if runs is last and self._presentation.is_ended else None
            content += words.render(runs, end_s)
        return (
            f'{_HEAD} publishTime="{published}"{self._timing(last)}>\n'
            f"{''.join(content)}  {self._utc_timing}\n</MPD>\n"
        )

    def _update(self) -> list[tuple[PeriodStart, list[Run]]]:
        """The periods to list, in order, and their renditions in the order of appearance."""
        presentation = self._presentation
        by_number: dict[int, list[Run]] = {}
        for rendition in sorted(presentation.renditions.values(), key=_position):
            listed = self._listed.get(rendition.name)
            if listed is None or listed.rendition is not rendition:
                listed = self._listed[rendition.name] = ListedRuns(presentation, rendition)
            listed.update()
            for number, run in listed.runs.items():
                by_number.setdefault(number, []).append(run)
        self._periods = {n: words for n, words in self._periods.items() if n in by_number}
        # A break within 40 ms of another leaves a period of no length, which players do not stand.
        starts = {presentation.period_start(number).ticks: number for number in sorted(by_number)}
        numbers = list(starts.values())
        if len(numbers) > 1 and not presentation.is_ended:
            former, latest = (by_number[number] for number in numbers[-2:])
            if _is_filling(former, latest):
                numbers.pop()
        return [(presentation.period_start(number), by_number[number]) for number in numbers]

    def _timing(self, last_runs: Sequence[Run]) -> str:
        presentation = self._presentation
        target = presentation.target_duration
        end_s = self._end_s(last_runs) if presentation.is_ended else None
        shift_s = depth_s(presentation)
        key = (target, end_s, shift_s)
        if key != self._timing_key:
            self._timing_key = key
            self._timing_text = attributes_text(_timing(target, end_s, shift_s))
        return self._timing_text

    def _end_s(self, runs: Sequence[Run]) -> Fraction:
        return max(run.end_s for run in runs)


class _PeriodWords:
    """A period's lines; those around the timelines are kept for as long as they hold."""

    def __init__(self, start: PeriodStart) -> None:
        self.start = start
        self._start_s = Fraction(start.ticks, PERIOD_TICKS_PER_SECOND)
        self._key: tuple[object, ...] = ()
        self._around: list[str] = []
        self._order: list[int] = []

    def render(self, runs: Sequence[Run], end_s: Fraction | None) -> list[str]:
        """Texts to be joined; ``end_s`` where it is known that nothing follows."""
        key = (end_s, *[_shown(run) for run in runs])
        if key != self._key:
            self._key = key
            self._write(runs, end_s)
        texts = [self._around[0]]
        for index, after in zip(self._order, self._around[1:], strict=True):
            texts += runs[index].template(self.start), after
        return texts

    def _write(self, runs: Sequence[Run], end_s: Fraction | None) -> None:
        attributes: Attributes = {
            "id": self.start.id,
            "start": format_duration(self._start_s),
        }
        if end_s is not None:
            attributes["duration"] = format_duration(end_s - self._start_s)
        listings = [
            Listing(run.rendition, run.init, run.is_independent, [f"{_TIMELINE}{index}"])
            for index, run in enumerate(runs)
        ]
        self._around, self._order = [""], []
        for line in element("Period", attributes, adaptation_sets(listings)):
            _, is_timeline, index = line.partition(_TIMELINE)
            if is_timeline:
                self._order.append(int(index))
                self._around.append("")
            else:
                self._around[-1] += f"  {line}\n"


def _shown(run: Run) -> tuple[object, ...]:
    """All that is said of it but its timeline."""
    rendition = run.rendition
    return rendition.name, run.init.name, run.is_independent, rendition.bitrates().peak


def _position(rendition: Rendition) -> int:
    return rendition.position


def _is_filling(former: Sequence[Run], latest: Sequence[Run]) -> bool:
    """Whether a period that has just begun may still get renditions of the one before it.

    The AdaptationSets of a period never change once it is listed (DASH-IF timing model): a player
    that enters one which has no audio yet stays without. A second segment ends the wait.
    """
    expected = {run.rendition.name for run in former if run.rendition.outlook.is_expected}
    missing = expected - {run.rendition.name for run in latest}
    return bool(missing) and all(run.count < FILLED_SEGMENTS for run in latest)


def _timing(target: int, end_s: Fraction | None, shift_s: float) -> Attributes:
    attributes: Attributes = {
        "minBufferTime": format_duration(target),
        "maxSegmentDuration": format_duration(target + _LONGEST_BEYOND_TARGET_S),
        "suggestedPresentationDelay": format_duration(DELAY_TARGETS * target),
    }
    if end_s is not None:
        attributes["mediaPresentationDuration"] = format_duration(end_s)
    else:
        # Half of it: a segment is known for less than it lasts before players look again.
        attributes["minimumUpdatePeriod"] = format_duration(max(1, target / 2))
        attributes["timeShiftBufferDepth"] = format_duration(shift_s)
    return attributes


def depth_s(presentation: Presentation) -> float:
    """Seconds: what every rendition lists when its window is full."""
    shortened = [
        rendition.window_duration_s
        for rendition in presentation.renditions.values()
        if rendition.is_shortened
    ]
    return min([presentation.settings.window_s, *shortened])
