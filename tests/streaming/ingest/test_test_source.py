"""The built-in test source: what it shows, when, and on which grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from segmenter.media import Sample, Track
from streaming.errors import ConfigError
from streaming.ingest.test_picture import FLASH_BOX
from streaming.ingest.test_source import TestSource, parse_test_url
from streaming.ingest.test_time_code import TimeCodeRow, read_time_code

START_UTC = 1_763_900_000.37
SMALL = "test:?width=320&height=180&fps=30&bitrate_kbps=400"


def produce(url: str, seconds: float) -> tuple[Sequence[Track], list[Sample]]:
    source = TestSource(parse_test_url(url), START_UTC)
    samples: list[Sample] = []
    steps = int(seconds * 10)
    for step in range(1, steps + 1):
        samples += source.produce(START_UTC + step / 10)
    return source.tracks, samples


def decode_pictures(track: Track, samples: Iterable[Sample]) -> list[tuple[int, NDArray[Any]]]:
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = track.codec_config
    pictures = []
    for sample in samples:
        if sample.track != "source":
            continue
        packet = av.Packet(sample.data)
        packet.pts, packet.dts, packet.time_base = sample.pts, sample.dts, Fraction(1, 90_000)
        for frame in [*decoder.decode(packet)]:
            assert frame.pts is not None
            pictures.append((frame.pts, frame.to_ndarray(format="rgb24")))
    return pictures


def decode_sound(track: Track, samples: Iterable[Sample]) -> list[tuple[int, NDArray[Any]]]:
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = track.codec_config
    sound = []
    for sample in samples:
        if sample.track == "audio":
            packet = av.Packet(sample.data)
            packet.pts, packet.time_base = sample.pts, Fraction(1, 90_000)
            sound += [(sample.pts, frame.to_ndarray()) for frame in decoder.decode(packet)]
    return sound


def flash_is_on(picture: NDArray[Any]) -> bool:
    height, width = picture.shape[:2]
    left, top, right, bottom = FLASH_BOX
    middle = picture[int((top + bottom) / 2 * height), int((left + right) / 2 * width)]
    return bool(middle.mean() > 128)


def test_the_time_code_of_every_decoded_frame_is_its_timestamp() -> None:
    tracks, samples = produce(SMALL, 2)
    pictures = decode_pictures(tracks[0], samples)
    assert len(pictures) >= 58
    for pts, picture in pictures:
        assert read_time_code(picture) == int(Fraction(pts, 90)) / 1000


def test_the_time_code_survives_scaling_to_another_size() -> None:
    tracks, samples = produce("test:?width=640&height=360&fps=10", 0.5)
    pts, picture = decode_pictures(tracks[0], samples)[0]
    smaller = av.VideoFrame.from_ndarray(picture).reformat(426, 240).to_ndarray()
    assert read_time_code(smaller) == pts / 90_000


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_uniform_picture_has_no_time_code(shade: int) -> None:
    assert read_time_code(np.full((180, 320, 3), shade, np.uint8)) is None


def test_one_flipped_cell_makes_the_time_code_unreadable() -> None:
    luma = np.zeros((180, 320), np.uint8)
    TimeCodeRow(320, 180).draw(luma, 1_763_900_000_123)
    picture = np.where(luma > 128, np.uint8(255), np.uint8(0))[..., None].repeat(3, axis=2)
    assert read_time_code(picture) == 1_763_900_000.123
    picture[:10, 200:206] = 255 - picture[:10, 200:206]
    assert read_time_code(picture) is None


def test_key_frames_after_the_first_lie_on_the_epochs_two_second_grid() -> None:
    tracks, samples = produce(SMALL, 5)
    key_times = [s.pts for s in samples if s.track == tracks[0].name and s.is_sync]
    assert len(key_times) >= 3
    assert all(pts % 180_000 == 0 for pts in key_times[1:])


@pytest.mark.parametrize(("fps", "ticks"), [("30", 3000), ("25", 3600), ("30000/1001", 3003)])
def test_frames_lie_on_the_epochs_frame_grid(fps: str, ticks: int) -> None:
    _, samples = produce(f"test:?width=128&height=72&fps={fps}", 1)
    frames = [s for s in samples if s.track == "source"]
    assert [s.dts // ticks for s in frames] == list(
        range(frames[0].dts // ticks, frames[0].dts // ticks + len(frames))
    )
    assert all(s.dts % ticks == 0 and s.dts == s.pts and s.duration == ticks for s in frames)


def test_the_flash_is_lit_for_the_first_tenth_of_each_second() -> None:
    tracks, samples = produce(SMALL, 2)
    for pts, picture in decode_pictures(tracks[0], samples):
        assert flash_is_on(picture) == (pts % 90_000 < 9_000)


def test_the_tone_sounds_while_the_flash_is_lit() -> None:
    tracks, samples = produce(SMALL, 3)
    sound = decode_sound(tracks[1], samples)
    loud = [pts + 90_000 * np.flatnonzero(np.abs(pcm[0]) > 0.1) / 48_000 for pts, pcm in sound]
    phases = np.concatenate(loud) % 90_000
    phases = np.where(phases > 45_000, phases - 90_000, phases)
    assert -180 < phases.min() < 180, "the tone starts within 2 ms of the second"
    assert 8_800 < phases.max() < 9_200, "and stops within 2 ms of its tenth"


def test_sound_and_picture_are_due_together() -> None:
    _, samples = produce(SMALL, 3)
    last = {s.track: s.dts for s in samples}
    assert abs(last["source"] - last["audio"]) < 9_000


def test_no_sample_comes_before_its_moment() -> None:
    source = TestSource(parse_test_url(SMALL), START_UTC)
    for step in range(1, 20):
        now_utc = START_UTC + step / 20
        assert all(s.captured_utc <= now_utc for s in source.produce(now_utc))


def test_a_suspended_machine_continues_at_the_present_with_a_key_frame() -> None:
    source = TestSource(parse_test_url(SMALL), START_UTC)
    source.produce(START_UTC + 0.5)
    samples = source.produce(START_UTC + 100) + source.produce(START_UTC + 100.2)
    frames = [s for s in samples if s.track == "source"]
    assert frames[0].is_sync
    assert frames[0].captured_utc > START_UTC + 100


def test_audio_may_be_refused() -> None:
    tracks, samples = produce(SMALL + "&audio=0", 0.5)
    assert [t.name for t in tracks] == ["source"]
    assert {s.track for s in samples} == {"source"}


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("test:?widht=640", "widht"),
        ("test:?fps=7/13", "fps"),
        ("test:?fps=1/0", "fps"),
        ("test:?width=641&height=360", "641x360"),
        ("test:?width=99999999", "99999999"),
        ("test:?gop_s=nan", "gop_s"),
        ("test:?bitrate_kbps=0", "bitrate_kbps"),
    ],
)
def test_an_impossible_option_is_named(url: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        parse_test_url(url)
