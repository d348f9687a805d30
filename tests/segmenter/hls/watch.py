"""Watches playlists as a suspicious player would: every rule, after every change.

The parser is strict on purpose and shares nothing with the renderer: what it does not know, and
what stands in the wrong place, fails.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal

SHORTEST_TARGETS = 3
GUESSED_FRAME_S = 0.04


@dataclass(frozen=True)
class Entry:
    """One segment of a playlist with the tags that belong to it."""

    msn: int
    uri: str
    duration: Decimal
    discontinuity: int
    """Its Discontinuity Sequence Number."""
    starts_discontinuity: bool
    is_gap: bool
    date_time: datetime.datetime
    init: str


@dataclass(frozen=True)
class Playlist:
    """A media playlist."""

    version: int
    target_duration: int
    media_sequence: int
    discontinuity_sequence: int
    is_independent: bool
    is_ended: bool
    entries: tuple[Entry, ...]

    @property
    def duration(self) -> Decimal:
        """Seconds."""
        return sum((entry.duration for entry in self.entries), Decimal(0))


@dataclass
class _Tags:
    """What has been said about the segment to come."""

    starts_discontinuity: bool = False
    is_gap: bool = False
    date_time: datetime.datetime | None = None
    duration: Decimal | None = None


@dataclass
class _Parser:
    head: dict[str, int] = field(default_factory=dict)
    is_independent: bool = False
    is_ended: bool = False
    entries: list[Entry] = field(default_factory=list)
    init: str = ""
    tags: _Tags = field(default_factory=_Tags)

    def feed(self, line: str) -> None:
        assert not self.is_ended, f"{line!r} after EXT-X-ENDLIST"
        name, _, value = line.partition(":")
        match name:
            case "#EXT-X-VERSION" | "#EXT-X-TARGETDURATION" | "#EXT-X-MEDIA-SEQUENCE":
                self._set_head(name, value)
            case "#EXT-X-DISCONTINUITY-SEQUENCE":
                assert "#EXT-X-MEDIA-SEQUENCE" in self.head
                self._set_head(name, value)
            case "#EXT-X-INDEPENDENT-SEGMENTS":
                assert not self.entries
                self.is_independent = True
            case "#EXT-X-DISCONTINUITY":
                assert not self.tags.starts_discontinuity
                self.tags.starts_discontinuity = True
            case "#EXT-X-MAP":
                match = re.fullmatch(r'URI="([^"]+)"', value)
                assert match
                self.init = match[1]
            case "#EXT-X-PROGRAM-DATE-TIME":
                self.tags.date_time = datetime.datetime.fromisoformat(value)
            case "#EXT-X-GAP":
                self.tags.is_gap = True
            case "#EXTINF":
                assert re.fullmatch(r"\d+\.\d{3,},", value), line
                self.tags.duration = Decimal(value[:-1])
            case "#EXT-X-ENDLIST":
                self.is_ended = True
            case _:
                assert not line.startswith("#"), f"unknown tag {line!r}"
                self._add(line)

    def _set_head(self, name: str, value: str) -> None:
        assert name not in self.head, f"{name} twice"
        assert not self.entries, f"{name} after a segment"
        assert value.isdecimal(), f"{name}:{value}"
        self.head[name] = int(value)

    def _add(self, uri: str) -> None:
        tags, self.tags = self.tags, _Tags()
        assert tags.duration is not None, f"{uri} without EXTINF"
        assert tags.date_time is not None, f"{uri} without EXT-X-PROGRAM-DATE-TIME"
        assert self.init or tags.is_gap, f"{uri} without EXT-X-MAP"
        discontinuity = self.head["#EXT-X-DISCONTINUITY-SEQUENCE"]
        if self.entries:
            discontinuity = self.entries[-1].discontinuity
        self.entries.append(
            Entry(
                msn=self.head["#EXT-X-MEDIA-SEQUENCE"] + len(self.entries),
                uri=uri,
                duration=tags.duration,
                discontinuity=discontinuity + tags.starts_discontinuity,
                starts_discontinuity=tags.starts_discontinuity,
                is_gap=tags.is_gap,
                date_time=tags.date_time,
                init="" if tags.is_gap else self.init,
            )
        )


def parse(text: str) -> Playlist:
    """Parse a playlist of ours; AssertionError for anything that it should not have."""
    lines = text.split("\n")
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == "", "the last line is not ended"
    parser = _Parser()
    for line in lines[1:-1]:
        assert line == line.strip() != ""
        parser.feed(line)
    assert parser.tags == _Tags(), "tags without a segment"
    assert parser.entries
    head = parser.head
    return Playlist(
        version=head["#EXT-X-VERSION"],
        target_duration=head["#EXT-X-TARGETDURATION"],
        media_sequence=head["#EXT-X-MEDIA-SEQUENCE"],
        discontinuity_sequence=head["#EXT-X-DISCONTINUITY-SEQUENCE"],
        is_independent=parser.is_independent,
        is_ended=parser.is_ended,
        entries=tuple(parser.entries),
    )


class PlaylistWatch:
    """Sees every version of one rendition's playlist and checks what a lone playlist can break."""

    def __init__(self, hole_s: float = 0.0) -> None:
        """``hole_s``: by how much a segment may begin late, after media were lost."""
        self._hole_s = hole_s
        self.latest: Playlist | None = None
        self.ever: dict[int, Entry] = {}
        """Every segment ever listed, by its number."""

    def see(self, text: str) -> Playlist:
        """The next version."""
        playlist = parse(text)
        self._check_alone(playlist)
        if self.latest is not None:
            self._check_update(self.latest, playlist)
        for entry in playlist.entries:
            known = self.ever.setdefault(entry.msn, entry)
            assert replace(entry, discontinuity=0) == replace(known, discontinuity=0)
            assert entry.discontinuity == known.discontinuity, "H22: DSN of a listed segment"
        self.latest = playlist
        return playlist

    def _check_alone(self, playlist: Playlist) -> None:
        uris = [entry.uri for entry in playlist.entries]
        assert len(set(uris)) == len(uris)
        for entry in playlist.entries:
            assert entry.duration > 0
            rounded = int(entry.duration.quantize(Decimal(1), ROUND_HALF_UP))
            assert rounded <= playlist.target_duration, f"H21: {entry}"
        previous = None
        for entry in playlist.entries:
            if previous is not None:
                step = (entry.date_time - previous.date_time).total_seconds()
                # PDTs are whole milliseconds, both ends rounded down.
                # How long the last frame before a break lasts is guessed where nobody says it.
                slack = GUESSED_FRAME_S if entry.starts_discontinuity else 0.0021
                assert step > float(previous.duration) - slack, f"{previous} overlaps {entry}"
                if not entry.starts_discontinuity and not previous.is_gap:
                    longest = float(previous.duration) + self._hole_s + 0.0021
                    assert step < longest, "H25: PDT and EXTINF differ"
                if entry.init != previous.init and not (entry.is_gap or previous.is_gap):
                    assert entry.starts_discontinuity, "H24: format without discontinuity"
            previous = entry

    def _check_update(self, before: Playlist, after: Playlist) -> None:
        assert not before.is_ended or before == after, "H23: changed after ENDLIST"
        assert after.target_duration == before.target_duration, "H21"
        assert after.media_sequence >= before.media_sequence, "H22"
        removed = before.entries[: after.media_sequence - before.media_sequence]
        kept = before.entries[after.media_sequence - before.media_sequence :]
        assert after.entries[: len(kept)] == kept, "H23: a listed segment changed"
        tags = sum(entry.starts_discontinuity for entry in removed)
        assert after.discontinuity_sequence == before.discontinuity_sequence + tags, "H22"
        assert before.is_independent or not after.is_independent
        if removed:
            shortest = SHORTEST_TARGETS * after.target_duration
            assert after.duration >= shortest - Decimal("0.00001"), "H23: under 3 TD"


def check_together(playlists: dict[str, Playlist], *, apart_s: float) -> None:
    """What playlists of one moment owe each other: H21, H24, H25.

    ``apart_s``: how far segments of one number may begin apart (a frame of the slowest).
    """
    by_number: dict[int, tuple[str, Entry]] = {}
    assert len({playlist.target_duration for playlist in playlists.values()}) == 1, "H21"
    for name, playlist in playlists.items():
        for entry in playlist.entries:
            other_name, other = by_number.setdefault(entry.msn, (name, entry))
            where = f"{entry.msn} of {name} and {other_name}"
            assert entry.discontinuity == other.discontinuity, f"H24: {where}"
            assert entry.starts_discontinuity == other.starts_discontinuity, f"H24: {where}"
            apart = abs((entry.date_time - other.date_time).total_seconds())
            assert apart <= apart_s + 0.0011, f"H25: {where} begin {apart} s apart"
