"""A playlist as its lines say it: read for judging, so that what is odd is kept, not mended."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from streaming.inspect.report import UnreadableError

MAX_LINES = 200_000
"""A day of one-second segments with all their tags."""

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",\s][^",]*)(?:,|$)')


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag line; ``value`` is what stands behind the colon."""

    line: int
    name: str
    value: str

    @property
    def attributes(self) -> dict[str, str]:
        """Its attribute list, quotes removed; what is malformed is left out."""
        return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(self.value)}

    @property
    def is_attribute_list(self) -> bool:
        """Whether the whole value is a well-formed attribute list of different names."""
        matches = _ATTRIBUTE.findall(self.value)
        length = sum(len(match[0]) for match in _ATTRIBUTE.finditer(self.value))
        return length == len(self.value) and len({name for name, _ in matches}) == len(matches)


@dataclass(frozen=True, slots=True)
class ListedPart:
    """EXT-X-PART."""

    line: int
    uri: str
    duration_s: float
    is_independent: bool
    is_gap: bool
    byte_range: str = ""


@dataclass(frozen=True, slots=True)
class ListedSegment:
    """A media segment with all that applies to it."""

    line: int
    msn: int
    uri: str
    duration_s: float
    discontinuity: int
    starts_discontinuity: bool
    map_uri: str
    map_range: str
    date_time_utc: float | None
    is_gap: bool
    byte_range: str
    parts: tuple[ListedPart, ...]
    late_tags: tuple[str, ...]
    """Tags of the segment that stand behind one of its parts."""


@dataclass(slots=True)
class Playlist:
    """Tags in order, and the segments that they describe."""

    tags: list[Tag]
    segments: list[ListedSegment] = field(default_factory=list)
    open_parts: tuple[ListedPart, ...] = ()
    """Those of the segment that is not yet complete."""
    open_date_time_utc: float | None = None
    """When that segment begins; None where it says nothing itself."""
    open_map: tuple[str, str] = ("", "")
    """URI and byte range of the init section of whatever comes next."""
    uris: list[tuple[int, str]] = field(default_factory=list)
    """All lines that are URIs, with their numbers."""

    def all(self, name: str) -> list[Tag]:
        """The tags of that name (without ``EXT-X-``)."""
        return [tag for tag in self.tags if tag.name == f"EXT-X-{name}"]

    def first(self, name: str) -> Tag | None:
        """The first tag of that name."""
        return next(iter(self.all(name)), None)

    def number(self, name: str, default: float | None = None) -> float | None:
        """The value of a tag as a number; ``default`` when it is absent or none."""
        tag = self.first(name)
        return to_number(tag.value, default) if tag else default

    @property
    def is_multivariant(self) -> bool:
        """Whether it lists playlists."""
        return bool(self.all("STREAM-INF") or self.all("I-FRAME-STREAM-INF") or self.all("MEDIA"))

    @property
    def is_ended(self) -> bool:
        """EXT-X-ENDLIST."""
        return self.first("ENDLIST") is not None

    @property
    def target_duration(self) -> int:
        """Seconds; 0 when it is absent."""
        return int(self.number("TARGETDURATION", 0) or 0)

    @property
    def part_target_s(self) -> float:
        """PART-TARGET; 0 when it is absent."""
        tag = self.first("PART-INF")
        return to_number(tag.attributes.get("PART-TARGET", ""), 0.0) or 0.0 if tag else 0.0

    @property
    def server_control(self) -> dict[str, str]:
        """The attributes of EXT-X-SERVER-CONTROL; empty when it is absent."""
        tag = self.first("SERVER-CONTROL")
        return tag.attributes if tag else {}

    @property
    def discontinuity_sequence(self) -> int:
        """EXT-X-DISCONTINUITY-SEQUENCE; 0 when it is absent."""
        return int(self.number("DISCONTINUITY-SEQUENCE", 0) or 0)

    @property
    def duration_s(self) -> float:
        """Of all segments listed."""
        return sum(segment.duration_s for segment in self.segments)


def to_number(text: str, default: float | None = None) -> float | None:
    """A finite decimal number, or ``default``."""
    return float(text) if re.fullmatch(r"-?\d{1,20}(\.\d{1,20})?", text.strip()) else default


def to_utc(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 date with a time zone; None when it is none."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.timestamp() if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def parse_playlist(data: bytes) -> Playlist:
    """Raises UnreadableError for what is no playlist at all."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        raise UnreadableError(f"a playlist of more than {MAX_LINES} lines")
    if not any(line.startswith("#EXTM3U") for line in lines[:1]) and "#EXT" not in text:
        raise UnreadableError("this is no playlist: it does not begin with #EXTM3U")
    playlist = Playlist([])
    for number, line in enumerate(lines, 1):
        if line.startswith("#EXT"):
            name, _, value = line[1:].partition(":")
            playlist.tags.append(Tag(number, name.strip(), value.strip()))
        elif line.strip() and not line.startswith("#"):
            playlist.uris.append((number, line.strip()))
    _Walk(playlist).read_segments()
    return playlist


class _Walk:
    """One pass over tags and URIs in the order of their lines."""

    def __init__(self, playlist: Playlist) -> None:
        self._playlist = playlist
        self._msn = int(playlist.number("MEDIA-SEQUENCE", 0) or 0)
        self._discontinuity = playlist.discontinuity_sequence
        self._map = ("", "")
        self._clear()

    def _clear(self) -> None:
        self._duration: float | None = None
        self._starts_discontinuity = self._is_gap = False
        self._date_time: float | None = None
        self._byte_range = ""
        self._parts: list[ListedPart] = []
        self._late: list[str] = []

    def read_segments(self) -> None:
        playlist = self._playlist
        if playlist.is_multivariant:
            return
        rows: list[tuple[int, Tag | str]] = [(tag.line, tag) for tag in playlist.tags]
        rows += playlist.uris
        for line, row in sorted(rows, key=lambda pair: pair[0]):
            if isinstance(row, Tag):
                self._read_tag(row)
            else:
                self._end_segment(line, row)
        playlist.open_parts = tuple(self._parts)
        playlist.open_date_time_utc = self._date_time
        playlist.open_map = self._map

    def _read_tag(self, tag: Tag) -> None:
        attributes = tag.attributes
        match tag.name.removeprefix("EXT-X-"):
            case "EXTINF":
                self._duration = to_number(tag.value.partition(",")[0], 0.0)
                return
            case "DISCONTINUITY":
                self._discontinuity += 1
                self._starts_discontinuity = True
            case "MAP":
                self._map = (attributes.get("URI", ""), attributes.get("BYTERANGE", ""))
            case "PROGRAM-DATE-TIME":
                self._date_time = to_utc(tag.value)
            case "GAP":
                self._is_gap = True
                return
            case "BYTERANGE":
                self._byte_range = tag.value
                return
            case "PART":
                self._parts.append(_part(tag, attributes))
                return
            case "KEY":
                pass
            case _:
                return
        if self._parts:
            self._late.append(tag.name)

    def _end_segment(self, line: int, uri: str) -> None:
        self._playlist.segments.append(
            ListedSegment(
                line,
                self._msn,
                uri,
                self._duration or 0.0,
                self._discontinuity,
                self._starts_discontinuity,
                *self._map,
                self._date_time,
                self._is_gap,
                self._byte_range,
                tuple(self._parts),
                tuple(self._late),
            )
        )
        self._msn += 1
        self._clear()


def _part(tag: Tag, attributes: dict[str, str]) -> ListedPart:
    return ListedPart(
        tag.line,
        attributes.get("URI", ""),
        to_number(attributes.get("DURATION", ""), 0.0) or 0.0,
        attributes.get("INDEPENDENT") == "YES",
        attributes.get("GAP") == "YES",
        attributes.get("BYTERANGE", ""),
    )
