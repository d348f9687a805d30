"""The timeline, one behaviour at a time."""

from __future__ import annotations

import itertools

import pytest

from segmenter.codecs.aac import write_audio_specific_config
from segmenter.errors import UsageError
from segmenter.media import Codec, Sample, Track
from segmenter.timeline import MPEG_TS_CLOCK, RTMP_CLOCK, Timeline, TimelineState

NOW = 1_800_000_000.0
"""A moment that is a whole number of ticks of every timescale used here."""

VIDEO = Track("source", Codec.H264, 90_000, b"\x01", width=640, height=360)
AUDIO = Track("audio", Codec.AAC, 48_000, write_audio_specific_config(48_000, 2))
AUDIO_44 = Track("audio", Codec.AAC, 44_100, write_audio_specific_config(44_100, 2))
OPUS = Track("audio", Codec.OPUS, 48_000, b"")

V0 = int(NOW) * 90_000
A0 = int(NOW) * 48_000


def video(dts: int, *, key: bool = False, offset: int = 0, data: bytes = b"v") -> Sample:
    return Sample("source", dts, dts + offset, data, key)


def audio(dts: int, data: bytes = b"a") -> Sample:
    return Sample("audio", dts, dts, data, True)


def started(*tracks: Track, floor_utc: float = 0.0) -> Timeline:
    timeline = Timeline(floor_utc)
    timeline.start(tracks, RTMP_CLOCK)
    return timeline


def push_all(timeline: Timeline, samples: list[Sample], now: float = NOW) -> list[Sample]:
    """Each sample arrives when its dts says, counted from the first one."""
    first = samples[0].dts
    out: list[Sample] = []
    for sample in samples:
        out += timeline.push(sample, now + (sample.dts - first) / 1000)
    return out


def frames(start: int, count: int, step: int = 40, gop: int = 25) -> list[Sample]:
    return [video(start + i * step, key=i % gop == 0) for i in range(count)]


def both(start: int, length: int, key: int = 0) -> list[Sample]:
    """Interleaved 25 fps video, key frame at ``key`` and then each second, and AAC."""
    samples = [video(start + t, key=(t - key) % 1000 == 0) for t in range(0, length, 40)]
    samples += [audio(start + n * 1024 // 48) for n in range(length * 48 // 1024)]
    return sorted(samples, key=lambda sample: sample.dts)


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


def of(track: str, samples: list[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.track == track]


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


# -- wraps


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


# -- audio


@pytest.mark.parametrize(("track", "scale"), [(AUDIO, 48_000), (AUDIO_44, 44_100)])
def test_aac_in_flv_milliseconds_is_counted_by_its_frames(track: Track, scale: int) -> None:
    out = push_all(started(track), [audio(n * 1_024_000 // scale) for n in range(5_000)])
    assert [s.dts for s in out] == [int(NOW) * scale + n * 1_024 for n in range(5_000)]
    assert {s.duration for s in out} == {1_024}


def test_he_aac_frames_are_twice_as_long() -> None:
    track = Track("audio", Codec.AAC, 48_000, write_audio_specific_config(48_000, 2, 5))
    out = push_all(started(track), [audio(0), audio(43), audio(85)])
    assert [s.dts - A0 for s in out] == [0, 2_048, 4_096]


def test_opus_packets_say_how_long_they_are() -> None:
    packets = [audio(0, b"\xfc"), audio(20, b"\xf4"), audio(30, b"\xfc")]
    out = push_all(started(OPUS), packets)
    assert [(s.dts - A0, s.duration) for s in out] == [(0, 960), (960, 480), (1_440, 960)]


def test_a_duration_given_with_the_sample_counts() -> None:
    timeline = started(AUDIO)
    out = timeline.push(Sample("audio", 0, 0, b"", True, duration=960), NOW)
    out += timeline.push(Sample("audio", 20, 20, b"", True, duration=960), NOW)
    assert [(s.dts - A0, s.duration) for s in out] == [(0, 960), (960, 960)]


def test_a_hole_in_audio_stays_a_hole() -> None:
    samples = [audio(n * 1024 // 48) for n in range(200) if not 50 <= n < 97]
    out = push_all(started(AUDIO), samples)
    holes = [(n, b.dts - a.dts - 1_024) for n, (a, b) in enumerate(itertools.pairwise(out))]
    assert [n for n, hole in holes if hole] == [49]
    assert out[-1].dts - A0 == pytest.approx(199 * 1_024, abs=48)


def test_audio_that_slowly_leaves_its_stamps_is_taken_back_within_the_bound() -> None:
    for stretch in (1.0005, 0.9995):
        timeline = started(AUDIO)
        worst = 0.0
        for n in range(30_000):
            stamp = int(n * 1024 / 48 * stretch)
            for placed in timeline.push(audio(stamp), NOW + stamp / 1000):
                worst = max(worst, abs((placed.dts - A0) / 48 - stamp))
        assert worst < 50
        counts = timeline.statistics()
        assert counts.audio_holes + counts.audio_dropped >= 6


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_what_is_made_up_for_audio_that_slowly_falls_behind_is_whole_frames(rate: int) -> None:
    """A part with less than a frame in it would be shorter than parts may be (H12)."""
    track = Track("audio", Codec.AAC, rate, write_audio_specific_config(rate, 2))
    stamps = [round(n * 1_024_000 / rate * 1.001) for n in range(9_000)]
    out = push_all(started(track), [audio(stamp) for stamp in stamps])
    holes = [b.dts - a.dts - 1_024 for a, b in itertools.pairwise(out)]
    assert sum(hole > 0 for hole in holes) >= 3
    assert {hole % 1_024 for hole in holes} == {0}


def test_jitter_of_a_phone_makes_no_holes() -> None:
    jitter = [0, 30, -25, 60, 0, -40, 10, 38]
    samples = [audio(10_000 + n * 1024 // 48 + jitter[n % 8]) for n in range(2_000)]
    out = push_all(started(AUDIO), samples)
    assert [s.dts - A0 for s in out] == [n * 1_024 for n in range(2_000)]


# -- publishers come and go


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
