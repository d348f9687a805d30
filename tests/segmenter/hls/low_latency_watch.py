"""Watches low-latency playlists as a suspicious player would, and merges deltas as one would.

The parser is strict on purpose and shares nothing with the renderer. Of a playlist stripped of all
that low latency adds the plain watch (watch.py) judges the rest.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tests.segmenter.hls.watch import PlaylistWatch

LISTED_TARGETS = 3
LEAST_SKIP_TARGETS = 6
LEAST_OF_TARGET = Decimal("0.85")
ROUNDING = Decimal("0.0001")
"""Sums of durations of six decimals."""

_REMEMBERED = 20_000
"""Lines and segments that a parser need not read again: of a day's playlists nearly all."""

_KEPT_PARTS = 4_000
"""Parts that a watch remembers the words of: more than any playlist ever lists."""

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


def check_reports(playlists: dict[str, LowLatencyPlaylist], name: str) -> None:
    """H20: a playlist rendered just now reports on all others, as they are now."""
    expected = {}
    for other, theirs in playlists.items():
        segments = [*theirs.segments, *([theirs.opened] if theirs.opened else [])]
        last = next((s.parts[-1] for s in reversed(segments) if s.parts), None)
        said = f",LAST-MSN={theirs.last_msn}"
        if last is not None:
            msn, index, _ = last.uri.split(".")
            said = f",LAST-MSN={msn},LAST-PART={index}"
        if other != name:
            expected[f"../{other}/index.m3u8"] = said
    assert playlists[name].reports == expected, "H20"


def plain_text(data: bytes) -> str:
    """The playlist without all that low latency adds to it; empty if no segment is left."""
    lines = data.decode().split("\n")
    kept = [line for line in lines if line.partition(":")[0] not in _LOW_LATENCY_TAGS]
    uris = [index for index, line in enumerate(kept) if line.endswith(".m4s")]
    if not uris:
        return ""
    end = ["#EXT-X-ENDLIST"] if "#EXT-X-ENDLIST" in kept else []
    return "\n".join([*kept[: uris[-1] + 1], *end, ""])


def _odd_parts(parts: Sequence[ListedPart], target: Decimal) -> list[ListedPart]:
    """H12, of a finished segment, whose last part may be short, as may those around a gap."""
    least = LEAST_OF_TARGET * target - ROUNDING
    excused = {len(parts) - 1}
    for index, part in enumerate(parts):
        if part.is_gap:
            excused |= {index - 1, index}
    return [
        part
        for index, part in enumerate(parts)
        if part.duration > target or (part.duration < least and index not in excused)
    ]


class LowLatencyWatch:
    """Sees every version of one rendition's playlist."""

    def __init__(self, hole_s: float = 0.0) -> None:
        self.plain = PlaylistWatch(hole_s)
        self.latest: LowLatencyPlaylist | None = None
        self.parts: dict[str, ListedPart] = {}
        """Parts as they were listed, by their URIs: of the last few thousand."""
        self._plain_text = ""
        self._listed_s = Decimal(0)
        self.odd_parts: list[ListedPart] = []
        """H12: those of finished segments that are too long or too short."""
        self._measured_msn = -1
        self.merged = 0
        """How often a delta that skips was merged and compared."""

    def see(self, full: bytes, delta: bytes, delta_v2: bytes) -> LowLatencyPlaylist:
        """The next version."""
        playlist = parse(full)
        latest = self.latest
        if latest is None or latest.segments != playlist.segments or playlist.is_ended:
            self._see_plain(plain_text(full))
        self._check_alone(playlist)
        if latest is not None:
            self._check_update(latest, playlist)
        for segment in (*playlist.segments, *([playlist.opened] if playlist.opened else [])):
            for part in segment.parts:
                assert self.parts.setdefault(part.uri, part) == part, "H23: a part changed"
        while len(self.parts) > _KEPT_PARTS:
            del self.parts[next(iter(self.parts))]
        self._check_deltas(playlist, delta, delta_v2)
        self.latest = playlist
        return playlist

    def _see_plain(self, text: str) -> None:
        if text and text != self._plain_text:
            self._plain_text = text
            self.plain.see(text)

    def _check_alone(self, playlist: LowLatencyPlaylist) -> None:
        assert playlist.version == 6, "H27"
        latest = self.latest
        if latest is None or latest.head is not playlist.head:
            self._check_control(playlist)
        assert len(playlist.hints) == (not playlist.is_ended), "H19"
        opened = playlist.opened.parts if playlist.opened else ()
        first = playlist.last_msn + 1
        assert [p.uri for p in opened] == [f"{first}.{index}.m4s" for index in range(len(opened))]
        if latest is None or latest.segments != playlist.segments:
            self._listed_s = self._check_parts(playlist)
        distance = self._listed_s + sum((part.duration for part in opened), Decimal(0))
        if self._listed_s:
            assert distance <= LISTED_TARGETS * playlist.target_duration + ROUNDING, "H15"

    def _check_control(self, playlist: LowLatencyPlaylist) -> None:
        target = playlist.target_duration
        control = playlist.control
        assert control["CAN-BLOCK-RELOAD"] == "YES"
        assert Decimal(control["CAN-SKIP-UNTIL"]) >= LEAST_SKIP_TARGETS * target, "H9"
        assert Decimal(control["HOLD-BACK"]) >= 3 * target, "H11"
        assert Decimal(control["PART-HOLD-BACK"]) >= 3 * playlist.part_target, "H11"

    def _check_parts(self, playlist: LowLatencyPlaylist) -> Decimal:
        """Of finished segments; how far from the end of the last one their first part is."""
        distance = listed = Decimal(0)
        has_parts = True
        for offset, segment in enumerate(reversed(playlist.segments)):
            msn = playlist.last_msn - offset
            distance += segment.duration
            names = [part.uri for part in segment.parts]
            if names and msn > self._measured_msn:
                self.odd_parts += _odd_parts(segment.parts, playlist.part_target)
            if not segment.is_gap:
                assert has_parts or not names, "H15: parts return"
                has_parts = bool(names)
                assert names == [f"{msn}.{index}.m4s" for index in range(len(names))]
            if names:
                listed = distance
                together = sum((part.duration for part in segment.parts), Decimal(0))
                assert together <= segment.duration + ROUNDING, "H13"
        self._measured_msn = playlist.last_msn
        return listed

    def _check_update(self, before: LowLatencyPlaylist, after: LowLatencyPlaylist) -> None:
        assert not before.is_ended or before == after, "H23"
        for tag in ("#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF", "#EXT-X-TARGETDURATION"):
            assert before.head[tag] == after.head[tag], f"H21: {tag} changed"
        assert after.last_msn >= before.last_msn
        if before.opened is None:
            return
        msn = before.last_msn + 1
        index = msn - after.media_sequence
        if msn <= after.last_msn and index >= 0:
            now: ListedSegment | None = after.segments[index]
        else:
            now = after.opened if msn == after.last_msn + 1 else None
        # A new origin after a kill has lost the segment in progress with its parts.
        if now is not None and (now.parts or not now.is_gap):
            assert now.opening == before.opened.opening, "H14: the opening changed"
            assert now.init == before.opened.init
            if now.parts:
                assert now.parts[: len(before.opened.parts)] == before.opened.parts

    def _check_deltas(self, playlist: LowLatencyPlaylist, text: bytes, text_v2: bytes) -> None:
        delta = parse(text)
        dated = f'{delta.skip},RECENTLY-REMOVED-DATERANGES=""'.encode()
        skip = delta.skip.encode()
        assert text_v2 == (text.replace(skip, dated, 1) if skip else text), "H9: v2"
        assert delta.version == (9 if delta.skip else 6), "H27"
        if self.latest is None or self.latest.segments != playlist.segments or not delta.skip:
            self._check_skipped(playlist, delta)
        if self.latest is None or not delta.skip:
            return
        merged = merge_delta(self.latest, delta)
        if merged is not None:
            assert merged == playlist, "H10"
            self.merged += 1

    def _check_skipped(self, playlist: LowLatencyPlaylist, delta: LowLatencyPlaylist) -> None:
        boundary = Decimal(playlist.control["CAN-SKIP-UNTIL"])
        kept = sum((segment.duration for segment in delta.segments), Decimal(0))
        if not playlist.is_ended:
            total = sum((segment.duration for segment in playlist.segments), Decimal(0))
            assert kept >= min(boundary, total) - ROUNDING, "H9: too much is skipped"
            if delta.skip:
                first = delta.segments[0].duration if delta.segments else Decimal(0)
                assert kept - first <= boundary + ROUNDING, "H9: too little is skipped"
