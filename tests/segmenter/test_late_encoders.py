"""An encoder on a starved machine is late: as long as it brings everything, viewers get it all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from segmenter.media import Sample, Track
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, START, audio, renamed, video
from tests.segmenter.watched_stage import WatchedStage

HIGH = renamed(SOURCE, "720p")
"""An encoded rung."""
LADDER = ["720p", "360p"]


def on_grid(samples: Sequence[Sample], step_s: int = 2) -> list[Sample]:
    """Key frames as encoders force them: the first of all, and the first after each line."""
    lines = [sample.pts // (step_s * 90_000) for sample in samples]
    return [
        dataclasses.replace(sample, is_sync=not n or lines[n] != lines[n - 1])
        for n, sample in enumerate(samples)
    ]


def play_encoded(
    stage: WatchedStage, at: float, late_s: float, *, seconds: float = 8, breaks: bool
) -> None:
    """A publisher whose sound is copied and whose picture is encoded, from its first sample on."""
    stage.start(AUDIO, expected=LADDER)
    sound = audio(at=at, seconds=seconds, breaks=breaks)
    until = int(late_s * 48_000 / 1024)
    stage.push(sound[:until])
    stage.start(AUDIO, HIGH, SMALL, expected=LADDER)
    frames = [video(track, at=at, seconds=seconds, breaks=breaks) for track in (HIGH, SMALL)]
    late = {"720p": late_s, "360p": late_s + 0.1}
    stage.push(*map(on_grid, frames), sound[until:], late=late)


def assert_nothing_is_missing(stage: WatchedStage) -> None:
    for name in (*LADDER, "audio"):
        assert stage.gaps(name) == [], name
        assert all(segment.is_independent for segment in stage.segments[name]), name
    assert stage.numbers("720p") == stage.numbers("360p") == stage.numbers("audio")
    assert stage.starts("720p") == stage.starts("360p")


def test_a_rung_that_is_late_after_its_publisher_returned_loses_nothing() -> None:
    stage = WatchedStage(SOURCE, SMALL, AUDIO)
    stage.push(video(seconds=7), video(SMALL, seconds=7), audio(seconds=7))
    stage.pause()
    stage.wait(4)
    stage.start(SOURCE, AUDIO, expected=["360p"])
    rungs = [video(track, at=11.3, breaks=True) for track in (SOURCE, SMALL)]
    stage.push(*rungs, audio(at=11.3, breaks=True), late={"360p": 1.4})
    stage.pause()
    stage.wait(3)
    assert stage.gaps("360p") == []
    assert stage.starts("360p") == stage.starts("source")


@pytest.mark.parametrize("late_s", [0.2, 0.9, 1.4, 2.4])
@pytest.mark.parametrize("pause_s", [0.0, 0.7, 3.0, 9.0])
def test_an_encoded_ladder_that_is_late_is_waited_for(late_s: float, pause_s: float) -> None:
    stage = WatchedStage()
    play_encoded(stage, 0.0, late_s, breaks=False)
    for _ in range(3):
        stage.pause()
        stage.wait(pause_s)
        play_encoded(stage, stage.now - START + 0.3, late_s, breaks=True)
    stage.pause()
    stage.wait(4)
    assert_nothing_is_missing(stage)


def test_an_encoder_that_falls_far_behind_while_audio_leads_still_begins_with_key_frames() -> None:
    stage = WatchedStage()
    play_encoded(stage, 0.0, 0.2, seconds=4, breaks=False)
    frames = [on_grid(video(track, seconds=20))[120:] for track in (HIGH, SMALL)]
    stage.push(*frames, audio(seconds=20)[188:], late={"720p": 1.7, "360p": 1.8})
    stage.pause()
    stage.wait(3)
    assert stage.presentation.statistics().stand_ins >= 1
    assert_nothing_is_missing(stage)


def between(samples: Sequence[Sample], track: Track, begin: float, end: float) -> list[Sample]:
    return [s for s in samples if begin <= s.dts / track.timescale - START < end]


@pytest.mark.parametrize("stall_s", [1.0, 2.0, 2.9])
def test_an_encoder_that_stands_still_and_catches_up_loses_nothing(stall_s: float) -> None:
    stage = WatchedStage(SOURCE, SMALL, AUDIO)
    frames, rung, sound = video(seconds=16), video(SMALL, seconds=16), audio(seconds=16)
    tracks = (SOURCE, frames), (AUDIO, sound), (SMALL, rung)
    back_s = 5.0 + stall_s
    stage.push(*(between(samples, track, 0.0, 5.0) for track, samples in tracks))
    stage.push(*(between(samples, track, 5.0, back_s) for track, samples in tracks[:2]))
    stage.push(between(rung, SMALL, 5.0, back_s))
    stage.push(*(between(samples, track, back_s, 16.0) for track, samples in tracks))
    assert stage.gaps("360p") == []
    assert stage.numbers("360p") == stage.numbers("source")


def test_the_sound_of_a_publisher_that_returns_at_once_is_kept_while_the_encoder_drains() -> None:
    stage = WatchedStage()
    play_encoded(stage, 0.0, 0.2, seconds=4, breaks=False)
    frames = [on_grid(video(track, seconds=6.9))[120:] for track in (HIGH, SMALL)]
    stage.push(*(rung[:75] for rung in frames), audio(seconds=6.9)[188:])
    stage.pause()
    stage.push(*(rung[75:] for rung in frames))
    play_encoded(stage, stage.now - START + 0.3, 1.2, breaks=True)
    stage.pause()
    stage.wait(3)
    assert_nothing_is_missing(stage)
    assert stage.presentation.statistics().samples_dropped == 0


def test_an_encoder_that_never_drained_costs_the_next_publisher_no_sound() -> None:
    stage = WatchedStage()
    play_encoded(stage, 0.0, 0.2, seconds=4, breaks=False)
    high, small = (on_grid(video(track, seconds=5.9))[120:] for track in (HIGH, SMALL))
    stage.push(high, small[:40], audio(seconds=5.9)[188:])
    stage.pause()
    stage.start(AUDIO, expected=LADDER)
    stage.push(audio(at=6.15, breaks=True))
    stage.wait(3)
    assert stage.gaps("audio") == []
    assert stage.presentation.statistics().samples_dropped == 0
