from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from segmenter.codecs import h264
from segmenter.codecs.h264_sps import SpsInfo, parse_sps
from segmenter.media import VIDEO_TIMESCALE, Codec, Track
from streaming.config_paths import PathConfig, RungConfig
from streaming.transcode.ladder import LadderPlan, plan_ladder
from tests.streaming.transcode.clips import (
    EPOCH,
    Clip,
    Made,
    decode,
    nal_types,
    picture,
    psnr,
    start_message,
    steady,
    transcode,
    video_clip,
)

GRID = VIDEO_TIMESCALE
COPY = RungConfig(name="top", copy=True)
MID = RungConfig(name="mid", height=96)
LOW = RungConfig(name="low", height=64)


def plan_for(track: Track, *rungs: RungConfig) -> LadderPlan:
    return plan_ladder(PathConfig(ladder=rungs), track, None, None, 8.0)


def sps_of(track: Track) -> SpsInfo:
    return parse_sps(h264.parse_decoder_configuration(track.codec_config).sps[0])


def two_rungs(clip: Clip) -> LadderPlan:
    return plan_for(clip.track, COPY, MID, LOW)


@pytest.mark.parametrize(
    "frame_rate",
    [Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(30), Fraction(60)],
    ids=["24", "25", "29.97", "30", "60"],
)
def test_rungs_beside_the_source_have_its_frames_and_its_key_frames(frame_rate: Fraction) -> None:
    clip = video_clip(steady(50, frame_rate), gop=20, frame_rate=frame_rate)
    made = transcode(start_message(two_rungs(clip), clip.track), clip.samples)
    for name in ("mid", "low"):
        assert made.pts(name) == [sample.pts for sample in clip.samples]
        assert made.key_pts(name) == clip.key_pts


def test_a_source_of_variable_rate_is_followed_to_the_tick() -> None:
    steps = [1500, 3000, 4500, 9000, 2999, 3001, 18_000, 1501]
    pts = [EPOCH + sum(steps[n % 8] for n in range(count)) for count in range(48)]
    clip = video_clip(pts, gop=11)
    made = transcode(start_message(two_rungs(clip), clip.track), clip.samples)
    assert made.pts("low") == pts
    assert made.key_pts("mid") == made.key_pts("low") == clip.key_pts


def test_without_the_source_key_frames_are_the_first_on_or_after_each_grid_line() -> None:
    clip = video_clip(steady(100, 29, EPOCH + 777), gop=40, frame_rate=29)
    plan = plan_for(clip.track, MID, LOW)
    start = start_message(plan, clip.track, segment_duration_s=1.0)
    made = transcode(start, clip.samples)
    pts = [sample.pts for sample in clip.samples]
    lines = [p for last, p in zip([0, *pts], pts, strict=False) if p // GRID != last // GRID]
    assert made.key_pts("mid") == made.key_pts("low") == lines
    assert len(lines) == 4


def test_a_key_frame_that_is_asked_for_is_the_next_and_the_grid_goes_on() -> None:
    clip = video_clip(steady(60, 30, EPOCH + 777), gop=60, frame_rate=30)
    start = start_message(plan_for(clip.track, LOW), clip.track, segment_duration_s=1.0)
    usual = transcode(start, clip.samples).key_pts("low")
    made = Made()
    made.transcoder.start(start)
    for sample in clip.samples[:10]:
        made.transcoder.write(sample)
    made.until(5)
    made.transcoder.ask_for_key_frame()
    for sample in clip.samples[10:]:
        made.transcoder.write(sample)
    made.transcoder.close()
    (more,) = set(made.key_pts("low")) - set(usual)
    assert set(usual) <= set(made.key_pts("low"))
    assert more in [sample.pts for sample in clip.samples[5:12]]


def test_a_key_frame_that_is_asked_for_from_a_time_on_is_the_same_one_in_every_rung() -> None:
    clip = video_clip(steady(60, 30, EPOCH + 777), gop=60, frame_rate=30)
    plan = plan_for(clip.track, MID, LOW)
    start = start_message(plan, clip.track, segment_duration_s=1.0)
    usual = transcode(start, clip.samples).key_pts("low")
    wanted = clip.samples[40].pts
    made = Made()
    made.transcoder.start(start)
    for sample in clip.samples[:10]:
        made.transcoder.write(sample)
    made.until(5)
    made.transcoder.ask_for_key_frame(wanted - 1)
    for sample in clip.samples[10:]:
        made.transcoder.write(sample)
    made.transcoder.close()
    assert made.key_pts("mid") == made.key_pts("low") == sorted({*usual, wanted})


def test_b_frames_of_the_source_are_put_in_order() -> None:
    clip = video_clip(steady(50, 25), gop=25, frame_rate=25, b_frames=2)
    assert any(s.pts < s.dts for s in clip.samples), "the clip has reordered frames"
    made = transcode(start_message(two_rungs(clip), clip.track), clip.samples)
    assert made.pts("low") == steady(50, 25)
    assert made.key_pts("low") == clip.key_pts
    assert all(s.dts == s.pts for s in made.samples["low"])


def test_a_rung_with_b_frames_starts_each_group_with_dts_equal_to_pts() -> None:
    clip = video_clip(steady(60, 30), gop=30, frame_rate=30)
    rung = RungConfig(name="low", height=64, b_frames=2, preset="veryfast")
    made = transcode(start_message(plan_for(clip.track, COPY, rung), clip.track), clip.samples)
    low = made.samples["low"]
    assert [s.dts for s in low] == steady(60, 30)
    assert sorted(s.pts for s in low) == steady(60, 30)
    assert [s.dts for s in low if s.is_sync] == clip.key_pts
    assert any(s.pts != s.dts for s in low)


def test_an_hevc_source_is_encoded_to_h264() -> None:
    clip = video_clip(steady(30, 30), gop=15, frame_rate=30, codec=Codec.H265)
    made = transcode(start_message(two_rungs(clip), clip.track), clip.samples)
    assert made.track("low").codec is Codec.H264
    assert made.key_pts("low") == clip.key_pts


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9"])
def test_every_codec_gives_the_same_key_frames_and_a_picture_like_the_source(codec: str) -> None:
    clip = video_clip(steady(24, 30), gop=12, frame_rate=30, size=(320, 240))
    rung = RungConfig(name="low", height=120, codec=codec, bitrate_kbps=800)  # type: ignore[arg-type]
    made = transcode(start_message(plan_for(clip.track, COPY, rung), clip.track), clip.samples)
    assert made.key_pts("low") == clip.key_pts
    assert made.pts("low") == steady(24, 30)
    frames = decode(made.track("low"), made.samples["low"])
    assert len(frames) == 24
    assert (frames[0].width, frames[0].height) == (160, 120)
    expected = picture(23, 320, 240).reformat(160, 120, interpolation="BICUBIC")
    assert psnr(frames[23], expected) > 30


def test_h264_samples_are_slices_behind_lengths_with_parameter_sets_on_the_track() -> None:
    clip = video_clip(steady(24, 30), gop=12, frame_rate=30)
    made = transcode(start_message(two_rungs(clip), clip.track), clip.samples)
    assert {t for s in made.samples["low"] if s.is_sync for t in nal_types(s)} == {5}
    assert {t for s in made.samples["low"] if not s.is_sync for t in nal_types(s)} == {1}
    assert made.track("low").codec_config[0] == 1


def test_half_the_frame_rate_keeps_every_second_frame_and_every_key_frame() -> None:
    clip = video_clip(steady(60, 60), gop=15, frame_rate=60)
    half = RungConfig(name="low", height=64, fps_divisor=2)
    made = transcode(start_message(plan_for(clip.track, COPY, MID, half), clip.track), clip.samples)
    pts = steady(60, 60)
    assert made.key_pts("low") == made.key_pts("mid") == clip.key_pts
    assert made.pts("low") == [p for n, p in enumerate(pts) if n % 15 % 2 == 0]
    assert made.track("low").frame_rate == 30


def test_a_rung_below_a_halved_one_still_has_all_frames() -> None:
    clip = video_clip(steady(30, 60), gop=30, frame_rate=60)
    half = RungConfig(name="mid", height=96, fps_divisor=2)
    made = transcode(start_message(plan_for(clip.track, COPY, half, LOW), clip.track), clip.samples)
    assert len(made.samples["mid"]) == 15
    assert len(made.samples["low"]) == 30


def test_durations_are_said_where_the_source_keeps_a_grid_of_ticks() -> None:
    clip = video_clip(steady(10, 30), gop=10, frame_rate=30)
    made = transcode(start_message(two_rungs(clip), clip.track), clip.samples)
    assert [s.duration for s in made.samples["low"]] == [0] + [3000] * 9


def test_durations_of_slides_are_left_to_who_cuts_segments() -> None:
    """One in five seconds made segments of five seconds where the target duration was two."""
    clip = video_clip(steady(4, Fraction(1, 5)), gop=1, frame_rate=Fraction(1, 5))
    made = transcode(start_message(two_rungs(clip), clip.track), clip.samples)
    assert {s.duration for s in made.samples["low"]} == {0}


def test_durations_are_not_guessed_where_it_does_not() -> None:
    milliseconds = [EPOCH + round(n * 1000 / 30) * 90 for n in range(10)]
    clip = video_clip(milliseconds, gop=10, frame_rate=30)
    made = transcode(start_message(two_rungs(clip), clip.track), clip.samples)
    assert {s.duration for s in made.samples["low"]} == {0}


@pytest.mark.parametrize(
    ("gop", "said"),
    [
        (10, [0] * 5 + [7200] * 30),
        (25, [0] * 14 + [7200] * 11 + [0, 0] + [7200] * 9),
        (70, [0] * 35),
    ],
    ids=["short GOPs", "of odd lengths", "long"],
)
def test_at_half_the_rate_durations_are_said_where_no_segment_can_begin_between(
    gop: int, said: list[int]
) -> None:
    clip = video_clip(steady(70, 25), gop=gop, frame_rate=25)
    half = RungConfig(name="low", height=64, fps_divisor=2)
    made = transcode(start_message(plan_for(clip.track, COPY, half), clip.track), clip.samples)
    assert [s.duration for s in made.samples["low"]][: len(said)] == said


def test_capture_times_stay_with_their_frames() -> None:
    clip = video_clip(steady(12, 30), gop=12, frame_rate=30, b_frames=1)
    samples = [replace(s, captured_utc=s.pts / VIDEO_TIMESCALE) for s in clip.samples]
    made = transcode(start_message(two_rungs(clip), clip.track), samples)
    assert all(s.captured_utc == s.pts / VIDEO_TIMESCALE for s in made.samples["low"])


def test_a_discontinuity_flushes_what_came_before_and_is_said_on_every_rung() -> None:
    clip = video_clip(steady(20, 30), gop=20, frame_rate=30, b_frames=2)
    later = [
        replace(s, dts=s.dts + 900_000, pts=s.pts + 900_000, discontinuity=n == 0)
        for n, s in enumerate(clip.samples)
    ]
    made = transcode(start_message(two_rungs(clip), clip.track), [*clip.samples, *later])
    for name in ("mid", "low"):
        assert made.pts(name) == steady(20, 30) + steady(20, 30, EPOCH + 900_000)
        broken = [s.pts for s in made.samples[name] if s.discontinuity]
        assert broken == [EPOCH + 900_000]
        assert made.key_pts(name) == [EPOCH, EPOCH + 900_000]


def test_a_new_size_mid_stream_loses_no_frame_of_either() -> None:
    small = video_clip(steady(20, 30), gop=20, frame_rate=30)
    large = video_clip(steady(20, 30, EPOCH + 60_000), gop=20, frame_rate=30, size=(320, 240))
    made = transcode(start_message(two_rungs(small), small.track), small.samples)
    assert made.pts("low") == steady(20, 30)

    samples = [replace(s, discontinuity=n == 0) for n, s in enumerate(large.samples)]
    rung = RungConfig(name="low", height=180)
    both = Made()
    both.transcoder.start(start_message(two_rungs(small), small.track))
    for sample in small.samples:
        both.transcoder.write(sample)
    both.transcoder.start(start_message(plan_for(large.track, COPY, rung), large.track))
    for sample in samples:
        both.transcoder.write(sample)
    both.transcoder.close()
    assert not both.failures
    assert both.pts("low") == steady(20, 30) + steady(20, 30, EPOCH + 60_000)
    assert [(t.width, t.height) for tracks in both.told for t in tracks if t.name == "low"] == [
        (86, 64),
        (240, 180),
    ]
    assert [s.pts for s in both.samples["low"] if s.discontinuity] == [EPOCH + 60_000]


def test_broken_samples_cost_a_gap_and_nothing_else() -> None:
    clip = video_clip(steady(60, 30), gop=20, frame_rate=30)
    samples = list(clip.samples)
    for n in range(25, 35):
        samples[n] = replace(samples[n], data=b"\x00\x00\x00\x05\x41garb" + bytes(20))
    made = transcode(start_message(two_rungs(clip), clip.track), samples)
    assert made.pts("low")[:25] == steady(60, 30)[:25]
    assert made.pts("low")[-20:] == steady(60, 30)[-20:]
    assert made.key_pts("low") == clip.key_pts


def test_full_range_becomes_limited_range() -> None:
    clip = video_clip(steady(5, 30), gop=5, frame_rate=30, color_range=2)
    made = transcode(start_message(two_rungs(clip), clip.track), clip.samples)
    (frame, *_) = decode(made.track("mid"), made.samples["mid"])
    assert frame.color_range == 1
    assert abs(float(frame.to_ndarray(format="gray").mean()) - _limited_mean()) < 3


def _limited_mean() -> float:
    full = picture(0, 160, 120).to_ndarray(format="yuv420p")[:120]
    return float(full.mean()) * 219 / 255 + 16


def test_an_untagged_source_is_tagged_as_players_take_its_size() -> None:
    clip = video_clip(steady(5, 30), gop=5, frame_rate=30, size=(1280, 720))
    made = transcode(start_message(plan_for(clip.track, COPY, LOW), clip.track), clip.samples)
    (frame, *_) = decode(made.track("low"), made.samples["low"])
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)


def test_pixels_that_are_not_square_stay_so() -> None:
    clip = video_clip(steady(5, 30), gop=5, frame_rate=30, sample_aspect_ratio=Fraction(4, 3))
    made = transcode(start_message(two_rungs(clip), clip.track), clip.samples)
    assert sps_of(made.track("low")).sample_aspect_ratio == Fraction(4, 3)


def test_the_bitstream_says_the_frame_rate() -> None:
    clip = video_clip(steady(5, 25), gop=5, frame_rate=25)
    made = transcode(start_message(two_rungs(clip), clip.track), clip.samples)
    assert sps_of(made.track("low")).frame_rate == 25


def test_a_rung_that_no_encoder_takes_is_left_out_and_the_others_run() -> None:
    clip = video_clip(steady(10, 30), gop=10, frame_rate=30)
    wrong = RungConfig(name="mid", height=96, preset="quickly")
    made = Made()
    made.transcoder.start(start_message(plan_for(clip.track, COPY, wrong, LOW), clip.track))
    for sample in clip.samples:
        made.transcoder.write(sample)
    made.until(10)
    assert made.transcoder.failures == {"mid": 'libx264 with preset "quickly": Invalid argument'}
    made.transcoder.close()
    assert list(made.samples) == ["low"]
    assert made.pts("low") == steady(10, 30)


def test_a_discontinuity_on_a_sample_that_does_not_decode_is_said_by_the_next_that_does() -> None:
    clip = video_clip(steady(30, 30), gop=10, frame_rate=30)
    samples = list(clip.samples)
    samples[12] = replace(samples[12], discontinuity=True)  # no key frame: nothing until 20
    made = transcode(start_message(two_rungs(clip), clip.track), samples)
    for name in ("mid", "low"):
        (broken,) = [s for s in made.samples[name] if s.discontinuity]
        assert broken.is_sync
        assert broken.pts >= samples[12].pts
