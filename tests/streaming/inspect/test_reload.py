"""What a playlist may become: our own over holes passes, and each thing that must not change."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from segmenter.presentation import PresentationSettings
from segmenter.segment import Event, SegmentReady
from streaming.inspect.playlist import Playlist, parse_playlist
from streaming.inspect.reload_rules import check_reload, check_renditions
from streaming.inspect.report import Report
from tests.segmenter.made_anew import render_media_playlist
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, Stage, audio, video

HEAD = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n"
SEGMENTS = "".join(f"#EXTINF:2,\n{n}.m4s\n" for n in range(7, 11))


class Listing(Stage):
    """Keeps every version of one rendition's playlist."""

    def __init__(self, name: str, settings: PresentationSettings) -> None:
        self.name = name
        self.versions: list[Playlist] = []
        super().__init__(SOURCE, SMALL, AUDIO, settings=settings)

    def _record(self, events: list[Event]) -> list[Event]:
        super()._record(events)
        for event in events:
            if isinstance(event, SegmentReady) and event.rendition == self.name:
                text = render_media_playlist(self.presentation.renditions[self.name])
                self.versions.append(parse_playlist(text.encode()))
        return events


def complaints(versions: Sequence[Playlist]) -> list[str]:
    report = Report("test")
    for before, after in pairwise(versions):
        check_reload(report, "x", before, after)
    return [finding.text for finding in report.errors]


def test_a_window_that_begins_with_gaps_has_not_changed() -> None:
    stage = Listing("360p", PresentationSettings(window_s=12))
    rung = video(SMALL, seconds=40)
    stage.push(video(seconds=40), audio(seconds=40), rung[: 6 * 30], rung[12 * 30 :])
    assert any(version.segments[0].is_gap for version in stage.versions)
    assert complaints(stage.versions) == []


def test_a_segment_that_stays_keeps_its_init_section() -> None:
    versions = [
        parse_playlist(f'{HEAD}#EXT-X-MAP:URI="{init}.mp4"\n{SEGMENTS}'.encode()) for init in "ab"
    ]
    assert "EXT-X-MAP went from a.mp4 to b.mp4" in complaints(versions)[0]


def test_only_a_rendition_that_has_parts_is_reported_with_its_last_one() -> None:
    """One that has had nothing but gaps for a while has none (RFC 8216bis 4.4.5.4)."""
    part = '#EXT-X-PART:DURATION=0.2,URI="11.0.m4s"\n'
    told = '#EXT-X-RENDITION-REPORT:URI="../b/index.m3u8",LAST-MSN=10\n'
    first = parse_playlist((HEAD + SEGMENTS + part + told).encode())
    for other, count in (("", 0), (part, 1)):
        report = Report("test")
        beside = parse_playlist((HEAD + SEGMENTS + other).encode())
        check_renditions(report, {"a/index.m3u8": first, "b/index.m3u8": beside})
        assert [one.rule for one in report.errors] == ["H20"] * count
