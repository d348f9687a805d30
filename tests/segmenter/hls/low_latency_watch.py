"""Watches low-latency playlists as a suspicious player would, and merges deltas as one would.

The parser is strict on purpose and shares nothing with the renderer. Of a playlist stripped of all
that low latency adds the plain watch (watch.py) judges the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tests.segmenter.hls.watch import PlaylistWatch

LISTED_TARGETS = 3
LEAST_SKIP_TARGETS = 6
ROUNDING = Decimal("0.0001")
"""Sums of durations of six decimals."""

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

    @property
    def duration(self) -> Decimal:
        """Seconds, of a finished segment."""
        return Decimal(self.closing[-2].removeprefix("#EXTINF:").rstrip(","))

    @property
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


def attributes(text: str) -> dict[str, str]:
    """An attribute list; AssertionError for anything odd."""
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
                assert "#EXT-X-PART-INF" in self.head, "H11"
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
        self.segments.append(self.listed((*self.closing, uri)))
        self.opening, self.parts, self.closing = [], [], []

    def listed(self, closing: tuple[str, ...]) -> ListedSegment:
        init = "" if "#EXT-X-GAP" in closing else self.init
        return ListedSegment(tuple(self.opening), init, tuple(self.parts), closing)


def _part(value: str) -> ListedPart:
    said = attributes(value)
    assert said.keys() <= {"URI", "DURATION", "INDEPENDENT"}
    assert said.get("INDEPENDENT", "YES") == "YES"
    return ListedPart(said["URI"], Decimal(said["DURATION"]), "INDEPENDENT" in said)


def parse(data: bytes) -> LowLatencyPlaylist:
    """Parse a playlist or a delta of ours; AssertionError for what it should not have."""
    lines = data.decode().split("\n")
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == "", "the last line is not ended"
    version = re.fullmatch(r"#EXT-X-VERSION:(\d+)", lines[1])
    assert version
    reading = _Reading()
    for line in lines[2:-1]:
        assert line == line.strip() != ""
        reading.feed(line)
    assert not reading.closing
    assert not reading.opening or reading.parts, "tags without a segment"
    return LowLatencyPlaylist(
        head=reading.head,
        version=int(version[1]),
        skip=reading.skip,
        segments=tuple(reading.segments),
        opened=reading.listed(()) if reading.parts else None,
        hints=tuple(reading.hints),
        reports=reading.reports,
        is_ended=reading.is_ended,
    )


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
    kept = tuple(replace(segment, parts=()) for segment in known)
    inits = [segment.init for segment in previous.segments if segment.init]
    last_init = next((s.init for s in reversed(known) if s.init), inits[0] if inits else "")
    segments = []
    for segment in delta.segments:
        if not segment.is_gap:
            last_init = segment.init or last_init
            segment = replace(segment, init=last_init)
        segments.append(segment)
    opened = delta.opened
    if opened is not None:
        opened = replace(opened, init=opened.init or last_init)
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


class LowLatencyWatch:
    """Sees every version of one rendition's playlist."""

    def __init__(self, hole_s: float = 0.0) -> None:
        self.plain = PlaylistWatch(hole_s)
        self.latest: LowLatencyPlaylist | None = None
        self.parts: dict[str, ListedPart] = {}
        """Every part ever listed, by its URI."""
        self.merged = 0
        """How often a delta that skips was merged and compared."""

    def see(self, full: bytes, delta: bytes, delta_v2: bytes) -> LowLatencyPlaylist:
        """The next version."""
        playlist = parse(full)
        if text := plain_text(full):
            self.plain.see(text)
        self._check_alone(playlist)
        if self.latest is not None:
            self._check_update(self.latest, playlist)
        for segment in (*playlist.segments, *([playlist.opened] if playlist.opened else [])):
            for part in segment.parts:
                assert self.parts.setdefault(part.uri, part) == part, "H23: a part changed"
        self._check_deltas(playlist, parse(delta), parse(delta_v2))
        self.latest = playlist
        return playlist

    def _check_alone(self, playlist: LowLatencyPlaylist) -> None:
        assert playlist.version == 6, "H27"
        target = playlist.target_duration
        control = playlist.control
        assert control["CAN-BLOCK-RELOAD"] == "YES"
        assert Decimal(control["CAN-SKIP-UNTIL"]) >= LEAST_SKIP_TARGETS * target, "H9"
        assert Decimal(control["HOLD-BACK"]) >= 3 * target, "H11"
        assert Decimal(control["PART-HOLD-BACK"]) >= 3 * playlist.part_target, "H11"
        assert len(playlist.hints) == (not playlist.is_ended), "H19"
        self._check_parts(playlist)

    def _check_parts(self, playlist: LowLatencyPlaylist) -> None:
        opened = playlist.opened.parts if playlist.opened else ()
        distance = sum((part.duration for part in opened), Decimal(0))
        assert [p.uri for p in opened] == [
            f"{playlist.last_msn + 1}.{index}.m4s" for index in range(len(opened))
        ]
        has_parts = True
        for offset, segment in enumerate(reversed(playlist.segments)):
            msn = playlist.last_msn - offset
            distance += segment.duration
            names = [part.uri for part in segment.parts]
            if not segment.is_gap:
                assert has_parts or not names, "H15: parts return"
                has_parts = bool(names)
                assert names == [f"{msn}.{index}.m4s" for index in range(len(names))]
            if names:
                assert distance <= LISTED_TARGETS * playlist.target_duration + ROUNDING, "H15"
                together = sum((part.duration for part in segment.parts), Decimal(0))
                assert together <= segment.duration + ROUNDING, "H13"

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

    def _check_deltas(
        self,
        playlist: LowLatencyPlaylist,
        delta: LowLatencyPlaylist,
        delta_v2: LowLatencyPlaylist,
    ) -> None:
        skip = delta.skip and f'{delta.skip},RECENTLY-REMOVED-DATERANGES=""'
        assert replace(delta, skip=skip) == delta_v2, "H9: v2"
        assert delta.version == (9 if delta.skip else 6), "H27"
        boundary = Decimal(playlist.control["CAN-SKIP-UNTIL"])
        kept = sum((segment.duration for segment in delta.segments), Decimal(0))
        if not playlist.is_ended:
            total = sum((segment.duration for segment in playlist.segments), Decimal(0))
            assert kept >= min(boundary, total) - ROUNDING, "H9: too much is skipped"
            if delta.skip:
                first = delta.segments[0].duration if delta.segments else Decimal(0)
                assert kept - first <= boundary + ROUNDING, "H9: too little is skipped"
        if self.latest is None or not delta.skip:
            return
        merged = merge_delta(self.latest, delta)
        if merged is not None:
            assert merged == playlist, "H10"
            self.merged += 1
