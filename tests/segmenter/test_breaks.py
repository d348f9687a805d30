"""Discontinuities, the end, and new lives after it."""

from __future__ import annotations

import dataclasses

import pytest

from segmenter.errors import UsageError
from segmenter.presentation import Presentation, PresentationSettings
from segmenter.segment import InitReady, PresentationEnded
from tests.segmenter.stage import (
    AUDIO,
    OPUS,
    SMALL,
    SOURCE,
    START,
    audio,
    renamed,
    video,
)
from tests.segmenter.test_presentation import AAC_FRAME_S
from tests.segmenter.watched_stage import WatchedStage


def test_a_publisher_that_returns_goes_on_after_one_discontinuity() -> None:
    stage = WatchedStage(SOURCE, SMALL, AUDIO)
    stage.push(video(seconds=7), video(SMALL, seconds=7), audio(seconds=7))
    stage.pause()
    stage.wait(4)
    rungs = [video(track, at=11.3, breaks=True) for track in (SOURCE, SMALL)]
    stage.push(*rungs, audio(at=11.3, breaks=True))
    for name in ("source", "360p", "audio"):
        assert stage.starts(name)[3:5] == pytest.approx([6, 11.3], abs=AAC_FRAME_S)
        assert [s.starts_discontinuity for s in stage.segments[name]][3:5] == [False, True]
        assert stage.gaps(name) == []


def test_what_there_is_when_the_publisher_goes_is_published_at_once() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=5), audio(seconds=5))
    stage.pause()
    assert stage.lengths("source") == [2, 2, 1]


def test_a_publisher_that_goes_within_its_first_segment_leaves_a_playable_one() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=0.5), audio(seconds=0.5))
    stage.pause()
    assert stage.lengths("source") == [0.5]
    assert stage.playlists["source"].target_duration == 2


def test_encoders_give_their_last_frames_after_the_publisher_has_gone() -> None:
    stage = WatchedStage(SOURCE, SMALL, AUDIO)
    stage.push(video(seconds=5), audio(seconds=5), video(SMALL, seconds=4.5))
    stage.pause()
    stage.push(video(SMALL, seconds=5)[135:])
    stage.wait(2)
    assert stage.lengths("360p") == [2, 2, 1]


def test_a_publisher_that_returns_without_a_pause_told_breaks_all_the_same() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=5), audio(seconds=5))
    stage.push(video(at=9, breaks=True), audio(at=9, breaks=True))
    assert sum(s.starts_discontinuity for s in stage.segments["source"]) == 1
    assert stage.numbers("audio") == stage.numbers("source")


def test_a_size_change_is_a_discontinuity_with_its_own_init_section_everywhere() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=7), audio(seconds=7))
    smaller = renamed(SMALL, "source")
    stage.start(smaller, AUDIO)
    stage.push(video(smaller, at=7, breaks=True, seconds=8), audio(at=7, breaks=True, seconds=8))
    source = stage.segments["source"]
    breaks = [s for s in source if s.starts_discontinuity]
    assert len(breaks) == 1
    assert {s.init.track.width for s in source} == {1280, 640}
    assert breaks[0].init.track.width == 640
    assert [s.msn for s in stage.segments["audio"] if s.starts_discontinuity] == [breaks[0].msn]


def test_sound_that_runs_ahead_of_a_size_change_goes_on_behind_it() -> None:
    """Publishers interleave: the last frame before the change may end after the key frame began."""
    stage = WatchedStage(SOURCE, AUDIO)
    sound = audio(seconds=15)
    count = sum(sample.dts < (START + 7) * AUDIO.timescale for sample in sound) + 1
    stage.push(video(seconds=7), sound[:count])
    smaller = renamed(SMALL, "source")
    stage.start(smaller, AUDIO)
    rest = [dataclasses.replace(sound[count], discontinuity=True), *sound[count + 1 :]]
    stage.push(video(smaller, at=7, breaks=True, seconds=8), rest)
    assert stage.presentation.statistics().samples_dropped == 0
    assert all(length > 0.5 for length in stage.lengths("audio"))


def test_a_format_change_within_the_first_segment_still_has_a_target_duration() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=1), audio(seconds=1))
    smaller = renamed(SMALL, "source")
    stage.start(smaller, AUDIO)
    stage.push(video(smaller, at=1, breaks=True, seconds=8), audio(at=1, breaks=True, seconds=8))
    assert stage.numbers("audio") == stage.numbers("source")


def test_a_format_change_before_the_first_key_frame_is_no_discontinuity() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(seconds=1)[1:])
    stage.start(renamed(SMALL, "source"))
    stage.push(video(renamed(SMALL, "source"), at=2))
    assert stage.starts("source") == [2, 4, 6]
    assert not any(s.starts_discontinuity for s in stage.segments["source"])


def test_media_of_a_break_yet_to_come_do_not_lengthen_the_segment_before_it() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=1.3), audio(seconds=1.3))
    stage.push(audio(at=4.4, seconds=0.4, breaks=True))
    stage.push(video(at=4.8, breaks=True), audio(at=4.8, breaks=True))
    assert stage.lengths("audio")[0] < 1.5


def test_a_change_of_the_audio_alone_breaks_all_renditions_once() -> None:
    stage = WatchedStage(SOURCE, AUDIO, apart_s=None)
    stage.push(video(seconds=7), audio(seconds=7))
    other = dataclasses.replace(
        AUDIO, timescale=44_100, sample_rate=44_100, codec_config=b"\x12\x10"
    )
    stage.start(SOURCE, other)
    stage.push(video(seconds=20)[210:], audio(other, at=7, breaks=True, seconds=13))
    assert sum(s.starts_discontinuity for s in stage.segments["source"]) == 1
    assert stage.numbers("audio") == stage.numbers("source")
    assert not stage.segments["audio"][-1].is_gap
    assert stage.segments["audio"][-1].timescale == 44_100


def test_the_same_format_announced_again_changes_nothing() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=5), audio(seconds=5))
    assert stage.start(SOURCE, AUDIO) == []


def test_an_init_section_has_the_same_name_in_every_life() -> None:
    names = set()
    for _ in range(2):
        events = Presentation(PresentationSettings()).start([SOURCE])
        names |= {event.init.name for event in events if isinstance(event, InitReady)}
    assert len(names) == 1


def test_many_breaks_leave_numbers_rising_by_one_in_all_renditions() -> None:
    stage = WatchedStage(SOURCE, SMALL, AUDIO)
    at = 0.0
    for length in (3.3, 0.4, 5.0, 2.0, 0.1, 4.7, 6.0):
        stage.push(
            video(at=at, seconds=length, breaks=at > 0),
            video(SMALL, at=at, seconds=length, breaks=at > 0),
            audio(at=at, seconds=length, breaks=at > 0),
        )
        stage.pause()
        stage.wait(1.5)
        at += length + 1.7
    assert stage.numbers("source") == stage.numbers("360p")
    first = stage.segments["source"][0].discontinuity
    assert stage.segments["source"][-1].discontinuity == first + 6


# -- the end ----------------------------------------------------------------------------------


def test_the_end_publishes_what_there_is_and_marks_all_playlists() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=5), audio(seconds=5))
    events = stage.end()
    assert isinstance(events[-1], PresentationEnded)
    assert stage.lengths("source") == [2, 2, 1]
    assert all(playlist.is_ended for playlist in stage.playlists.values())
    assert stage.end() == []


def test_a_new_life_after_the_end_goes_on_with_higher_numbers() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(video(seconds=5))
    stage.end()
    last = stage.numbers("source")[-1]
    stage.new_life()
    stage.start(SOURCE)
    stage.push(video(at=6, seconds=5))
    assert stage.playlists["source"].media_sequence > last


def test_samples_of_unknown_tracks_are_the_callers_mistake() -> None:
    stage = WatchedStage(SOURCE)
    stage.scales["360p"] = 90_000
    with pytest.raises(UsageError, match="360p"):
        stage.push(video(SMALL))


def test_numbers_go_on_above_those_of_an_earlier_origin() -> None:
    settings = PresentationSettings(floor_msn=10**9, floor_discontinuity=77)
    stage = WatchedStage(SOURCE, settings=settings)
    stage.push(video())
    assert stage.numbers("source")[0] == 10**9
    assert stage.playlists["source"].discontinuity_sequence >= 77


def test_two_codecs_of_the_same_sound_stay_together() -> None:
    stage = WatchedStage(SOURCE, AUDIO, OPUS)
    stage.push(video(seconds=10), audio(seconds=10), audio(OPUS, seconds=10))
    assert stage.numbers("audio") == stage.numbers("audio_opus")
