"""Watches manifests as a suspicious player would: the rules that no schema knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from xml.etree import ElementTree

NAMESPACE = "{urn:mpeg:dash:schema:mpd:2011}"
SAFE_INTEGER = 2**53
"""JavaScript players compute with doubles."""


PERIOD_GRID_S = Fraction(1, 25)
"""Periods start at the last 40 ms before their first sample."""


@dataclass(frozen=True)
class Addressed:
    """A segment as a player derives it."""

    number: int
    url: str
    start: Fraction
    """On the timeline of the presentation, seconds."""
    duration: Fraction


@dataclass(frozen=True)
class Representation:
    """Everything said of it in one period, but its segments and its bandwidth."""

    id: str
    adaptation_set: str
    codecs: str
    init: str
    timescale: int
    offset: int
    period_start: Fraction


@dataclass(frozen=True)
class Manifest:
    """An MPD."""

    attributes: dict[str, str]
    periods: dict[str, Fraction]
    """Starts by id, seconds."""
    segments: dict[tuple[str, Representation], tuple[Addressed, ...]]
    """By period id and representation, in the order of the document."""

    @property
    def is_ended(self) -> bool:
        return "mediaPresentationDuration" in self.attributes


def seconds(text: str) -> Fraction:
    """xs:duration of ours."""
    match = re.fullmatch(r"PT(\d+(?:\.\d+)?)S", text)
    assert match, f"D8: duration {text!r}"
    return Fraction(match[1])


def parse(text: str) -> Manifest:
    """Parse an MPD of ours; AssertionError for anything that it should not have."""
    root = ElementTree.fromstring(text)
    assert root.tag == f"{NAMESPACE}MPD"
    periods: dict[str, Fraction] = {}
    segments: dict[tuple[str, Representation], tuple[Addressed, ...]] = {}
    for period in root.findall(f"{NAMESPACE}Period"):
        assert period.attrib["id"] not in periods
        periods[period.attrib["id"]] = start = seconds(period.attrib["start"])
        ids = [s.attrib["id"] for s in period.findall(f"{NAMESPACE}AdaptationSet")]
        assert ids, "a period without media"
        assert ids == sorted(ids, key=int), "D1: order of adaptation sets"
        for adaptation_set in period.findall(f"{NAMESPACE}AdaptationSet"):
            for element in adaptation_set.findall(f"{NAMESPACE}Representation"):
                representation, listed = _representation(element, adaptation_set, start)
                segments[period.attrib["id"], representation] = listed
    return Manifest(dict(root.attrib), periods, segments)


def _representation(
    element: ElementTree.Element, adaptation_set: ElementTree.Element, start: Fraction
) -> tuple[Representation, tuple[Addressed, ...]]:
    assert int(element.attrib["bandwidth"]) > 0
    templates = element.findall(f"{NAMESPACE}SegmentTemplate")
    assert len(templates) == 1, "D7"
    template = templates[0].attrib
    assert "duration" not in template, "D7: @duration beside a timeline"
    assert "$Number$" in template["media"], "D7"
    assert "$Time$" not in template["media"], "D7"
    representation = Representation(
        id=element.attrib["id"],
        adaptation_set=adaptation_set.attrib["id"],
        codecs=element.attrib["codecs"],
        init=template["initialization"],
        timescale=int(template["timescale"]),
        offset=int(template["presentationTimeOffset"]),
        period_start=start,
    )
    assert representation.offset == start * representation.timescale, "media time is not UTC"
    return representation, tuple(_addressed(templates[0], representation))


def _addressed(template: ElementTree.Element, representation: Representation) -> list[Addressed]:
    number = int(template.attrib["startNumber"])
    time: int | None = None
    listed = []
    timeline = template.find(f"{NAMESPACE}SegmentTimeline")
    assert timeline is not None, "D7"
    scale = representation.timescale
    for entry in timeline:
        assert set(entry.attrib) <= {"t", "d", "r"}
        begin = int(entry.attrib.get("t", -1 if time is None else time))
        assert time is None or begin >= time, "D5: overlap"
        duration = int(entry.attrib["d"])
        assert duration > 0
        for _ in range(int(entry.attrib.get("r", 0)) + 1):
            assert begin < SAFE_INTEGER, "D8"
            url = template.attrib["media"].replace("$Number$", str(number))
            start = representation.period_start + Fraction(begin - representation.offset, scale)
            listed.append(Addressed(number, url, start, Fraction(duration, scale)))
            begin += duration
            number += 1
        time = begin
    assert listed, "a representation without segments"
    return listed


class ManifestWatch:
    """Sees every version of a path's manifest and checks what must stay and what must fit."""

    def __init__(self) -> None:
        self.latest: Manifest | None = None

    def see(self, text: str) -> Manifest:
        """The next version."""
        manifest = parse(text)
        self._check_alone(manifest)
        if self.latest is not None:
            self._check_update(self.latest, manifest)
        self.latest = manifest
        return manifest

    def _check_alone(self, manifest: Manifest) -> None:
        attributes = manifest.attributes
        assert attributes["type"] == "dynamic"
        assert attributes["availabilityStartTime"] == "1970-01-01T00:00:00Z", "D1"
        assert "publishTime" in attributes, "D1"
        assert ("minimumUpdatePeriod" in attributes) != manifest.is_ended, "D8"
        starts = list(manifest.periods.values())
        assert starts == sorted(set(starts)), "D13"
        longest = seconds(attributes["maxSegmentDuration"])
        ends = dict(zip(manifest.periods, [*starts[1:], None], strict=True))
        for (period, representation), listed in manifest.segments.items():
            end = ends[period]
            assert listed[0].start >= representation.period_start
            for segment in listed:
                assert segment.duration <= longest, "D12"
                assert end is None or segment.start < end + PERIOD_GRID_S, "D13: beyond its period"

    def _check_update(self, before: Manifest, after: Manifest) -> None:
        assert after.attributes["publishTime"] >= before.attributes["publishTime"]
        for period, start in after.periods.items():
            assert before.periods.get(period, start) == start, "D1: a period has moved"
        order = [key for key in before.segments if key in after.segments]
        assert order == [key for key in after.segments if key in before.segments], "D1: order"
        for key in order:
            known = {segment.number: segment for segment in before.segments[key]}
            for segment in after.segments[key]:
                assert known.get(segment.number, segment) == segment, "D5: a segment changed"
            numbers = [segment.number for segment in after.segments[key]]
            assert numbers[-1] >= before.segments[key][-1].number, "D5: taken back"
            assert numbers[0] >= before.segments[key][0].number, "D5: startNumber"
