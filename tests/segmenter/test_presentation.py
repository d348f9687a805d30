"""How a path is cut: boundaries shared by all renditions, gaps, breaks, late and lost tracks.

Every test runs on a watched stage, so that whatever else it shows, all playlists and manifests
on the way keep all rules.
"""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

import pytest

from segmenter.errors import UsageError
from segmenter.media import Sample, Track
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


# -- tracks that are late or lost -------------------------------------------------------------


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


# -- breaks -----------------------------------------------------------------------------------


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
