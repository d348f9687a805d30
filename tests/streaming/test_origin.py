"""An origin puts segments, playlists and manifests on the shelf, each once, at the right moment."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from streaming.path_texts import is_audio
from streaming.shelf import Absence
from tests.segmenter.stage import AUDIO, SOURCE, audio, video
from tests.streaming.origin_scene import TARGET_S, Scene
from tests.streaming.test_shelf_feed import attached, mirrored


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
