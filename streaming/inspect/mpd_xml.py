"""From the XML of an MPD to what it says, bounded so that hostile ones cost little."""

from __future__ import annotations

from xml.etree import ElementTree

from streaming.inspect.fetch import resolve
from streaming.inspect.mpd import (
    AdaptationSet,
    Entry,
    Mpd,
    Period,
    Representation,
    to_seconds,
)
from streaming.inspect.report import UnreadableError

MAX_ENTRIES = 100_000
"""Segments of one representation: a day of one-second ones."""
MAX_BYTES = 16 << 20
"""A day of timeline for twenty representations is below."""


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
        [
            [dict(e.attrib) for e in period.iter() if _name(e) == "ProducerReferenceTime"]
            for period in _children(root, "Period")
        ],
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
