"""How a path is cut: where segments begin, and that all renditions begin them there.

Every test runs on a watched stage, so that whatever else it shows, all playlists and manifests
on the way keep all rules.
"""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

from segmenter.media import Sample, Track
from segmenter.presentation import PresentationSettings
from tests.segmenter.stage import (
    AUDIO,
    SMALL,
    SOURCE,
    START,
    audio,
    video,
)
from tests.segmenter.watched_stage import WatchedStage

AAC_FRAME_S = 1024 / 48_000


# -- where segments begin --------------------------------------------------------------------


def test_segments_begin_at_key_frames_on_the_grid() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(seconds=10, gop=30))
    assert stage.starts("source") == [0, 2, 4, 6]


def test_key_frames_off_the_grid_are_cut_at_the_first_one_after_each_line() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(at=0.7, seconds=10, gop=30))
    assert stage.starts("source") == [0.7, 2.7, 4.7, 6.7]


def test_two_publishers_of_one_programme_are_cut_alike() -> None:
    early, late = WatchedStage(SOURCE), WatchedStage(SOURCE)
    early.push(video(seconds=20, gop=30))
    late.push(video(at=5, seconds=15, gop=30))
    assert set(late.starts("source")[1:]) <= set(early.starts("source"))


def test_gops_just_short_of_the_grid_are_not_paired() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(seconds=20, gop=57))
    assert set(stage.lengths("source")) == {1.9}


def test_gops_longer_than_a_segment_make_longer_segments() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(seconds=20, gop=120))
    assert set(stage.lengths("source")) == {4.0}
    assert stage.presentation.target_duration == 4


def test_a_gop_of_ten_seconds_is_one_segment_when_it_comes_first() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(seconds=31, gop=300))
    assert stage.lengths("source") == [10.0, 10.0, 10.0]
    assert stage.presentation.is_independent


def test_segments_may_be_configured_longer_than_the_first_ones_limit() -> None:
    settings = PresentationSettings(segment_duration_s=15, window_s=60)
    stage = WatchedStage(SOURCE, settings=settings)
    stage.push(video(seconds=46))
    assert stage.lengths("source") == [14.0, 14.0, 14.0]
    assert stage.presentation.is_independent


def test_a_gop_longer_than_the_target_duration_allows_is_cut_within_and_flagged() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(seconds=6))
    stage.push(video(at=6, seconds=14, gop=1000))
    assert max(stage.lengths("source")) < 2.5
    assert not stage.presentation.is_independent
    assert stage.presentation.statistics().forced_cuts > 0
    assert "EXT-X-INDEPENDENT-SEGMENTS" not in stage.multivariant
    assert not stage.playlists["source"].is_independent


def test_audio_of_a_presentation_with_a_long_gop_stays_independent() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=6), video(at=6, seconds=14, gop=1000), audio(seconds=20))
    assert stage.playlists["audio"].is_independent


def test_variable_frame_rate_is_cut_at_key_frames_too() -> None:
    stage = WatchedStage(SOURCE)
    slow = video(seconds=4, fps=10, gop=20)
    fast = video(at=4, seconds=6, fps=60, gop=120)
    stage.push(slow, fast)
    assert stage.starts("source") == [0, 2, 4, 6]


def test_frame_rates_that_divide_nothing_leave_no_hole_and_no_overlap() -> None:
    stage = WatchedStage(dataclasses.replace(SOURCE, frame_rate=Fraction(30_000, 1001)))
    stage.push(video(fps=Fraction(30_000, 1001), seconds=20))
    segments = stage.segments["source"]
    assert len(segments) >= 8
    assert all(a.end == b.start for a, b in itertools.pairwise(segments))


def test_samples_without_duration_are_cut_like_those_with() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    bare = [dataclasses.replace(s, duration=0) for s in (*video(), *audio())]
    stage.push(bare)
    known = WatchedStage(SOURCE, AUDIO)
    known.push(video(), audio())
    assert stage.segments == known.segments


# -- all renditions are cut alike -------------------------------------------------------------


def test_rungs_begin_their_segments_at_the_very_tick_of_the_source() -> None:
    stage = WatchedStage(SOURCE, SMALL, AUDIO, apart_s=AAC_FRAME_S)
    stage.push(video(seconds=20), video(SMALL, seconds=20), audio(seconds=20))
    assert [s.start for s in stage.segments["360p"]] == [s.start for s in stage.segments["source"]]
    assert stage.numbers("360p") == stage.numbers("source")


def test_a_rung_of_half_the_frame_rate_is_aligned() -> None:
    half = dataclasses.replace(SMALL, frame_rate=Fraction(15))
    stage = WatchedStage(SOURCE, half, apart_s=0)
    stage.push(video(seconds=20), video(half, seconds=20, fps=15, gop=30))
    assert stage.numbers("360p") == stage.numbers("source")


def of_second(samples: list[Sample], track: Track, second: int) -> list[Sample]:
    begin = (START + second) * track.timescale
    return [sample for sample in samples if begin <= sample.dts < begin + track.timescale]


def test_an_encoder_that_lags_behind_changes_nothing_but_the_time_of_arrival() -> None:
    frames, rung, sound = video(seconds=12), video(SMALL, seconds=12), audio(seconds=12)
    prompt = WatchedStage(SOURCE, SMALL, AUDIO)
    prompt.push(frames, rung, sound)
    late = WatchedStage(SOURCE, SMALL, AUDIO)
    for second in range(13):
        late.push(of_second(frames, SOURCE, second), of_second(sound, AUDIO, second))
        late.push(of_second(rung, SMALL, second - 1))
    assert late.segments["360p"] == prompt.segments["360p"]


def test_audio_begins_each_segment_within_a_frame_of_the_video() -> None:
    stage = WatchedStage(SOURCE, AUDIO, apart_s=AAC_FRAME_S)
    stage.push(video(seconds=60), audio(seconds=60))
    assert stage.numbers("audio") == stage.numbers("source")


def test_audio_pushed_ahead_of_video_waits_for_its_boundaries() -> None:
    stage = WatchedStage(SOURCE, AUDIO, apart_s=AAC_FRAME_S)
    stage.now += 20
    frames, sound = video(seconds=20), audio(seconds=20)
    for second in range(20):
        stage.push(of_second(sound, AUDIO, second) if second else sound[: 3 * 47])
        stage.push(of_second(frames, SOURCE, second))
    assert stage.numbers("audio") == stage.numbers("source")


def test_audio_alone_is_cut_on_the_grid() -> None:
    stage = WatchedStage(AUDIO)
    stage.push(audio(seconds=20))
    assert all(abs(start - 2 * n) < AAC_FRAME_S for n, start in enumerate(stage.starts("audio")))


def test_video_alone_is_a_presentation() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video())
    assert stage.numbers("source")


def test_target_durations_are_equal_and_constant_whatever_comes() -> None:
    stage = WatchedStage(SOURCE, SMALL, AUDIO)
    stage.push(video(gop=45, seconds=9), video(SMALL, gop=45, seconds=9), audio(seconds=9))
    stage.push(*(video(t, at=9, gop=100, seconds=20) for t in (SOURCE, SMALL)))
    stage.push(audio(at=29, seconds=3), video(at=29, seconds=3), video(SMALL, at=29, seconds=3))
    assert {r.target_duration for r in stage.presentation.renditions.values()} == {2}
