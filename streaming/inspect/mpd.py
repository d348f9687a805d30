"""An MPD as it says: periods, sets and representations with all that they inherit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

from streaming.inspect.fetch import resolve
from streaming.inspect.playlist import to_utc
from streaming.inspect.report import Node, UnreadableError

NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
MAX_ENTRIES = 100_000
"""Segments of one representation: a day of one-second ones."""
MAX_BYTES = 16 << 20
"""A day of timeline for twenty representations is below."""

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
    producer_times: list[dict[str, str]]

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


def parse_mpd(data: bytes, url: str = "") -> Mpd:
    """Raises UnreadableError for what is no MPD. ``url`` is where it is from."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise UnreadableError("an MPD with a document type is not read")
    if len(data) > MAX_BYTES:
        raise UnreadableError(f"an MPD of more than {MAX_BYTES} bytes")
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UnreadableError(f"not well-formed XML: {error}") from error
    if _name(root) != "MPD":
        raise UnreadableError(f"the root element is {_name(root)}, not MPD")
    base = _base(root, url)
    mpd = Mpd(
        dict(root.attrib),
        root.tag[1:].partition("}")[0] if root.tag.startswith("{") else "",
        [],
        [dict(e.attrib) for e in _children(root, "UTCTiming")],
        [dict(e.attrib) for e in root.iter() if _name(e) == "Latency"],
        [dict(e.attrib) for e in root.iter() if _name(e) == "ProducerReferenceTime"],
    )
    due: float | None = 0.0
    for element in _children(root, "Period"):
        period = _period(element, base, due)
        mpd.periods.append(period)
        known = period.start_s is not None and period.duration_s is not None
        due = (period.start_s or 0.0) + (period.duration_s or 0.0) if known else None
    return mpd


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _children(element: ElementTree.Element | None, name: str) -> list[ElementTree.Element]:
    return [] if element is None else [child for child in element if _name(child) == name]


def _base(element: ElementTree.Element, url: str) -> str:
    bases = _children(element, "BaseURL")
    return resolve(url, (bases[0].text or "").strip()) if bases else url


def _period(element: ElementTree.Element, url: str, due: float | None) -> Period:
    base = _base(element, url)
    start = to_seconds(element.get("start", ""))
    sets = []
    for child in _children(element, "AdaptationSet"):
        set_base = _base(child, base)
        representations = [
            _representation(each, (element, child), _base(each, set_base))
            for each in _children(child, "Representation")
        ]
        sets.append(AdaptationSet(dict(child.attrib), representations))
    duration = to_seconds(element.get("duration", ""))
    return Period(dict(element.attrib), start if start is not None else due, duration, sets)


def _representation(
    element: ElementTree.Element, parents: tuple[ElementTree.Element, ...], base: str
) -> Representation:
    chain = (*parents, element)
    template: dict[str, str] = {}
    timeline: ElementTree.Element | None = None
    for level in chain:
        for found in _children(level, "SegmentTemplate"):
            template |= dict(found.attrib)
            timeline = next(iter(_children(found, "SegmentTimeline")), timeline)
    attributes = dict(parents[-1].attrib) | dict(element.attrib)
    representation = Representation(element.get("id", ""), attributes, template, base)
    if timeline is not None:
        representation.has_timeline = True
        for entry in _children(timeline, "S"):
            representation.rows.append(_row(entry))
        representation.entries = _expanded(representation)
    return representation


def _row(entry: ElementTree.Element) -> tuple[int | None, int, int]:
    try:
        time = entry.get("t")
        repeats = int(entry.get("r", "0"))
        return (int(time) if time is not None else None), int(entry.get("d", "0")), repeats
    except ValueError:
        raise UnreadableError(f"S element with {entry.attrib}") from None


def _expanded(representation: Representation) -> list[Entry]:
    """Every segment of the rows; an open end (@r of -1) counts as one until the next @t."""
    rows = representation.rows
    entries: list[Entry] = []
    number, time = representation.number("startNumber", 1), 0
    for index, (start, duration, repeats) in enumerate(rows):
        time = time if start is None else start
        following = rows[index + 1][0] if index + 1 < len(rows) else None
        if repeats < 0:
            repeats = (
                max(0, (following - time) // duration - 1) if following and duration > 0 else 0
            )
        if len(entries) + repeats >= MAX_ENTRIES:
            raise UnreadableError(f"more than {MAX_ENTRIES} segments in {representation.id!r}")
        for _ in range(repeats + 1):
            entries.append(Entry(number, time, duration))
            number, time = number + 1, time + duration
    return entries
