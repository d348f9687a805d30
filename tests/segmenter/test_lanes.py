"""Tracks that are late or lost, while the others of a presentation go on."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from segmenter.presentation import PresentationSettings
from tests.segmenter.stage import (
    AUDIO,
    SMALL,
    SOURCE,
    START,
    audio,
    renamed,
    video,
)
from tests.segmenter.watched_stage import WatchedStage


def test_a_rung_that_is_up_late_joins_at_a_boundary_with_its_number() -> None:
    stage = WatchedStage(SOURCE, SMALL)
    stage.push(video(seconds=12), video(SMALL, at=6, seconds=6))
    assert stage.numbers("360p") == stage.numbers("source")[3:]


def test_a_rung_announced_late_joins_at_a_boundary_with_its_number() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(seconds=5))
    stage.start(SOURCE, SMALL)
    rest = video(seconds=12)[150:]
    stage.push(rest, video(SMALL, at=6, seconds=6))
    assert stage.numbers("360p") == stage.numbers("source")[3:]


def test_a_rung_that_fails_has_gaps_with_the_numbers_of_the_others() -> None:
    stage = WatchedStage(SOURCE, SMALL)
    stage.push(video(seconds=20), video(SMALL, seconds=6))
    assert stage.gaps("360p") == stage.numbers("source")[3 : len(stage.numbers("360p"))]
    assert len(stage.gaps("360p")) >= 4


def test_a_rung_that_comes_back_goes_on_without_a_discontinuity() -> None:
    stage = WatchedStage(SOURCE, SMALL)
    back = video(SMALL, at=12, seconds=8)
    stage.push(video(seconds=20), video(SMALL, seconds=6), back)
    assert stage.numbers("360p") == stage.numbers("source")
    assert stage.gaps("360p") == stage.numbers("source")[3:6]
    assert not any(s.starts_discontinuity for s in stage.segments["360p"])


def test_a_rung_whose_own_time_breaks_loses_media_but_makes_no_discontinuity() -> None:
    stage = WatchedStage(SOURCE, SMALL, AUDIO)
    lone = video(SMALL, at=7, seconds=13, breaks=True, gop=30)
    stage.push(video(seconds=20), video(SMALL, seconds=6.5), lone, audio(seconds=20))
    assert stage.numbers("360p") == stage.numbers("source")
    assert not any(s.starts_discontinuity for s in stage.segments["source"])
    assert stage.gaps("360p") == []


def test_a_source_that_stalls_gets_gaps_while_audio_goes_on() -> None:
    stage = WatchedStage(SOURCE, AUDIO, apart_s=None)
    stage.push(video(seconds=6), audio(seconds=16))
    assert stage.numbers("audio")[-1] >= stage.numbers("source")[0] + 5
    assert stage.presentation.statistics().stand_ins == 1
    assert stage.gaps("source")


def test_a_layer_leads_where_the_best_one_is_announced_no_more() -> None:
    stage = WatchedStage(SOURCE, SMALL, AUDIO)
    layer, sound = video(SMALL, seconds=30, at=1 / 3), audio(seconds=30)
    stage.push(video(seconds=7, at=1 / 3), layer[:240], sound[:375])
    stage.start(SMALL, AUDIO)
    stage.push(layer[240:600], sound[375:938])
    assert stage.starts("360p")[2:9] == [round(n + 1 / 3, 3) for n in range(4, 18, 2)]
    assert all(segment.is_independent for segment in stage.segments["360p"])
    assert len(stage.gaps("source")) >= 3
    stage.start(SOURCE, SMALL, AUDIO)
    stage.push(video(at=20 + 1 / 3, seconds=9), layer[600:], sound[938:])
    assert stage.numbers("source")[-1] == stage.numbers("360p")[-1]
    assert not stage.segments["source"][-1].is_gap
    assert stage.presentation.statistics().breaks == stage.presentation.statistics().stand_ins == 0
    every = [segment for name in ("source", "360p", "audio") for segment in stage.segments[name]]
    assert not any(segment.starts_discontinuity for segment in every)


def test_a_source_that_is_back_after_a_stall_leads_again() -> None:
    stage = WatchedStage(SOURCE, AUDIO, apart_s=None)
    stage.push(video(seconds=6), audio(seconds=30), video(at=16, seconds=14))
    assert stage.numbers("audio") == stage.numbers("source")
    assert not stage.segments["source"][-1].is_gap
    assert stage.starts("source")[-1] in (24.0, 26.0)


def test_audio_lost_for_a_while_is_a_gap_and_is_back_at_the_next_boundary() -> None:
    stage = WatchedStage(SOURCE, AUDIO, apart_s=None)
    stage.push(video(seconds=20), audio(seconds=5), audio(at=11, seconds=9))
    assert stage.numbers("audio") == stage.numbers("source")
    assert stage.gaps("audio") == stage.numbers("source")[3:6]


def test_a_short_hole_in_the_video_is_no_gap() -> None:
    stage = WatchedStage(SOURCE)
    stage.push([s for s in video(seconds=12) if not 4.5 <= s.dts / 90_000 - START < 5.5])
    assert stage.gaps("source") == []
    assert stage.starts("source") == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("part_duration_s", [0.0, 0.5])
@pytest.mark.parametrize(("fps", "divisor"), [(12, 3), (10, 3), (5, 3), (6, 2)])
def test_a_rung_of_few_frames_a_second_goes_on_where_a_segment_begins_between_two(
    fps: int, divisor: int, part_duration_s: float, is_known: bool
) -> None:
    small = replace(SMALL, frame_rate=Fraction(fps, divisor) if is_known else Fraction(0))
    cutting = PresentationSettings(part_duration_s=part_duration_s, window_s=60)
    stage = WatchedStage(SOURCE, small, settings=cutting)
    frames = video(seconds=45, gop=15 * fps, fps=fps)
    rung = [replace(s, track="360p", duration=0) for s in frames[::divisor]]
    stage.push(frames, rung, late={"360p": 0.3})
    stage.wait(4)
    stage.end()
    assert stage.starts("360p") == stage.starts("source")
    assert stage.gaps("360p") == []
    assert stage.presentation.statistics().samples_dropped == 0


@pytest.mark.parametrize("fps", [30, 60])
@pytest.mark.parametrize("apart_ms", [-2, -1, 0, 1, 12, 14, 16])
def test_a_layer_on_a_clock_of_its_own_begins_its_segments_with_its_key_frames(
    apart_ms: int, fps: int
) -> None:
    stage = WatchedStage(SOURCE, SMALL)
    frames = [replace(sample, duration=0) for sample in video(seconds=9, gop=2 * fps, fps=fps)]
    dts = [sample.dts + 90 * apart_ms * 60 // fps for sample in frames]
    layer = [replace(s, track="360p", dts=t, pts=t) for s, t in zip(frames, dts, strict=True)]
    stage.push(frames, layer)
    stage.end()
    assert all(segment.is_independent for segment in stage.segments["360p"])
    assert stage.starts("360p")[-3:] == stage.starts("source")[-3:]


def test_the_last_frame_of_a_slow_rung_does_not_outlast_the_target_duration() -> None:
    small = replace(SMALL, frame_rate=Fraction(4))
    stage = WatchedStage(SOURCE, small)
    frames = video(seconds=25, gop=100, fps=12)
    kept = [sample for n, sample in enumerate(frames) if n % 100 % 3 == 0]
    rung = [replace(sample, track="360p", duration=0) for sample in kept]
    stage.push(frames, rung, late={"360p": 0.6})
    stage.end()
    assert max(segment.duration_s for segment in stage.segments["360p"]) < 8.5
    assert stage.starts("360p") == stage.starts("source")


@pytest.mark.parametrize("late_s", [n / 30 for n in range(36, 60)])
def test_a_rung_that_is_late_and_ahead_of_the_lines_that_audio_cuts_on_never_goes_back(
    late_s: float,
) -> None:
    cutting = PresentationSettings(segment_duration_s=0.5, part_duration_s=0)
    stage = WatchedStage(SOURCE, SMALL, AUDIO, settings=cutting, apart_s=None)
    frames = video(at=0.1, seconds=9.5)
    rung = [replace(sample, track="360p", duration=0) for sample in frames]
    stage.push(frames, rung, audio(at=0.1, seconds=14), late={"360p": late_s})
    stage.wait(4)
    stage.end()
    assert stage.presentation.statistics().stand_ins == 1
    for one, two in pairwise(stage.segments["360p"]):
        assert one.end <= two.start


def test_a_long_hole_in_the_video_is_filled_with_gaps_on_the_grid() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(seconds=6), video(at=14, seconds=6))
    assert len(stage.gaps("source")) >= 3
    assert not any(s.starts_discontinuity for s in stage.segments["source"])


def test_a_hole_longer_than_the_window_is_a_discontinuity() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(seconds=6), video(at=100, seconds=6))
    assert stage.gaps("source") == []
    assert sum(s.starts_discontinuity for s in stage.segments["source"]) == 1


def test_audio_waits_for_video_that_is_announced_as_expected() -> None:
    stage = WatchedStage()
    stage.start(AUDIO, expected=["720p"])
    stage.push(audio(seconds=1))
    rung = renamed(SOURCE, "720p")
    stage.start(AUDIO, rung)
    stage.push(audio(at=1, seconds=9), video(rung, at=0, seconds=10))
    assert stage.numbers("audio") == stage.numbers("720p")


def test_audio_begins_alone_when_expected_video_never_comes() -> None:
    stage = WatchedStage()
    stage.start(AUDIO, expected=["720p"])
    stage.push(audio(seconds=20))
    assert stage.numbers("audio")
