"""When playlists and manifests are rendered, and from when on players are pointed to what."""

from __future__ import annotations

import re

import pytest

from streaming.path_texts import JOIN_WAIT_S, VIDEO_WAIT_S
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, audio, renamed, video
from tests.streaming.origin_scene import Scene


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
