"""The soak's judge of media times notices each way in which they do not go on."""

from __future__ import annotations

import pytest

from segmenter.fmp4.reader import InitTrack, read_init_tracks
from tests.segmenter.stage import AUDIO, Stage, audio
from tests.soak.media_times import MediaTimes


@pytest.fixture(scope="module")
def stage() -> Stage:
    """A publisher, a second without one, and another."""
    stage = Stage(AUDIO)
    stage.push(audio(seconds=9))
    stage.pause()
    stage.wait(1)
    stage.start(AUDIO)
    stage.push(audio(at=10, seconds=9, breaks=True))
    return stage


def see(stage: Stage, *left_out: int, told: bool = True) -> list[str]:
    """All but some of the segments, and whether discontinuities are told."""
    times, found = MediaTimes(), list[str]()
    for index, segment in enumerate(stage.segments["audio"]):
        if index not in left_out:
            data = stage.data["audio", segment.name]
            stretch = segment.discontinuity if told else 0
            found += times.push(data, init_of(stage), stretch, segment.start)
    return found


def init_of(stage: Stage) -> InitTrack:
    init = stage.segments["audio"][0].init
    return read_init_tracks(stage.data["audio", init.name])[0]


def test_a_publisher_that_went_and_came_back_is_fine(stage: Stage) -> None:
    assert len({segment.discontinuity for segment in stage.segments["audio"]}) == 2
    assert see(stage) == []


def test_a_segment_that_was_left_out_is_noticed(stage: Stage) -> None:
    (what,) = see(stage, 2)
    assert "begins +2.0" in what


def test_a_break_that_nobody_told_is_noticed(stage: Stage) -> None:
    (what,) = see(stage, told=False)
    assert "begins +1.0" in what


def test_times_that_go_back_and_other_times_than_listed_are_noticed(stage: Stage) -> None:
    times = MediaTimes()
    segment = stage.segments["audio"][1]
    data = stage.data["audio", segment.name]
    assert times.push(data, init_of(stage), 1, segment.start) == []
    assert "listed 7" in times.push(data, init_of(stage), 2, 7)[0]
    assert "begins -2.0" in times.push(data, init_of(stage), 3, None)[0]


def test_a_segment_cut_short_is_noticed(stage: Stage) -> None:
    data = stage.data["audio", stage.segments["audio"][1].name]
    assert "C2" in MediaTimes().push(data[:-1], init_of(stage), 1, None)[0]
