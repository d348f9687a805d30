"""Reads low-latency playlists, and merges deltas, as a player would.

The parser is strict on purpose and shares nothing with the renderer.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field, replace
from decimal import Decimal

_REMEMBERED = 20_000
"""Lines and segments that a parser need not read again: of a day's playlists nearly all."""

_LOW_LATENCY_TAGS = (
    "#EXT-X-SERVER-CONTROL",
    "#EXT-X-PART-INF",
    "#EXT-X-PART",
    "#EXT-X-PRELOAD-HINT",
    "#EXT-X-RENDITION-REPORT",
)


@dataclass(frozen=True)
class ListedPart:
    """EXT-X-PART."""

    uri: str
    duration: Decimal
    is_independent: bool
    is_gap: bool = False


@dataclass(frozen=True)
class ListedSegment:
    """A segment with all that applies to it; ``closing`` is empty while it is in progress."""

    opening: tuple[str, ...]
    """EXT-X-DISCONTINUITY and EXT-X-PROGRAM-DATE-TIME as they stand."""
    init: str
    """The EXT-X-MAP in force; empty where none is needed (gaps)."""
    parts: tuple[ListedPart, ...]
    closing: tuple[str, ...]
    """EXT-X-GAP, EXTINF and the URI."""

    @functools.cached_property
    def duration(self) -> Decimal:
        """Seconds, of a finished segment."""
        return Decimal(self.closing[-2].removeprefix("#EXTINF:").rstrip(","))

    @functools.cached_property
    def is_gap(self) -> bool:
        """Whether it is not available."""
        return "#EXT-X-GAP" in self.closing


@dataclass(frozen=True)
class LowLatencyPlaylist:
    """A playlist, or the part of one that a delta carries."""

    head: dict[str, str]
    """The tags that apply to the playlist, but its version."""
    version: int
    skip: str
    """Attributes of EXT-X-SKIP; empty in a whole playlist."""
    segments: tuple[ListedSegment, ...]
    opened: ListedSegment | None
    hints: tuple[str, ...]
    reports: dict[str, str]
    """What follows the URI, by URI."""
    is_ended: bool

    @property
    def skipped(self) -> int:
        """How many segments are replaced by EXT-X-SKIP."""
        return int(attributes(self.skip)["SKIPPED-SEGMENTS"]) if self.skip else 0

    @property
    def media_sequence(self) -> int:
        """Number of the first segment, skipped or not."""
        return int(self.head["#EXT-X-MEDIA-SEQUENCE"])

    @property
    def target_duration(self) -> int:
        """Seconds."""
        return int(self.head["#EXT-X-TARGETDURATION"])

    @property
    def control(self) -> dict[str, str]:
        """Attributes of EXT-X-SERVER-CONTROL."""
        return attributes(self.head["#EXT-X-SERVER-CONTROL"])

    @property
    def part_target(self) -> Decimal:
        """Seconds."""
        return Decimal(attributes(self.head["#EXT-X-PART-INF"])["PART-TARGET"])

    @property
    def last_msn(self) -> int:
        """Of the last finished segment."""
        return self.media_sequence + self.skipped + len(self.segments) - 1


@functools.lru_cache(_REMEMBERED)
def attributes(text: str) -> dict[str, str]:
    """An attribute list, not to be changed; AssertionError for anything odd."""
    pattern = r'([A-Z0-9-]+)=("[^"]*"|[^",]+)(?:,|$)'
    found = re.findall(pattern, text)
    assert ",".join(f"{name}={value}" for name, value in found) == text, text
    assert len(dict(found)) == len(found), f"an attribute twice: {text}"
    return {name: value.strip('"') for name, value in found}


@dataclass
class _Reading:
    head: dict[str, str] = field(default_factory=dict)
    skip: str = ""
    segments: list[ListedSegment] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    reports: dict[str, str] = field(default_factory=dict)
    is_ended: bool = False
    init: str = ""
    opening: list[str] = field(default_factory=list)
    parts: list[ListedPart] = field(default_factory=list)
    closing: list[str] = field(default_factory=list)
    has_media: bool = False

    def feed(self, line: str) -> None:
        name, _, value = line.partition(":")
        match name:
            case "#EXT-X-DISCONTINUITY" | "#EXT-X-PROGRAM-DATE-TIME" | "#EXT-X-MAP":
                assert not self.parts, f"H14: {line} after a part of its segment"
                assert not self.closing
                self.has_media = True
                if name == "#EXT-X-MAP":
                    self.init = value
                else:
                    assert not any(tag.startswith(name) for tag in self.opening), "twice"
                    self.opening.append(line)
            case "#EXT-X-PART":
                assert not self.closing
                assert self.opening, "H14: a part before what applies to its segment"
                self.parts.append(_part(value))
            case "#EXT-X-GAP" | "#EXTINF":
                self.closing.append(line)
            case "#EXT-X-SKIP":
                assert not self.skip, "EXT-X-SKIP twice"
                assert not self.has_media, "EXT-X-SKIP is not where the segments were"
                self.skip = value
            case "#EXT-X-PRELOAD-HINT":
                hint = attributes(value)
                assert hint.keys() == {"TYPE", "URI"}
                assert hint["TYPE"] == "PART"
                self.hints.append(hint["URI"])
            case "#EXT-X-RENDITION-REPORT":
                uri, _, rest = value.removeprefix('URI="').partition('"')
                assert uri not in self.reports
                self.reports[uri] = rest
            case "#EXT-X-ENDLIST":
                self.is_ended = True
            case _ if line.startswith("#"):
                assert not self.has_media, f"{line} after a segment"
                assert not self.skip, f"{line} after EXT-X-SKIP"
                assert name not in self.head
                self.head[name] = value
            case _:
                self.close(line)

    def close(self, uri: str) -> None:
        assert self.closing, f"{uri} without EXTINF"
        assert not self.hints, "a segment after the hint"
        assert not self.reports, "a segment after the reports"
        self.segments.append(self.listed((*self.closing, uri)))
        self.opening, self.parts, self.closing = [], [], []

    def listed(self, closing: tuple[str, ...]) -> ListedSegment:
        init = "" if "#EXT-X-GAP" in closing else self.init
        return ListedSegment(tuple(self.opening), init, tuple(self.parts), closing)


@functools.lru_cache(_REMEMBERED)
def _part(value: str) -> ListedPart:
    said = attributes(value)
    assert said.keys() <= {"URI", "DURATION", "INDEPENDENT", "GAP"}
    assert said.get("INDEPENDENT", "YES") == said.get("GAP", "YES") == "YES"
    duration = Decimal(said["DURATION"])
    return ListedPart(said["URI"], duration, "INDEPENDENT" in said, "GAP" in said)


_MEDIA_LINE = re.compile(
    r"^(?!#)|^#EXT-X-(DISCONTINUITY$|MAP|PROGRAM|PART:|GAP|PRELOAD|RENDITION|ENDLIST)|^#EXTINF",
    re.MULTILINE,
)


def parse(data: bytes) -> LowLatencyPlaylist:
    """Parse a playlist or a delta of ours; AssertionError for what it should not have.

    The head, each segment and the foot are read by themselves: of a version only what is new.
    """
    text = data.decode()
    first = _MEDIA_LINE.search(text)
    assert first
    version, head, skip = _head(text[: first.start()])
    *blocks, foot = text[first.start() :].split(".m4s\n")
    segments, init = [], ""
    for block in blocks:
        segment, init = _segment(f"{block}.m4s", init)
        segments.append(segment)
    reading = _Reading(init=init, has_media=True)
    _feed(reading, foot)
    assert not reading.closing
    assert not reading.opening or reading.parts, "tags without a segment"
    opened = reading.listed(()) if reading.parts else None
    has_parts = opened is not None or any(segment.parts for segment in segments)
    assert not has_parts or "#EXT-X-PART-INF" in head, "H11"
    return LowLatencyPlaylist(
        head=head,
        version=version,
        skip=skip,
        segments=tuple(segments),
        opened=opened,
        hints=tuple(reading.hints),
        reports=reading.reports,
        is_ended=reading.is_ended,
    )


@functools.lru_cache(_REMEMBERED)
def _head(text: str) -> tuple[int, dict[str, str], str]:
    """Version, the tags that apply to the whole playlist, and EXT-X-SKIP."""
    lines = text.split("\n", 2)
    assert lines[0] == "#EXTM3U"
    version = re.fullmatch(r"#EXT-X-VERSION:(\d+)", lines[1])
    assert version
    reading = _Reading()
    _feed(reading, lines[2])
    return int(version[1]), reading.head, reading.skip


@functools.lru_cache(_REMEMBERED)
def _segment(block: str, init: str) -> tuple[ListedSegment, str]:
    """A finished segment, and the EXT-X-MAP in force after it."""
    reading = _Reading(init=init, has_media=True)
    _feed(reading, f"{block}\n")
    (segment,) = reading.segments
    return segment, reading.init


def _feed(reading: _Reading, text: str) -> None:
    *lines, last = text.split("\n")
    assert last == "", "the last line is not ended"
    for line in lines:
        assert line == line.strip() != ""
        reading.feed(line)


def merge_delta(
    previous: LowLatencyPlaylist, delta: LowLatencyPlaylist
) -> LowLatencyPlaylist | None:
    """The whole playlist as a player makes it; None if it has not all that was skipped.

    RFC 8216bis 6.3.7. Segments that a player knows keep their init sections; skipped ones have no
    parts any more.
    """
    if not delta.skip:
        return delta
    first = delta.media_sequence - previous.media_sequence
    known = previous.segments[first : first + delta.skipped]
    if first < 0 or len(known) < delta.skipped:
        return None
    kept = tuple(replace(each, parts=()) if each.parts else each for each in known)
    inits = [segment.init for segment in previous.segments if segment.init]
    last_init = next((s.init for s in reversed(known) if s.init), inits[0] if inits else "")
    segments = []
    for segment in delta.segments:
        if not segment.is_gap:
            last_init = segment.init or last_init
            segment = segment if segment.init else replace(segment, init=last_init)
        segments.append(segment)
    opened = delta.opened
    if opened is not None and not opened.init:
        opened = replace(opened, init=last_init)
    return replace(delta, version=6, skip="", segments=(*kept, *segments), opened=opened)


def plain_text(data: bytes) -> str:
    """The playlist without all that low latency adds to it; empty if no segment is left."""
    lines = data.decode().split("\n")
    kept = [line for line in lines if line.partition(":")[0] not in _LOW_LATENCY_TAGS]
    uris = [index for index, line in enumerate(kept) if line.endswith(".m4s")]
    if not uris:
        return ""
    end = ["#EXT-X-ENDLIST"] if "#EXT-X-ENDLIST" in kept else []
    return "\n".join([*kept[: uris[-1] + 1], *end, ""])
