"""Publishers that come and go on one timeline."""

from __future__ import annotations

import pytest

from segmenter.media import Codec, Track
from segmenter.timeline import RTMP_CLOCK, Timeline
from tests.segmenter.stamps import (
    A0,
    AUDIO,
    AUDIO_44,
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


def test_a_new_publisher_goes_on_at_wall_clock_and_is_marked_on_each_track() -> None:
    timeline = started(VIDEO, AUDIO)
    push_all(timeline, both(0, 3_000))
    timeline.start([VIDEO, AUDIO], RTMP_CLOCK)
    out = push_all(timeline, both(77_000, 2_000), NOW + 60)
    assert of("source", out)[0].dts == V0 + 60 * 90_000
    for track in ("source", "audio"):
        assert [i for i, s in enumerate(of(track, out)) if s.discontinuity] == [0]


def test_a_new_publisher_starts_after_the_end_even_when_media_ran_ahead() -> None:
    timeline = started(VIDEO, AUDIO)
    before = [s for sample in both(0, 5_000) for s in timeline.push(sample, NOW)]
    end = timeline.end_utc
    timeline.start([VIDEO, AUDIO], RTMP_CLOCK)
    out = push_all(timeline, both(0, 1_000), NOW + 1)
    assert end == pytest.approx(NOW + 5, abs=0.05)
    assert min(s.dts / 90_000 for s in of("source", out)) >= end - 1e-6
    assert of("audio", out)[0].dts >= of("audio", before)[-1].dts + 1_024


def test_an_older_sample_of_another_track_does_not_reach_back_before_the_end() -> None:
    timeline = started(VIDEO, AUDIO, floor_utc=NOW)
    out = timeline.push(audio(46), NOW) + timeline.push(video(0, key=True), NOW)
    assert of("source", out)[0].dts == V0
    assert of("audio", out)[0].dts == A0 + 46 * 48


def test_a_new_publisher_starts_after_nudged_frames_shown_before_their_dts() -> None:
    timeline = started(VIDEO)
    before = push_all(
        timeline, [video(0, key=True, offset=80), video(20, offset=60), *[video(20)] * 9]
    )
    timeline.start([VIDEO], RTMP_CLOCK)
    (first,) = timeline.push(video(0, key=True), NOW)
    assert first.dts > before[-1].dts


def test_new_tracks_of_the_same_publisher_keep_the_anchor_and_break() -> None:
    timeline = started(VIDEO, AUDIO)
    push_all(timeline, both(0, 2_000))
    larger = Track("source", Codec.H264, 90_000, b"\x02", width=1280, height=720)
    timeline.start([larger, AUDIO], RTMP_CLOCK, continues=True)
    out = [s for sample in both(2_000, 1_000) for s in timeline.push(sample, NOW + 50)]
    assert of("source", out)[0].dts == V0 + 2_000 * 90
    for track in ("source", "audio"):
        assert [i for i, s in enumerate(of(track, out)) if s.discontinuity] == [0]
    assert timeline.statistics().epochs == 1


def test_a_changed_video_track_starts_at_a_sync_sample() -> None:
    timeline = started(VIDEO)
    push_all(timeline, frames(0, 10))
    larger = Track("source", Codec.H264, 90_000, b"\x02", width=1280, height=720)
    timeline.start([larger], RTMP_CLOCK, continues=True)
    out = timeline.push(video(400), NOW) + timeline.push(video(440, key=True), NOW)
    assert [(s.dts - V0, s.discontinuity) for s in out] == [(440 * 90, True)]


def test_a_publisher_flushed_before_it_changes_its_tracks_keeps_its_anchor() -> None:
    timeline = started(VIDEO)
    push_all(timeline, frames(0, 10))
    assert timeline.push(video(900_000), NOW + 0.4) == []
    assert [s.dts - V0 for s in timeline.flush()] == [9 * 3_600 + 1]
    larger = Track("source", Codec.H264, 90_000, b"\x02", width=1280, height=720)
    timeline.start([larger], RTMP_CLOCK, continues=True)
    (first,) = timeline.push(video(440, key=True), NOW + 70)
    assert first.dts == V0 + 440 * 90
    assert timeline.statistics().epochs == 1


def test_flush_without_a_publisher_or_a_sample_gives_nothing() -> None:
    assert Timeline().flush() == []
    assert started(VIDEO).flush() == []


def test_a_changed_sampling_rate_goes_on_at_the_same_time() -> None:
    timeline = started(AUDIO)
    push_all(timeline, [audio(n * 1024 // 48) for n in range(100)])
    timeline.start([AUDIO_44], RTMP_CLOCK, continues=True)
    (first,) = timeline.push(audio(100 * 1024 // 48), NOW + 2)
    assert first.discontinuity
    assert first.dts / 44_100 - NOW == pytest.approx(100 * 1_024 / 48_000, abs=0.001)


def test_an_unchanged_video_track_is_not_interrupted_by_a_new_audio_track() -> None:
    timeline = started(VIDEO)
    push_all(timeline, frames(0, 10))
    timeline.start([VIDEO, AUDIO], RTMP_CLOCK, continues=True)
    out = push_all(timeline, frames(0, 50)[10:], NOW)
    assert len(out) == 40
    assert [i for i, s in enumerate(out) if s.discontinuity] == [15]


def test_audio_configured_before_the_first_sample_breaks_nothing() -> None:
    timeline = started(VIDEO)
    timeline.start([VIDEO, AUDIO], RTMP_CLOCK, continues=True)
    assert not any(s.discontinuity for s in push_all(timeline, both(0, 1_000)))


# -- drift


def test_a_publisher_whose_clock_runs_away_from_ours_is_reported() -> None:
    timeline = started(VIDEO)
    for i in range(100):
        timeline.push(video(i * 40, key=i == 0), NOW + i * 0.04)
    assert not timeline.statistics().is_adrift
    timeline.push(video(4_000), NOW + 9)
    statistics = timeline.statistics()
    assert statistics.ahead_s == pytest.approx(-5.0)
    assert statistics.is_adrift
