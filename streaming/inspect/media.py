"""Downloaded media of one rendition: measured, and held against what was said of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from segmenter.errors import MediaError
from segmenter.fmp4.checks import check_init, check_segment
from segmenter.fmp4.reader import InitTrack, read_fragments, read_init_tracks
from segmenter.media import MediaType, Track
from streaming.inspect.fetch import Answer, Fetcher, check_headers
from streaming.inspect.report import Report, UnreadableError

MEDIA_TYPES = (
    "video/mp4",
    "audio/mp4",
    "application/mp4",
    "video/iso.segment",
    "audio/iso.segment",
)

EXACT_S = 0.005
"""Dates and EXTINF are written with milliseconds; more than this is noticed."""
COARSE_S = 0.1
"""What players notice: hls.js mends holes up to here."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One downloaded segment. Times in ticks of ``timescale``."""

    number: int
    """Media sequence number, or the place in a DASH timeline."""
    start: int
    end: int
    timescale: int
    earliest: int
    """Presentation time of what is shown first."""
    sample_ticks: int
    """Of the longest sample."""
    size_bytes: int
    stretch: int
    """Discontinuity sequence number or period: between stretches time may jump."""

    @property
    def start_s(self) -> float:
        """Seconds of media time."""
        return self.start / self.timescale

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return (self.end - self.start) / self.timescale


class RenditionMedia:
    """Fetches and measures what one rendition lists; its inspector is the only caller."""

    def __init__(
        self, report: Report, fetcher: Fetcher, name: str, rules: tuple[str, str, str]
    ) -> None:
        self.name = name
        self.segments: dict[int, Measured] = {}
        self.tracks: dict[str, InitTrack | None] = {}
        """By URL of the init section; None when it is no fMP4 that we can read."""
        self._report = report
        self._fetcher = fetcher
        self._rules = rules
        """Those of status, type and CORS."""

    @property
    def track(self) -> Track | None:
        """Of the latest init section."""
        known = [track.track for track in self.tracks.values() if track]
        return known[-1] if known else None

    def load_init(self, url: str, byte_range: str = "") -> InitTrack | None:
        """The track that an init section describes; fetched once."""
        key = f"{url} {byte_range}"
        if key not in self.tracks:
            self.tracks[key] = None
            answer = self._fetch(f"{self.name} init section", url, byte_range)
            if answer is not None:
                self.tracks[key] = self._read_init(answer.body)
        return self.tracks[key]

    def load_segment(
        self, number: int, url: str, byte_range: str, init: InitTrack, stretch: int
    ) -> Measured | None:
        """Download and measure a segment, once."""
        if number in self.segments:
            return self.segments[number]
        where = f"{self.name} segment {number}"
        answer = self._fetch(where, url, byte_range)
        if answer is None:
            return None
        self._report.add_lines(check_segment(answer.body, init), where)
        measured = measure(number, answer.body, init, stretch)
        if measured is not None:
            self.segments[number] = measured
        return measured

    def check_continuity(self, rule: str) -> None:
        """Neighbours follow on each other to the tick, except over a break."""
        ordered = [self.segments[number] for number in sorted(self.segments)]
        for before, after in itertools.pairwise(ordered):
            if after.number != before.number + 1 or after.stretch != before.stretch:
                continue
            hole_s = (after.start - before.end) / after.timescale
            where = f"{self.name} segment {after.number}"
            text = f"begins {hole_s:+.4f} s from where segment {before.number} ends"
            if abs(hole_s) > COARSE_S:
                self._report.error(rule, where, text)
            elif abs(hole_s) > 1 / after.timescale:
                self._report.warn(rule, where, text)

    def peak_rate(self, target_s: float) -> int:
        """Bits per second of the worst run between 0.5 and 1.5 target durations (HLS 4.4.6.2)."""
        ordered = [self.segments[number] for number in sorted(self.segments)]
        peak = 0.0
        for first in range(len(ordered)):
            bits, seconds = 0, 0.0
            for last in range(first, len(ordered)):
                if ordered[last].number - ordered[first].number != last - first:
                    break
                bits += 8 * ordered[last].size_bytes
                seconds += ordered[last].duration_s
                if seconds > 1.5 * target_s:
                    break
                if seconds >= 0.5 * target_s and seconds:
                    peak = max(peak, bits / seconds)
        return round(peak)

    def _fetch(self, where: str, url: str, byte_range: str) -> Answer | None:
        try:
            answer = self._fetcher.get(url, byte_range)
        except UnreadableError as error:
            self._report.error(self._rules[0], where, str(error))
            return None
        fine = check_headers(self._report, where, answer, MEDIA_TYPES, self._rules)
        return answer if fine else None

    def _read_init(self, data: bytes) -> InitTrack | None:
        self._report.add_lines(check_init(data), f"{self.name} init section")
        try:
            return read_init_tracks(data)[0]
        except MediaError:
            return None  # check_init has said it


def measure(number: int, data: bytes, init: InitTrack, stretch: int) -> Measured | None:
    """What a segment's own boxes say of its time; None when they cannot be read."""
    try:
        samples = read_fragments(data, init)
    except MediaError:
        return None
    if not samples:
        return None
    return Measured(
        number,
        samples[0].dts,
        samples[-1].dts + samples[-1].duration,
        init.track.timescale,
        min(sample.pts for sample in samples),
        max(sample.duration for sample in samples),
        len(data),
        stretch,
    )


def check_alignment(report: Report, rule: str, renditions: Mapping[str, RenditionMedia]) -> None:
    """Video renditions begin their segments at the same instants."""
    video = [
        media for media in renditions.values()
        if media.track and media.track.media_type is MediaType.VIDEO and media.segments
    ]  # fmt: skip
    for media in video[1:]:
        for segment in media.segments.values():
            _check_beside(report, rule, media.name, segment, video[0])


def _check_beside(
    report: Report, rule: str, name: str, segment: Measured, other: RenditionMedia
) -> None:
    nearest = min(other.segments.values(), key=lambda s: abs(s.start_s - segment.start_s))
    apart_s = segment.start_s - nearest.start_s
    # Further apart than half a segment, it is not the same one: each may lack some.
    if 0.001 < abs(apart_s) < segment.duration_s / 2:
        report.error(
            rule,
            f"{name} segment {segment.number}",
            f"begins {apart_s:+.4f} s from segment {nearest.number} of {other.name}",
        )


class Dates:
    """That one relation holds between media time and dates in all renditions."""

    def __init__(self, report: Report, rule: str) -> None:
        self._report = report
        self._rule = rule
        self._offsets: dict[int, tuple[float, str]] = {}

    def check(self, where: str, segment: Measured, date_utc: float) -> None:
        """A segment's date beside those of all segments of the same stretch."""
        offset = date_utc - segment.earliest / segment.timescale
        first, first_where = self._offsets.setdefault(segment.stretch, (offset, where))
        drift = offset - first
        say: Callable[[str, str, str], None] = self._report.error
        if abs(drift) <= COARSE_S:
            say = self._report.warn
        if abs(drift) > EXACT_S:
            say(self._rule, where, f"its date is {drift:+.3f} s from what {first_where} has for it")
