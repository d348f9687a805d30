"""How long sound lasts on the timeline, and where."""

from __future__ import annotations

import itertools

import pytest

from segmenter.codecs.aac import write_audio_specific_config
from segmenter.media import Codec, Sample, Track
from tests.segmenter.stamps import A0, AUDIO, AUDIO_44, NOW, OPUS, audio, push_all, started


@pytest.mark.parametrize(("track", "scale"), [(AUDIO, 48_000), (AUDIO_44, 44_100)])
def test_aac_in_flv_milliseconds_is_counted_by_its_frames(track: Track, scale: int) -> None:
    out = push_all(started(track), [audio(n * 1_024_000 // scale) for n in range(5_000)])
    assert [s.dts for s in out] == [int(NOW) * scale + n * 1_024 for n in range(5_000)]
    assert {s.duration for s in out} == {1_024}


def test_he_aac_frames_are_twice_as_long() -> None:
    track = Track("audio", Codec.AAC, 48_000, write_audio_specific_config(48_000, 2, 5))
    out = push_all(started(track), [audio(0), audio(43), audio(85)])
    assert [s.dts - A0 for s in out] == [0, 2_048, 4_096]


def test_opus_packets_say_how_long_they_are() -> None:
    packets = [audio(0, b"\xfc"), audio(20, b"\xf4"), audio(30, b"\xfc")]
    out = push_all(started(OPUS), packets)
    assert [(s.dts - A0, s.duration) for s in out] == [(0, 960), (960, 480), (1_440, 960)]


@pytest.mark.parametrize(("rate", "frame"), [(48_000, 1_152), (44_100, 1_152), (22_050, 576)])
@pytest.mark.parametrize("together", [1, 4])
def test_mp3_in_flv_milliseconds_is_counted_by_its_frames(
    rate: int, frame: int, together: int
) -> None:
    track = Track("audio", Codec.MP3, rate, b"", sample_rate=rate, channels=2)
    stamps = [n // together * together * frame * 1_000 // rate for n in range(2_000)]
    out = push_all(started(track), [audio(stamp) for stamp in stamps])
    assert [s.dts for s in out] == [int(NOW) * rate + n * frame for n in range(2_000)]
    assert {s.duration for s in out} == {frame}


def test_a_duration_given_with_the_sample_counts() -> None:
    timeline = started(AUDIO)
    out = timeline.push(Sample("audio", 0, 0, b"", True, duration=960), NOW)
    out += timeline.push(Sample("audio", 20, 20, b"", True, duration=960), NOW)
    assert [(s.dts - A0, s.duration) for s in out] == [(0, 960), (960, 960)]


def test_a_hole_in_audio_stays_a_hole() -> None:
    samples = [audio(n * 1024 // 48) for n in range(200) if not 50 <= n < 97]
    out = push_all(started(AUDIO), samples)
    holes = [(n, b.dts - a.dts - 1_024) for n, (a, b) in enumerate(itertools.pairwise(out))]
    assert [n for n, hole in holes if hole] == [49]
    assert out[-1].dts - A0 == pytest.approx(199 * 1_024, abs=48)


def test_audio_that_slowly_leaves_its_stamps_is_taken_back_within_the_bound() -> None:
    for stretch in (1.0005, 0.9995):
        timeline = started(AUDIO)
        worst = 0.0
        for n in range(30_000):
            stamp = int(n * 1024 / 48 * stretch)
            for placed in timeline.push(audio(stamp), NOW + stamp / 1000):
                worst = max(worst, abs((placed.dts - A0) / 48 - stamp))
        assert worst < 50
        counts = timeline.statistics()
        assert counts.audio_holes + counts.audio_dropped >= 6


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_what_is_made_up_for_audio_that_slowly_falls_behind_is_whole_frames(rate: int) -> None:
    """A part with less than a frame in it would be shorter than parts may be (H12)."""
    track = Track("audio", Codec.AAC, rate, write_audio_specific_config(rate, 2))
    stamps = [round(n * 1_024_000 / rate * 1.001) for n in range(9_000)]
    out = push_all(started(track), [audio(stamp) for stamp in stamps])
    holes = [b.dts - a.dts - 1_024 for a, b in itertools.pairwise(out)]
    assert sum(hole > 0 for hole in holes) >= 3
    assert {hole % 1_024 for hole in holes} == {0}


def test_jitter_of_a_phone_makes_no_holes() -> None:
    jitter = [0, 30, -25, 60, 0, -40, 10, 38]
    samples = [audio(10_000 + n * 1024 // 48 + jitter[n % 8]) for n in range(2_000)]
    out = push_all(started(AUDIO), samples)
    assert [s.dts - A0 for s in out] == [n * 1_024 for n in range(2_000)]
