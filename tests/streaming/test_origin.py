"""An origin puts segments, playlists and manifests on the shelf, each once, at the right moment."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from segmenter.media import Sample
from streaming.config import PathConfig
from streaming.origin import JOIN_WAIT_S, VIDEO_WAIT_S, Origin, is_audio
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import Put
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, START, audio, video


class RecordingFeed(ShelfFeed):
    """Remembers everything that was put and dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[Put] = []
        self.drops: list[str] = []

    def put(self, put: Put) -> None:
        self.puts.append(put)
        super().put(put)

    def drop(self, url: str) -> None:
        self.drops.append(url)
        super().drop(url)

    def bodies(self, url: str) -> list[bytes]:
        return [put.body for put in self.puts if put.url == url]


class Scene:
    def __init__(self, **settings: object) -> None:
        self.feed = RecordingFeed()
        self.origin = Origin("live/a", PathConfig(**settings), self.feed)  # type: ignore[arg-type]
        self.now = float(START)

    def push(self, *streams: Sequence[Sample]) -> None:
        scales = {"audio": 48_000}
        timed = ([(s.dts / scales.get(s.track, 90_000), s) for s in stream] for stream in streams)
        for time, sample in heapq.merge(*timed, key=lambda pair: pair[0]):
            self.now = time
            self.origin.write(sample, time)

    @property
    def urls(self) -> set[str]:
        return {put.url for put in self.feed.puts}


def test_everything_of_a_path_is_below_its_name() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE, AUDIO], (), scene.now)
    scene.push(video(seconds=5), audio(seconds=5))
    assert {"/live/a/index.m3u8", "/live/a/manifest.mpd"} <= scene.urls
    assert {"/live/a/source/index.m3u8", "/live/a/audio/index.m3u8"} <= scene.urls
    media = [put for put in scene.feed.puts if put.msn is not None]
    assert {put.url for put in media} == {f"/live/a/{put.rendition}/{put.msn}.m4s" for put in media}
    assert {put.content_type for put in media} == {"video/mp4", "audio/mp4"}


def test_media_are_immutable_and_playlists_are_not() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE, AUDIO], (), scene.now)
    scene.push(video(seconds=5), audio(seconds=5))
    for put in scene.feed.puts:
        assert put.cache == ("immutable" if put.content_type.endswith("mp4") else "playlist")


def test_playlists_are_rendered_once_for_each_segment_and_not_for_samples() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push(video(seconds=9))
    segments = [put for put in scene.feed.puts if put.url.endswith(".m4s")]
    assert len(scene.feed.bodies("/live/a/source/index.m3u8")) == len(segments) == 4


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
    first_segment = next(put for put in scene.feed.puts if put.url.endswith(".m4s"))
    assert first_segment.rendition == "audio"
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
    first = next(put.url for put in scene.feed.puts if put.url.endswith(".m4s"))
    listed = scene.feed.bodies("/live/a/source/index.m3u8")[-1].decode()
    assert first.rpartition("/")[2] not in listed
    assert first not in scene.feed.drops
    scene.origin.handle_timer(scene.now + 60)
    assert first in scene.feed.drops


def test_closing_takes_everything_from_the_shelf() -> None:
    scene = Scene()
    scene.origin.set_tracks([SOURCE], (), scene.now)
    scene.push(video(seconds=5))
    scene.origin.close()
    assert scene.feed.statistics().resources == 0


def test_names_tell_audio_from_video() -> None:
    assert [name for name in ("audio", "audio2", "audio_aac", "audiophile", "720p", "source")
            if is_audio(name)] == ["audio", "audio2", "audio_aac"]  # fmt: skip
