"""An origin puts segments, playlists and manifests on the shelf, each once, at the right moment."""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from segmenter.media import Sample
from segmenter.segment import Part
from streaming.config_paths import PathConfig
from streaming.media_store import MediaStore
from streaming.origin import Origin
from streaming.path_texts import JOIN_WAIT_S, VIDEO_WAIT_S, is_audio
from streaming.shelf import Absence
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import Put
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, START, audio, renamed, video
from tests.streaming.test_shelf_feed import attached, mirrored

TARGET_S = 2
"""EXT-X-TARGETDURATION with segments of two seconds."""


class RecordingFeed(ShelfFeed):
    """Remembers everything that was put and dropped."""

    def __init__(self, store: MediaStore) -> None:
        super().__init__(store)
        self.puts: list[Put] = []
        self.parts: list[str] = []
        self.segments: list[str] = []
        self.types: set[str] = set()
        self.dropped: dict[str, int] = {}

    def put(self, put: Put) -> None:
        self.puts.append(put)
        super().put(put)

    def put_part(
        self, path: str, rendition: str, content_type: str, part: Part, pieces: Sequence[bytes]
    ) -> bool:
        self.parts.append(f"{path}/{rendition}/{part.name}")
        self.types.add(content_type)
        return super().put_part(path, rendition, content_type, part, pieces)

    def complete_segment(self, path: str, rendition: str, msn: int) -> None:
        self.segments.append(f"{path}/{rendition}/{msn}.m4s")
        super().complete_segment(path, rendition, msn)

    def drop_segments(self, path: str, rendition: str, last_msn: int) -> None:
        self.dropped[rendition] = last_msn
        super().drop_segments(path, rendition, last_msn)

    def bodies(self, url: str) -> list[bytes]:
        return [put.body for put in self.puts if put.url == url]


class Scene:
    def __init__(self, store_bytes: int = 0, **settings: object) -> None:
        self.store = MediaStore(store_bytes)
        self.feed = RecordingFeed(self.store)
        self.origin = Origin("live/a", PathConfig(**settings), self.feed)  # type: ignore[arg-type]
        self.now = float(START)
        self.renders = 0

    def push(self, *streams: Sequence[Sample]) -> None:
        scales = {"audio": 48_000}
        timed = ([(s.dts / scales.get(s.track, 90_000), s) for s in stream] for stream in streams)
        for time, sample in heapq.merge(*timed, key=lambda pair: pair[0]):
            self.now = time
            self.origin.write([sample], time)

    @property
    def urls(self) -> set[str]:
        return {put.url for put in self.feed.puts}


def test_everything_of_a_path_is_below_its_name() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE, AUDIO], (), scene.now)
    scene.push(video(seconds=5), audio(seconds=5))
    assert {"/live/a/index.m3u8", "/live/a/manifest.mpd"} <= scene.urls
    assert {"/live/a/source/index.m3u8", "/live/a/audio/index.m3u8"} <= scene.urls
    assert {name.rpartition("/")[0] for name in scene.feed.segments} == {
        "live/a/source",
        "live/a/audio",
    }
    assert scene.feed.types == {"video/mp4", "audio/mp4"}


def at_rest(seconds: float) -> tuple[Scene, Scene]:
    """Two origins that saw the same; the first rests after six seconds, the second never does."""
    scenes = Scene(window_s=8), Scene(window_s=8)
    for scene in scenes:
        scene.origin.set_tracks([SOURCE, AUDIO], (), scene.now)
        scene.push(video(seconds=6), audio(seconds=6))
    scenes[0].origin.rest()
    for scene in scenes:
        scene.push(video(at=6, seconds=seconds), audio(at=6, seconds=seconds))
    return scenes


@pytest.mark.parametrize("seconds", [0.3, 1.9, 2.1, 4, 11.3, 30])
def test_an_origin_that_wakes_says_what_one_that_never_rested_says(seconds: float) -> None:
    rested, awake = at_rest(seconds)
    before = len(rested.feed.puts)
    rested.origin.wake(rested.now)
    assert {put.url for put in rested.feed.puts[before:]} >= {
        "/live/a/source/index.m3u8",
        "/live/a/audio/index.m3u8",
    }
    assert said(rested) == said(awake)


def said(scene: Scene) -> dict[str, list[bytes]]:
    """The latest of each text, but for when it was said and what the others had then."""
    puts = {put.url: put for put in scene.feed.puts if put.cache == "playlist"}
    versions = {
        url: [put.body, *([put.live.delta, put.live.delta_v2] if put.live else [])]
        for url, put in puts.items()
    }
    momentary = re.compile(rb'publishTime="[^"]*"|#EXT-X-RENDITION-REPORT.*')
    return {url: [momentary.sub(b"", body) for body in each] for url, each in versions.items()}


def test_what_lists_all_renditions_waits_until_they_are_level() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE, AUDIO], (), scene.now)
    scene.push(video(seconds=3), audio(seconds=3))
    listed = scene.feed.bodies("/live/a/manifest.mpd")
    scene.push(video(at=3, seconds=6), audio(at=3, seconds=6))
    assert len(scene.feed.bodies("/live/a/manifest.mpd")) == len(listed) + 3


def test_who_lags_behind_is_not_waited_for() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE, AUDIO], (), scene.now)
    scene.push(video(seconds=3), audio(seconds=3))
    before = scene.feed.bodies("/live/a/manifest.mpd")[-1]
    scene.push(video(at=3, seconds=2))
    assert scene.feed.bodies("/live/a/manifest.mpd")[-1] == before
    scene.origin.handle_timer(scene.now)
    after = scene.feed.bodies("/live/a/manifest.mpd")[-1]
    assert after.count(b"<S ") == before.count(b"<S ") + 1


def test_nothing_is_rendered_while_nobody_watches() -> None:
    rested, awake = at_rest(10)
    for scene in (rested, awake):
        scene.renders = scene.origin.statistics().playlist_renders
        scene.push(video(at=16, seconds=4), audio(at=16, seconds=4))
    assert rested.origin.statistics().playlist_renders == rested.renders
    assert awake.origin.statistics().playlist_renders > awake.renders + 40
    assert rested.feed.parts == awake.feed.parts


def test_an_end_is_told_though_nobody_watches() -> None:
    rested, awake = at_rest(10)
    for scene in (rested, awake):
        scene.origin.end(scene.now)
        assert b"EXT-X-ENDLIST" in scene.feed.bodies("/live/a/source/index.m3u8")[-1]
    before = len(rested.feed.puts)
    rested.origin.rest()
    rested.origin.wake(rested.now)
    assert len(rested.feed.puts) == before


def test_nothing_rests_before_there_is_anything_to_ask_for() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE, AUDIO], (), scene.now)
    scene.origin.rest()
    scene.push(video(seconds=5), audio(seconds=5))
    assert "/live/a/index.m3u8" in scene.urls


def test_every_part_can_be_fetched_before_its_segment_is_complete() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push(video(seconds=1.5))
    assert [name.rpartition(".m4s")[0].rpartition(".")[2] for name in scene.feed.parts] == [
        str(index) for index in range(7)
    ]
    assert scene.feed.segments == []


def in_a_store_of(store_bytes: int) -> tuple[Scene, list[tuple[str, str]]]:
    """40 s with a window of 6 s, 352 kB; then (EXT-X-GAP or "", number) of what is listed."""
    scene = Scene(store_bytes=store_bytes, window_s=6)
    scene.origin.set_tracks([SOURCE], (), scene.now)
    for second in range(0, 40, 2):
        scene.push(video(at=second, seconds=2, size=1400))
        scene.origin.handle_timer(scene.now)
    assert scene.store.statistics().refused > 0
    assert scene.store.statistics().held_bytes <= store_bytes
    playlist = scene.feed.bodies("/live/a/source/index.m3u8")[-1].decode()
    return scene, re.findall(r"(#EXT-X-GAP\n)?#EXTINF:[^\n]*\n(\d+)\.m4s", playlist)


def test_a_store_without_room_gives_up_what_playlists_list_no_longer() -> None:
    _, listed = in_a_store_of(700_000)
    assert [gap for gap, _ in listed] == [""] * 3


def test_what_the_store_has_no_room_for_becomes_a_gap_and_the_path_goes_on() -> None:
    scene, listed = in_a_store_of(200_000)
    served = {name.rpartition("/")[2] for name in scene.feed.segments}
    for gap, msn in listed:
        assert bool(gap) != (f"{msn}.m4s" in served)
    assert {bool(gap) for gap, _ in listed} == {True, False}


def test_media_are_immutable_and_playlists_are_not() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE, AUDIO], (), scene.now)
    scene.push(video(seconds=5), audio(seconds=5))
    for put in scene.feed.puts:
        assert put.cache == ("immutable" if put.content_type.endswith("mp4") else "playlist")


def test_playlists_are_rendered_once_for_each_part_and_not_for_samples() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push(video(seconds=9))
    playlists = scene.feed.bodies("/live/a/source/index.m3u8")
    # The last part of a segment is complete at the same time as the segment.
    assert len(set(playlists)) == len(playlists)
    assert 40 <= len(playlists) <= 50


def test_without_parts_playlists_are_rendered_once_for_each_segment() -> None:
    scene = Scene(part_duration_s=0)
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push(video(seconds=9))
    playlists = scene.feed.bodies("/live/a/source/index.m3u8")
    assert len(playlists) == len(scene.feed.segments) == 4
    assert b"EXT-X-PART" not in playlists[-1]


def test_the_first_part_makes_a_path_playable() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push(video(seconds=0.3))
    assert scene.origin.is_playable
    assert b"BANDWIDTH=" in scene.feed.bodies("/live/a/index.m3u8")[-1]
    assert scene.feed.bodies("/live/a/manifest.mpd") == []


def test_the_multivariant_playlist_is_put_again_only_when_it_says_something_else() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push(video(seconds=6))
    first = len(scene.feed.bodies("/live/a/index.m3u8"))
    assert first == 2  # as expected by the first part, and as the first segment measured
    scene.push(video(at=6, seconds=4))
    assert len(scene.feed.bodies("/live/a/index.m3u8")) == first
    scene.push(video(at=10, seconds=9, size=3000))
    bodies = scene.feed.bodies("/live/a/index.m3u8")
    assert first < len(bodies) == len(set(bodies))


def test_h28_a_format_to_come_is_named_before_its_first_part_is_listed() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push(video(seconds=6))
    scene.origin.pause(scene.now)
    smaller = renamed(SMALL, "source")
    scene.origin.set_tracks([smaller], (), scene.now)
    listed = scene.feed.bodies("/live/a/index.m3u8")
    assert b'CODECS="avc1.42c01e,avc1.42c01f"' in listed[-1]
    scene.push(video(smaller, at=6, seconds=1, breaks=True))
    assert scene.feed.bodies("/live/a/index.m3u8")[-1] == listed[-1]


def test_players_who_come_are_not_pointed_to_a_layer_that_the_next_publisher_lacks() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE, SMALL], (), scene.now)
    scene.push(video(seconds=6), video(SMALL, seconds=6))
    scene.origin.pause(scene.now)
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push(video(at=6, seconds=2.5, breaks=True))
    scene.origin.handle_timer(scene.now)
    assert b"360p" not in scene.feed.bodies("/live/a/index.m3u8")[-1]
    assert b"360p" not in scene.feed.bodies("/live/a/manifest.mpd")[-1].rpartition(b"<Period")[2]
    assert b"EXT-X-GAP" in scene.feed.bodies("/live/a/360p/index.m3u8")[-1]


def test_players_are_not_let_in_before_the_expected_renditions_have_media() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE, AUDIO], ("360p",), scene.now)
    scene.push(video(seconds=2.2), audio(seconds=2.2))
    assert not scene.origin.is_playable
    scene.origin.set_tracks([SOURCE, AUDIO, SMALL], (), scene.now)
    scene.push(video(SMALL, seconds=2.2))
    assert scene.origin.is_playable
    assert b"360p/index.m3u8" in scene.feed.bodies("/live/a/index.m3u8")[0]


def test_a_late_rendition_is_waited_for_only_so_long_when_there_is_a_picture() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE, AUDIO], ("360p",), scene.now)
    scene.push(video(seconds=2.2), audio(seconds=2.2))
    scene.origin.handle_timer(scene.now + JOIN_WAIT_S)
    assert scene.origin.is_playable


def test_sound_without_the_expected_picture_is_held_back_longer() -> None:
    scene = Scene()
    scene.origin.set_tracks([AUDIO], ("360p",), scene.now)
    scene.push(audio(seconds=9))
    scene.origin.handle_timer(scene.now)
    assert scene.feed.segments[0].startswith("live/a/audio/")
    assert not scene.origin.is_playable
    scene.origin.handle_timer(scene.now + VIDEO_WAIT_S)
    assert scene.origin.is_playable


def test_an_end_is_told_in_every_playlist() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE, AUDIO], (), scene.now)
    scene.push(video(seconds=5), audio(seconds=5))
    scene.origin.end(scene.now)
    for name in ("source", "audio"):
        last = scene.feed.bodies(f"/live/a/{name}/index.m3u8")[-1]
        assert last.endswith(b"#EXT-X-ENDLIST\n")


def test_segments_leave_the_shelf_some_time_after_they_left_the_playlist() -> None:
    scene = Scene(window_s=6)
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push(video(seconds=30))
    first = scene.feed.segments[0].rpartition("/")[2]
    listed = scene.feed.bodies("/live/a/source/index.m3u8")[-1].decode()
    assert first not in listed
    assert "source" not in scene.feed.dropped
    scene.origin.handle_timer(scene.now + 60)
    assert f"{scene.feed.dropped['source']}.m4s" >= first


def test_h15_a_part_stays_downloadable_long_after_it_has_left_the_playlist() -> None:
    scene = Scene(window_s=6)
    sink = attached(scene.feed)
    scene.origin.set_tracks([SOURCE], (), scene.now)
    listed_until: dict[str, float] = {}
    messages, checked = [], 0
    frames = video(seconds=60)
    for second in range(60):
        scene.push(frames[30 * second :][:30])
        scene.origin.handle_timer(scene.now)
        messages += sink.take()
        text = scene.feed.bodies("/live/a/source/index.m3u8")[-1:]
        for name in re.findall(r'#EXT-X-PART:.*URI="([^"]+)"', b"".join(text).decode()):
            listed_until[name] = scene.now
        shelf = mirrored(messages)
        for name, until in listed_until.items():
            if scene.now - until <= 3 * TARGET_S:
                assert shelf.get(f"/live/a/source/{name}") is not None, name
                checked += scene.now > until
    assert checked > 100
    assert isinstance(shelf.find(f"/live/a/source/{min(listed_until)}"), Absence), "not for good"


def test_the_store_holds_what_is_served_and_no_more() -> None:
    scene = Scene(window_s=6)
    scene.origin.set_tracks([SOURCE], (), scene.now)
    for second in range(0, 60, 2):
        scene.push(video(at=second, seconds=2, size=10_000))
        scene.origin.handle_timer(scene.now)
    segment_bytes = 63 * 10_000
    held = scene.store.statistics().held_bytes
    assert 6 * segment_bytes < held < 10 * segment_bytes
    scene.origin.close()
    assert scene.store.statistics().held_bytes == 0


def test_closing_takes_everything_from_the_shelf() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push(video(seconds=5))
    scene.origin.close()
    assert scene.feed.statistics().resources == 0


def test_names_tell_audio_from_video() -> None:
    assert [name for name in ("audio", "audio2", "audio_aac", "audiophile", "720p", "source")
            if is_audio(name)] == ["audio", "audio2", "audio_aac"]  # fmt: skip


def test_a_part_is_as_late_as_the_time_from_its_last_capture_to_its_being_there() -> None:
    scene = Scene(part_duration_s=0.2)
    scene.origin.set_tracks([SOURCE], (), scene.now)
    behind_s = 0.12
    scene.push([replace(s, captured_utc=s.dts / 90_000 - behind_s) for s in video(seconds=3)])
    counts = scene.origin.statistics().latencies["source"]
    assert counts.cumulative[-1] == len(scene.feed.parts) > 5
    assert counts.sum_s / len(scene.feed.parts) == pytest.approx(behind_s, abs=0.01)


def test_parts_without_a_capture_time_are_not_counted() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push([replace(s, captured_utc=0.0) for s in video(seconds=3)])
    assert scene.origin.statistics().latencies == {}


def test_the_low_latency_manifest_changes_with_periods_and_not_with_parts() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE, AUDIO], (), scene.now)
    scene.push(video(seconds=9), audio(seconds=9))
    texts = scene.feed.bodies("/live/a/low-latency.mpd")
    assert b'availabilityTimeComplete="false"' in texts[-1]
    assert len(texts) == len(set(texts)) <= 2
    scene.push(video(at=20, seconds=4, breaks=True), audio(at=20, seconds=4))
    assert len(scene.feed.bodies("/live/a/low-latency.mpd")) > len(texts)


def test_without_parts_there_is_no_low_latency_manifest() -> None:
    scene = Scene(part_duration_s=0)
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push(video(seconds=9))
    assert "/live/a/low-latency.mpd" not in scene.urls
