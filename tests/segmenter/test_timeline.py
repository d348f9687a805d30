"""The timeline, one behaviour at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from segmenter.errors import UsageError
from segmenter.media import Sample
from segmenter.timeline import MPEG_TS_CLOCK, RTMP_CLOCK, Timeline, TimelineState
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


def test_a_publisher_may_ask_where_its_stamps_are_in_media_time() -> None:
    timeline = started(VIDEO, AUDIO)
    assert timeline.media_time("source", 5_000) is None, "nothing has come"
    placed = timeline.push(video(5_000, key=True), NOW)
    assert timeline.media_time("source", 5_000) == placed[0].dts == V0
    assert timeline.media_time("source", 5_040) == V0 + 3_600
    assert timeline.media_time("audio", 5_000) is None
    assert timeline.media_time("gone", 5_000) is None


def test_how_far_sound_is_ahead_of_the_picture_is_measured_by_their_arrival() -> None:
    timeline = started(VIDEO, AUDIO)
    timeline.push(video(0, key=True), NOW)
    assert timeline.statistics().skew_s is None, "there is no sound yet"
    timeline.push(audio(300), NOW + 0.1)
    assert timeline.statistics().skew_s == pytest.approx(0.2)
    for ms in range(40, 2000, 40):
        timeline.push(video(ms), NOW + ms / 1000)
    assert timeline.statistics().skew_s is None, "sound has stopped"


# -- the anchor


def test_the_first_sample_lands_on_its_arrival_and_the_next_by_its_own_stamp() -> None:
    timeline = started(VIDEO)
    first = timeline.push(video(5_000, key=True), NOW)
    second = timeline.push(video(5_033), NOW + 7)
    assert [s.dts for s in first + second] == [V0, V0 + 33 * 90]


def test_rtmp_milliseconds_become_video_ticks_exactly() -> None:
    out = push_all(started(VIDEO), frames(17, 2_000, step=33))
    assert [s.dts - V0 for s in out] == [i * 33 * 90 for i in range(2_000)]


def test_the_arrival_is_kept_as_capture_time_unless_one_is_known() -> None:
    timeline = started(VIDEO)
    known = Sample("source", 40, 40, b"", False, captured_utc=NOW - 1)
    assert timeline.push(video(0, key=True), NOW + 0.25)[0].captured_utc == NOW + 0.25
    assert timeline.push(known, NOW + 0.5)[0].captured_utc == NOW - 1


def test_nothing_is_placed_before_the_floor() -> None:
    timeline = started(VIDEO, floor_utc=NOW + 100)
    (first,) = timeline.push(video(0, key=True), NOW)
    assert first.dts == V0 + 100 * 90_000
    assert first.discontinuity


def test_the_first_samples_of_a_fresh_timeline_break_nothing() -> None:
    out = push_all(started(VIDEO, AUDIO), both(0, 1_000))
    assert not any(sample.discontinuity for sample in out)


def test_a_sample_of_an_unannounced_track_is_the_callers_mistake() -> None:
    with pytest.raises(UsageError, match="subtitles"):
        started(VIDEO).push(Sample("subtitles", 0, 0, b"", True), NOW)


def test_no_tracks_or_two_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError):
        Timeline().start([], RTMP_CLOCK)
    with pytest.raises(UsageError):
        Timeline().start([VIDEO, VIDEO], RTMP_CLOCK)


# -- starting together


def test_video_before_the_first_key_frame_is_left_out() -> None:
    out = push_all(started(VIDEO), [video(0), video(40), video(80, key=True), video(120)])
    assert [s.dts - V0 for s in out] == [80 * 90, 120 * 90]


def test_audio_starts_within_one_frame_after_the_first_key_frame() -> None:
    out = push_all(started(VIDEO, AUDIO), both(0, 3_000, key=600))
    first_video, first_audio = of("source", out)[0], of("audio", out)[0]
    assert first_video.is_sync
    assert 0 <= first_audio.dts / 48_000 - first_video.dts / 90_000 < 1024 / 48_000


def test_audio_alone_starts_at_once() -> None:
    assert started(AUDIO).push(audio(0), NOW)[0].dts == A0


def test_audio_waits_two_seconds_for_declared_video_and_then_starts_alone() -> None:
    timeline = started(VIDEO, AUDIO)
    samples = [audio(n * 1024 // 48) for n in range(200)]
    placed = [timeline.push(s, NOW + s.dts / 1000) for s in samples]
    first = next(i for i, out in enumerate(placed) if out)
    assert samples[first].dts == pytest.approx(2_000, abs=25)
    assert len(placed[first]) == first + 1
    assert placed[first][0].dts == A0


def test_video_that_comes_after_audio_gave_up_joins_at_its_key_frame() -> None:
    timeline = started(VIDEO, AUDIO)
    push_all(timeline, [audio(n * 1024 // 48) for n in range(200)])
    out = timeline.push(video(4_280), NOW + 4.28) + timeline.push(video(4_320, key=True), NOW + 4.3)
    assert [s.dts for s in out] == [V0 + 4_320 * 90]


def test_flush_gives_back_audio_that_was_still_waiting() -> None:
    timeline = started(VIDEO, AUDIO)
    assert push_all(timeline, [audio(0), audio(21)]) == []
    assert [s.dts for s in timeline.flush()] == [A0, A0 + 1024]
    assert timeline.statistics().state is TimelineState.RUNNING


# -- B-frames


def reordered(start: int, gops: int) -> list[Sample]:
    """25 fps, I P B B in decode order, dts two frames before the pts of an I."""
    shown = [0, 3, 1, 2, 6, 4, 5, 7]
    samples = []
    for gop in range(gops):
        for i, place in enumerate(shown):
            dts = start + (gop * 8 + i) * 40
            pts = start + (gop * 8 + place) * 40 + 80
            samples.append(Sample("source", dts, pts, b"v", i == 0))
    return samples


def test_b_frames_are_shifted_so_that_the_first_dts_is_its_pts() -> None:
    out = push_all(started(VIDEO), reordered(1_000, 3))
    assert out[0].dts == out[0].pts
    assert [(s.pts - s.dts) // 3_600 for s in out[:8]] == [0, 2, -1, -1, 2, -1, -1, 0]


@pytest.mark.parametrize("cut", [round, int])
def test_the_dts_of_every_key_frame_is_its_pts_though_both_are_whole_milliseconds(
    cut: Callable[[float], int],
) -> None:
    keys = [50 * n * 1001 / 30 for n in range(60)]
    samples = [video(cut(at), key=True, offset=cut(at + 1001 / 15) - cut(at)) for at in keys]
    out = push_all(started(VIDEO), samples)
    assert len(out) == 60
    assert len({s.pts - s.dts for s in samples}) == 2
    assert all(s.dts == s.pts for s in out)
    assert [s.pts - V0 for s in out] == [s.pts * 90 for s in samples]


def test_leading_pictures_of_a_later_open_gop_keep_their_key_frame_apart() -> None:
    gop = [video(0, key=True, offset=40), video(40, offset=120), video(80, offset=0)]
    opened = [video(120, key=True, offset=120), video(160, offset=0), video(200, offset=0)]
    out = push_all(started(VIDEO), [*gop, *opened])
    assert [(s.pts - s.dts) // 3_600 for s in out] == [0, 2, -1, 2, -1, -1]


def test_b_frames_keep_their_distance_to_audio() -> None:
    samples = sorted([*reordered(0, 10), *both(0, 3_200)[1:]], key=lambda s: s.dts)
    samples = [s for s in samples if s.track == "audio" or s.pts != s.dts]
    out = push_all(started(VIDEO, AUDIO), samples)
    shown = of("source", out)[0].pts / 90_000 - NOW
    heard = of("audio", out)[0].dts / 48_000 - NOW
    assert shown == pytest.approx(0.080)
    assert heard == pytest.approx(0.085)


def test_leading_pictures_of_an_open_gop_at_the_start_are_left_out() -> None:
    opening = [video(0, key=True, offset=80), video(40, offset=0), video(80, offset=120)]
    out = push_all(started(VIDEO), opening)
    assert [s.pts - V0 for s in out] == [80 * 90, 200 * 90]


def test_an_impossible_composition_offset_counts_as_none() -> None:
    timeline = started(VIDEO)
    out = push_all(timeline, [video(0, key=True), video(40, offset=4_000_000)])
    assert out[1].pts == out[1].dts
    assert timeline.statistics().repaired_offsets == 1


def test_a_pts_that_wrapped_before_its_dts_stays_near_it() -> None:
    timeline = Timeline()
    timeline.start([VIDEO], MPEG_TS_CLOCK)
    top = 2**33
    first = Sample("source", top - 9_000, top - 1_800, b"", True)
    second = Sample("source", top - 5_400, 1_800, b"", False)
    out = timeline.push(first, NOW) + timeline.push(second, NOW)
    assert [s.pts - out[0].pts for s in out] == [0, 3_600]
