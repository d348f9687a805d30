"""Stamps that wrap, fall or jump."""

from __future__ import annotations

import pytest

from segmenter.media import Sample
from segmenter.timeline import MPEG_TS_CLOCK, Timeline
from tests.segmenter.stamps import (
    A0,
    AUDIO,
    NOW,
    V0,
    VIDEO,
    audio,
    both,
    frames,
    of,
    push_all,
    started,
    video,
)


@pytest.mark.parametrize("bits", [31, 32])
def test_rtmp_milliseconds_that_wrap_go_on_without_a_seam(bits: int) -> None:
    straight = both(0, 4_000)
    wrapped = [
        Sample(s.track, (s.dts - 2_000) % 2**bits, (s.dts - 2_000) % 2**bits, s.data, s.is_sync)
        for s in straight
    ]
    timeline, reference = started(VIDEO, AUDIO), started(VIDEO, AUDIO)
    out, expected = [], []
    for a, b in zip(straight, wrapped, strict=True):
        expected += reference.push(a, NOW + a.dts / 1000)
        out += timeline.push(b, NOW + a.dts / 1000)
    assert out == expected
    assert timeline.statistics().epochs == 1


def test_mpeg_ts_clocks_wrap_at_33_bits() -> None:
    timeline = Timeline()
    timeline.start([VIDEO], MPEG_TS_CLOCK)
    stamps = [(2**33 - 7_200 + i * 3_600) % 2**33 for i in range(5)]
    out = []
    for i, dts in enumerate(stamps):
        out += timeline.push(Sample("source", dts, dts, b"", i == 0), NOW + i * 0.04)
    assert [s.dts - V0 for s in out] == [i * 3_600 for i in range(5)]


def test_a_straggler_from_before_the_wrap_is_placed_before_it() -> None:
    timeline = started(VIDEO, AUDIO)
    top = 2**32
    samples = [video(top - 40, key=True), audio(top - 30), video(0), audio(top - 9), audio(12)]
    out = []
    for sample in samples:
        out += timeline.push(sample, NOW)
    assert [s.dts - V0 for s in of("source", out)] == [0, 3_600]
    assert [s.dts - A0 for s in of("audio", out)] == [480 + i * 1_024 for i in range(3)]


# -- repeats and small steps back


def test_repeated_and_slightly_falling_stamps_still_rise_by_a_tick() -> None:
    timeline = started(VIDEO)
    out = push_all(timeline, [video(0, key=True), video(40), video(40), video(20), video(80)])
    assert [s.dts - V0 for s in out] == [0, 3_600, 3_601, 3_602, 7_200]
    assert [s.pts for s in out] == [s.dts for s in out]
    assert not any(s.discontinuity for s in out)
    assert timeline.statistics().nudged == 2


def test_a_step_back_behind_the_first_sample_loses_no_frame() -> None:
    out = push_all(started(VIDEO), [video(100, key=True), video(95), video(140)])
    assert [(s.dts - V0, s.pts - V0) for s in out] == [(0, 0), (1, 1), (3_600, 3_600)]


# -- jumps


@pytest.mark.parametrize("distance", [3_600_000, -3_600_000, 4_000, -2_000])
def test_a_clock_set_at_a_key_frame_begins_one_new_epoch_for_all_tracks(distance: int) -> None:
    timeline = started(VIDEO, AUDIO)
    base = 10_000_000
    before = push_all(timeline, both(base, 4_000))
    after = []
    for sample in both(0, 2_000):
        stamp = base + 4_000 + distance + sample.dts
        moved = Sample(sample.track, stamp, stamp, sample.data, sample.is_sync)
        after += timeline.push(moved, NOW + 4 + sample.dts / 1000)
    for track in ("source", "audio"):
        marks = [s.discontinuity for s in of(track, after)]
        assert marks[0] is True
        assert sum(marks) == 1
        assert of(track, after)[0].dts > of(track, before)[-1].dts
    assert of("source", after)[0].dts == pytest.approx(V0 + 4 * 90_000, abs=2_000)
    assert timeline.statistics().jumps == 1
    assert timeline.statistics().epochs == 2


def test_a_clock_set_within_a_gop_loses_no_frame_and_breaks_at_the_next_key_frame() -> None:
    timeline = started(VIDEO)
    samples = [video(i * 40 + (1_000_000 if i >= 30 else 0), key=i % 25 == 0) for i in range(75)]
    out = []
    for i, sample in enumerate(samples):
        out += timeline.push(sample, NOW + i * 0.04)
    assert [s.dts - V0 for s in out] == [i * 3_600 for i in range(75)]
    assert [i for i, s in enumerate(out) if s.discontinuity] == [50]


def test_after_a_jump_media_goes_on_from_wall_clock() -> None:
    timeline = started(AUDIO)
    push_all(timeline, [audio(0), audio(21)])
    out = timeline.push(audio(900_000), NOW + 30) + timeline.push(audio(900_021), NOW + 30.02)
    assert [s.dts - A0 for s in out] == [30 * 48_000, 30 * 48_000 + 1_024]
    assert [s.discontinuity for s in out] == [True, False]


def test_after_a_jump_media_never_starts_before_its_end() -> None:
    timeline = started(AUDIO)
    early = [timeline.push(audio(n * 1024 // 48), NOW) for n in range(200)]
    out = timeline.push(audio(900_000), NOW) + timeline.push(audio(900_021), NOW)
    assert out[0].dts >= early[-1][0].dts + 1_024
    assert out[0].dts - A0 == pytest.approx(200 * 1_024, abs=1)


def test_a_single_stray_stamp_is_taken_for_the_one_before() -> None:
    timeline = started(VIDEO)
    out = push_all(timeline, frames(100_000, 10), NOW)
    out += timeline.push(video(0), NOW + 0.4)
    out += timeline.push(video(100_440), NOW + 0.44)
    assert [s.dts - V0 for s in out[-3:]] == [9 * 3_600, 9 * 3_600 + 1, 11 * 3_600]
    assert timeline.statistics().stray_stamps == 1
    assert timeline.statistics().epochs == 1


def test_a_track_that_leaves_the_clock_of_the_others_is_put_back_beside_them() -> None:
    timeline = started(VIDEO, AUDIO)
    out = []
    for sample in both(10_000_000, 10_000):
        stamp = sample.dts + (
            50_000_000 if sample.track == "audio" and sample.dts > 10_003_000 else 0
        )
        moved = Sample(sample.track, stamp, stamp, sample.data, sample.is_sync)
        out += timeline.push(moved, NOW + (sample.dts - 10_000_000) / 1000)
    assert not any(s.discontinuity for s in out)
    assert len(of("audio", out)) == 468
    assert of("audio", out)[-1].dts - A0 == pytest.approx(10 * 48_000, abs=5_000)
    assert timeline.statistics().stray_tracks == 1


def test_tracks_which_never_shared_a_clock_still_play_together() -> None:
    timeline = started(VIDEO, AUDIO)
    out = []
    for sample in both(0, 5_000):
        stamp = sample.dts + (80_000_000 if sample.track == "audio" else 0)
        moved = Sample(sample.track, stamp, stamp, sample.data, sample.is_sync)
        out += timeline.push(moved, NOW + sample.dts / 1000)
    assert timeline.statistics().epochs == 1
    assert of("audio", out)[-1].dts - A0 == pytest.approx(5 * 48_000, abs=5_000)


def test_still_pictures_seconds_apart_are_no_jump() -> None:
    timeline = started(VIDEO)
    out = push_all(timeline, [video(i * 8_000, key=True) for i in range(5)])
    assert [s.dts - V0 for s in out] == [i * 8_000 * 90 for i in range(5)]
    assert timeline.statistics().jumps == 0


def test_video_may_pause_for_a_minute_while_audio_goes_on() -> None:
    timeline = started(VIDEO, AUDIO)
    samples = [s for s in both(0, 70_000) if s.track == "audio" or not 5_000 <= s.dts < 65_000]
    out = push_all(timeline, samples)
    assert timeline.statistics().epochs == 1
    assert of("source", out)[-1].dts == V0 + 69_960 * 90
