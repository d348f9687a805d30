"""Watches low-latency playlists as a suspicious player would.

Of a playlist stripped of all that low latency adds the plain watch (watch.py) judges the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tests.segmenter.hls.low_latency_text import (
    ListedPart,
    ListedSegment,
    LowLatencyPlaylist,
    merge_delta,
    parse,
    plain_text,
)
from tests.segmenter.hls.watch import PlaylistWatch

LISTED_TARGETS = 3
LEAST_SKIP_TARGETS = 6
LEAST_OF_TARGET = Decimal("0.85")
ROUNDING = Decimal("0.0001")
"""Sums of durations of six decimals."""

_KEPT_PARTS = 4_000
"""Parts that a watch remembers the words of: more than any playlist ever lists."""


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
