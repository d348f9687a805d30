"""An MPD as it says: periods, sets and representations with all that they inherit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from streaming.inspect.fetch import resolve
from streaming.inspect.playlist import to_utc
from streaming.inspect.report import Node

NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"

_DURATION = re.compile(
    r"(-?)P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
_VARIABLE = re.compile(r"\$(RepresentationID|Number|Time|Bandwidth)(?:%0(\d{1,2})d)?\$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One segment of a SegmentTimeline; time and duration in ticks of the template."""

    number: int
    time: int
    duration: int

    @property
    def end(self) -> int:
        """Ticks."""
        return self.time + self.duration


@dataclass(slots=True)
class Representation:
    """One rendition in one period, everything inherited put in."""

    id: str
    attributes: dict[str, str]
    template: dict[str, str]
    base_url: str
    has_timeline: bool = False
    rows: list[tuple[int | None, int, int]] = field(default_factory=list)
    """S elements as they stand: @t, @d, @r."""
    entries: list[Entry] = field(default_factory=list)

    def number(self, name: str, default: int) -> int:
        """A whole number among the template's attributes."""
        value = self.template.get(name, "")
        return int(value) if value.isdigit() and len(value) < 20 else default

    @property
    def timescale(self) -> int:
        """Ticks per second."""
        return self.number("timescale", 1) or 1

    @property
    def init_url(self) -> str:
        """Absolute when the MPD's own address was; empty without @initialization."""
        pattern = self.template.get("initialization", "")
        return resolve(self.base_url, self._fill(pattern, None)) if pattern else ""

    def segment_url(self, entry: Entry) -> str:
        """Of one entry."""
        return resolve(self.base_url, self._fill(self.template.get("media", ""), entry))

    def _fill(self, pattern: str, entry: Entry | None) -> str:
        values = {
            "RepresentationID": self.id,
            "Bandwidth": self.attributes.get("bandwidth", "0"),
            "Number": str(entry.number) if entry else "",
            "Time": str(entry.time) if entry else "",
        }
        filled = _VARIABLE.sub(lambda m: values[m[1]].zfill(int(m[2] or 0)), pattern)
        return filled.replace("$$", "$")


@dataclass(slots=True)
class AdaptationSet:
    """Representations that a player switches between."""

    attributes: dict[str, str]
    representations: list[Representation]


@dataclass(slots=True)
class Period:
    """A stretch of the presentation; ``start_s`` is None when it is not said."""

    attributes: dict[str, str]
    start_s: float | None
    duration_s: float | None
    sets: list[AdaptationSet]

    @property
    def name(self) -> str:
        """Its id, or where it starts."""
        return self.attributes.get("id", f"at {self.start_s}")


@dataclass(slots=True)
class Mpd:
    """The whole manifest."""

    attributes: dict[str, str]
    namespace: str
    periods: list[Period]
    utc_timings: list[dict[str, str]]
    latencies: list[dict[str, str]]
    producer_times: list[list[dict[str, str]]]

    @property
    def is_dynamic(self) -> bool:
        """Live, or once live."""
        return self.attributes.get("type") == "dynamic"

    @property
    def start_utc(self) -> float | None:
        """availabilityStartTime, seconds since 1970."""
        return to_utc(self.attributes.get("availabilityStartTime", ""))

    def seconds(self, name: str) -> float | None:
        """An attribute that is a duration; None when it is absent or malformed."""
        return to_seconds(self.attributes.get(name, ""))

    def length_s(self, period: Period) -> float | None:
        """How long a period lasts, by the next one's start if need be; None while nobody says."""
        at = self.periods.index(period)
        if period.duration_s is not None or at + 1 == len(self.periods):
            return period.duration_s
        start_s, next_s = period.start_s, self.periods[at + 1].start_s
        return None if start_s is None or next_s is None else next_s - start_s

    def representations(self) -> Iterator[tuple[Period, AdaptationSet, Representation]]:
        """Every representation with what it is in."""
        for period in self.periods:
            for adaptation_set in period.sets:
                for representation in adaptation_set.representations:
                    yield period, adaptation_set, representation

    def describe(self, root: Node) -> None:
        """What is in it, below a node."""
        for period in self.periods:
            node = root.add(f"Period {period.name} from {period.start_s} s")
            for adaptation_set in period.sets:
                shown = adaptation_set.attributes
                kind = shown.get("contentType") or shown.get("mimeType", "")
                below = node.add(f"AdaptationSet {shown.get('id', '-')} {kind}")
                for representation in adaptation_set.representations:
                    below.add(_describe(representation))


def _describe(representation: Representation) -> str:
    known = representation.attributes
    size = f"{known['width']}x{known['height']} " if {"width", "height"} <= known.keys() else ""
    text = f"{representation.id} {size}{known.get('codecs', '')} {known.get('bandwidth')} bit/s"
    entries = representation.entries
    if not entries:
        return text
    seconds = (entries[-1].end - entries[0].time) / representation.timescale
    return (
        f"{text}, {len(entries)} segments {entries[0].number}-{entries[-1].number}, {seconds:.1f} s"
    )


def to_seconds(text: str) -> float | None:
    """xs:duration in seconds, a year as 365 days and a month as 30; None when it is none."""
    match = _DURATION.fullmatch(text.strip())
    if not match or text.strip().endswith(("P", "T")):
        return None
    years, months, days, hours, minutes = (int(match[n] or 0) for n in range(2, 7))
    days += 365 * years + 30 * months
    total = ((days * 24 + hours) * 60 + minutes) * 60 + float(match[7] or 0)
    return -total if match[1] else total


def has_years(text: str) -> bool:
    """Whether an xs:duration counts in years or months, whose length nobody knows."""
    match = _DURATION.fullmatch(text.strip())
    return bool(match and (match[2] or match[3]))
