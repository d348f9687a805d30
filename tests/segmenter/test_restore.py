"""An origin that is killed goes on with what it had kept, and takes nothing back."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from segmenter.boundary import number_at
from segmenter.errors import UsageError
from segmenter.presentation import PresentationSettings
from segmenter.window_records import ExpiredRecord, SegmentRecord, StateRecord, replay
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, START, Stage, audio, renamed, video
from tests.segmenter.watched_stage import WatchedStage

NAMES = ("source", "360p", "audio")


def playing(seconds: float = 9, **cutting: float) -> WatchedStage:
    stage = WatchedStage(SOURCE, SMALL, AUDIO, settings=PresentationSettings(**cutting))
    stage.push(video(seconds=seconds), video(SMALL, seconds=seconds), audio(seconds=seconds))
    return stage


def come_back(stage: Stage, at: float, seconds: float = 8) -> None:
    """The publisher is back `at` so many seconds."""
    stage.wait(max(0.0, START + at - stage.now))
    stage.start(SOURCE, SMALL, AUDIO)
    rungs = [video(track, at=at, seconds=seconds, breaks=True) for track in (SOURCE, SMALL)]
    stage.push(*rungs, audio(at=at, seconds=seconds, breaks=True))


def test_the_same_segments_are_listed_at_once_and_a_gap_for_the_one_in_progress() -> None:
    stage = playing()
    before = dict(stage.playlists)
    stage.kill()
    for name in NAMES:
        entries = stage.playlists[name].entries
        assert entries[:-1] == before[name].entries
        assert entries[-1].is_gap


def test_h22_numbers_go_on_and_a_discontinuity_marks_the_gap_in_all_renditions() -> None:
    stage = playing()
    last = stage.numbers("source")[-1]
    stage.kill()
    come_back(stage, 14)
    for name in NAMES:
        entries = stage.playlists[name].entries
        numbers = [entry.msn for entry in entries]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        breaks = [entry.msn for entry in entries if entry.starts_discontinuity]
        assert breaks == [last + 2]


def test_the_segment_in_progress_when_it_was_killed_is_a_gap_and_its_number_is_not_used_again() -> (
    None
):
    stage = playing(9)
    assert stage.parts_of("source", stage.numbers("source")[-1] + 1)
    lost = stage.numbers("source")[-1] + 1
    stage.kill()
    come_back(stage, 14)
    for name in NAMES:
        gaps = [entry for entry in stage.playlists[name].entries if entry.is_gap]
        assert [entry.msn for entry in gaps] == [lost]
        assert float(gaps[0].duration) == pytest.approx(1.0, abs=0.05)


def test_without_a_segment_in_progress_there_is_no_gap() -> None:
    stage = playing(9)
    stage.pause()
    stage.wait(3)
    before = dict(stage.playlists)
    stage.kill()
    stage._render(set(NAMES))
    assert stage.playlists == before
    come_back(stage, 14)
    assert not any(e.is_gap for name in NAMES for e in stage.playlists[name].entries)


def test_target_durations_stay_though_the_new_publisher_has_longer_gops() -> None:
    stage = playing()
    stage.kill()
    stage.start(SOURCE)
    stage.push(video(at=14, seconds=30, gop=150, breaks=True))
    assert stage.playlists["source"].target_duration == 2


def test_another_format_after_a_restart_has_a_map_of_its_own() -> None:
    stage = playing()
    stage.kill()
    smaller = renamed(SMALL, "source")
    stage.start(smaller, AUDIO)
    stage.push(video(smaller, at=14, breaks=True), audio(at=14, breaks=True))
    assert len({entry.init for entry in stage.playlists["source"].entries if entry.init}) == 2


def test_a_rendition_that_does_not_come_back_gets_gaps() -> None:
    stage = playing()
    stage.kill()
    stage.start(SOURCE, AUDIO)
    stage.push(video(at=14, breaks=True), audio(at=14, breaks=True))
    assert stage.numbers("360p")[-1] >= stage.numbers("source")[-1] - 1
    assert stage.playlists["360p"].entries[-1].is_gap


def test_segments_that_had_left_the_playlists_are_served_for_a_while_after_a_restart() -> None:
    stage = playing(60, window_s=10)
    stage.pause()
    listed = stage.playlists["source"].media_sequence
    before = len(stage.expired["source"])
    stage.kill()
    assert stage.presentation.renditions["source"].media_sequence == listed
    stage.wait(9)
    assert len(stage.expired["source"]) == before
    stage.wait(30)
    assert [s.msn for s in stage.expired["source"]] == [s.msn for s in stage.segments["source"]][
        : len(stage.expired["source"])
    ]
    assert stage.expired["source"][-1].msn == listed - 1


def test_a_window_made_longer_does_not_list_again_what_had_been_removed() -> None:
    stage = playing(60, window_s=10)
    before = stage.playlists["source"].media_sequence
    stage.kill(settings=PresentationSettings(window_s=60))
    come_back(stage, 62)
    assert stage.playlists["source"].media_sequence == before


def test_what_is_before_a_hole_in_the_records_is_not_listed() -> None:
    stage = playing(20)
    middle = stage.numbers("source")[4]
    records = [
        record
        for record in stage.records
        if not (isinstance(record, SegmentRecord) and record.segment.msn == middle)
    ]
    saved = replay(records)
    assert saved is not None
    assert saved.renditions[0].contiguous[0].msn == middle + 1
    stage.begin_again(saved, stage.settings)
    come_back(stage, 22)
    assert stage.playlists["source"].media_sequence >= middle + 1


def test_records_of_what_has_expired_may_be_dropped_if_the_head_comes_first() -> None:
    stage = playing(60, window_s=10)
    head = stage.recorder.head()
    count = len(stage.records)
    stage.push(*(video(t, at=60, seconds=10) for t in (SOURCE, SMALL)), audio(at=60, seconds=10))
    saved = replay([*head, *stage.records[count:]])
    assert saved is not None
    assert [len(rendition.segments) for rendition in saved.renditions] == [5, 5, 5]
    assert {segment.init for r in saved.renditions for segment in r.segments} == {
        rendition.init for rendition in saved.renditions
    }


def test_expired_segments_are_not_restored() -> None:
    stage = playing(60, window_s=10)
    saved = replay(stage.records)
    assert saved is not None
    expired = [record for record in stage.records if isinstance(record, ExpiredRecord)]
    assert expired
    assert saved.renditions[0].segments[0].msn == stage.expired["source"][-1].msn + 1


def test_an_ended_presentation_leaves_nothing_to_restore() -> None:
    stage = playing()
    stage.end()
    assert replay(stage.records) is None


def test_of_a_presentation_without_a_segment_nothing_is_restored() -> None:
    stage = playing(0.5)
    assert any(isinstance(record, StateRecord) for record in stage.records)
    assert replay(stage.records) is None


def test_a_presentation_that_has_begun_cannot_be_restored() -> None:
    stage = playing()
    saved = replay(stage.records)
    assert saved is not None
    with pytest.raises(UsageError):
        stage.presentation.restore(saved, stage.now)


def test_media_go_on_after_the_end_of_what_was_lost() -> None:
    stage = playing(9)
    stage.kill()
    assert float(stage.presentation.end_s) == pytest.approx(START + 9, abs=0.05)


@pytest.mark.parametrize(("after_s", "lasts_s"), [(-5, 0.1), (0, 1), (5, 2)])
def test_what_was_lost_is_taken_to_last_until_now_if_that_is_no_segment_too_long(
    after_s: float, lasts_s: float
) -> None:
    stage = playing(9)
    stage.now += after_s
    stage.new_life()
    stage.kill()
    for name in NAMES:
        gap = stage.playlists[name].entries[-1]
        assert gap.is_gap
        assert float(gap.duration) == pytest.approx(lasts_s, abs=0.03)


def test_the_numbers_of_a_killed_origin_are_a_floor_for_one_that_does_not_restore_it() -> None:
    stage = playing(60)
    saved = replay(stage.records)
    assert saved is not None
    floors = PresentationSettings(
        floor_msn=saved.last_msn + 1, floor_discontinuity=saved.last_discontinuity + 1
    )
    before = stage.numbers("source")[-1]
    stage.now -= 3600
    stage.new_life()
    stage.begin_again(None, floors)
    assert number_at(START - 3600, 1) < before
    stage.start(SOURCE)
    stage.push(video(at=-3600))
    assert stage.playlists["source"].media_sequence > before
    assert stage.playlists["source"].entries[0].discontinuity > 0


@how(max_examples=25, deadline=None, derandomize=True)
@given(
    seconds=st.floats(2.1, 40),
    lost=st.integers(0, 12),
    away_s=st.floats(0, 20),
    cutting=st.builds(
        PresentationSettings,
        segment_duration_s=st.sampled_from([0.5, 2.0, 3.5]),
        window_s=st.sampled_from([6.0, 30.0]),
    ),
)
def test_whatever_records_are_missing_at_the_end_numbers_rise_by_one(
    seconds: float, lost: int, away_s: float, cutting: PresentationSettings
) -> None:
    stage = Stage(SOURCE, SMALL, AUDIO, settings=cutting)
    stage.push(video(seconds=seconds), video(SMALL, seconds=seconds), audio(seconds=seconds))
    saved = replay(stage.records[: len(stage.records) - lost])
    if saved is None:
        return
    for name in NAMES:
        stage.segments[name].clear()
    stage.begin_again(saved, dataclasses.replace(cutting, floor_msn=saved.last_msn + 1))
    come_back(stage, seconds + away_s)
    for rendition in saved.renditions:
        numbers = [s.msn for s in rendition.contiguous] + stage.numbers(rendition.name)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert stage.numbers("source")[-1] > saved.last_msn
