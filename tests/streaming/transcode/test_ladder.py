from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from segmenter.media import VIDEO_TIMESCALE, Codec, Track
from streaming.config_paths import PathConfig, RungConfig
from streaming.errors import ConfigError
from streaming.transcode.ladder import (
    NOT_COPIED,
    NOT_PACKAGED,
    NOTHING_OFFERED,
    SOUND_NOT_COPIED,
    SOUND_NOT_PACKAGED,
    LadderPlan,
    plan_ladder,
)
from streaming.transcode.written_ladder import validate_ladder

HIGH_AVC = bytes((1, 100, 0, 40, 0xFF))
AAC = Track("audio", Codec.AAC, 48_000, b"\x11\x90", sample_rate=48_000, channels=2)
OPUS = Track("audio", Codec.OPUS, 48_000, bytes(11), sample_rate=48_000, channels=2)


def source(width: int = 1920, height: int = 1080, fps: Fraction | int = 30, **other: Any) -> Track:
    fields: dict[str, Any] = {"codec": Codec.H264, "codec_config": HIGH_AVC} | other
    return Track(
        name="source",
        timescale=VIDEO_TIMESCALE,
        width=width,
        height=height,
        frame_rate=Fraction(fps),
        **fields,
    )


def auto(video: Track, cores: float = 99.0, **settings: Any) -> LadderPlan:
    return plan_ladder(PathConfig(**settings), video, AAC, None, cores)


def written(*rungs: RungConfig, video: Track | None = None) -> LadderPlan:
    return plan_ladder(PathConfig(ladder=rungs), video or source(), AAC, None, 99.0)


def sizes(plan: LadderPlan) -> list[tuple[str, int, int]]:
    return [(rung.name, rung.width, rung.height) for rung in plan.rungs]


def test_a_1080p_source_is_copied_with_three_rungs_below() -> None:
    plan = auto(source())
    assert plan.copies_video
    assert sizes(plan) == [("720p", 1280, 720), ("480p", 854, 480), ("360p", 640, 360)]


def test_240_lines_are_only_for_small_sources() -> None:
    assert sizes(auto(source(854, 480))) == [("360p", 640, 360), ("240p", 428, 240)]


def test_a_rung_that_is_hardly_smaller_than_the_source_is_left_out() -> None:
    assert [rung.name for rung in auto(source(1366, 768)).rungs] == ["480p", "360p"]


def test_a_tiny_source_is_copied_alone() -> None:
    plan = auto(source(320, 180))
    assert plan.copies_video
    assert not plan.needs_worker


def test_portrait_video_counts_its_shorter_side() -> None:
    assert sizes(auto(source(1080, 1920)))[0] == ("720p", 720, 1280)


def test_the_aspect_ratio_is_kept_on_even_sizes() -> None:
    for name, width, height in sizes(auto(source(1998, 1080))):
        assert width % 2 == height % 2 == 0, name
        assert abs(width / height - 1998 / 1080) < 0.01


@pytest.mark.parametrize(
    ("track", "why"),
    [
        (source(codec=Codec.H265, codec_config=b"\x01"), "HEVC"),
        (source(codec_config=bytes((1, 110, 0, 40, 0xFF))), "profile 110"),
        (source(codec=Codec.AV1, codec_config=bytes((0x81, 0x20, 0, 0))), "main profile"),
        (source(codec=Codec.VP9, codec_config=bytes((1, 0, 0, 0, 1, 31, 0x84, 1))), "4:2:0"),
    ],
)
def test_what_browsers_do_not_play_is_encoded_at_its_own_size(track: Track, why: str) -> None:
    plan = auto(track)
    assert not plan.copies_video
    assert sizes(plan)[0] == ("1080p", 1920, 1080)
    assert why in plan.reasons[0]


@pytest.mark.parametrize(
    "track",
    [
        source(codec=Codec.AV1, codec_config=bytes((0x81, 0x08, 0x0C, 0))),
        source(codec=Codec.VP9, codec_config=bytes((1, 0, 0, 0, 0, 31, 0x82, 1))),
    ],
)
def test_av1_and_vp9_are_offered_as_they_are(track: Track) -> None:
    assert auto(track).copies_video


def test_rungs_are_dropped_from_the_top_until_the_budget_holds() -> None:
    names = [[r.name for r in auto(source(), cores=c).rungs] for c in (1.2, 0.7, 0.5, 0.2)]
    assert names == [["720p", "480p", "360p"], ["480p", "360p"], ["360p"], []]


def test_the_estimate_is_within_the_budget_and_says_what_was_dropped() -> None:
    plan = auto(source(), cores=0.7)
    assert 0 < plan.cores <= 0.7
    assert "720p does not fit the CPU budget of 0.70 cores" in plan.reasons


def test_an_automatic_ladder_says_what_it_takes_of_its_budget() -> None:
    plan = auto(source(), cores=1.2)
    said = f"encoding takes about {plan.cores:.2f} of the CPU budget of 1.20 cores"
    assert said in plan.reasons
    assert not auto(source(), cores=0.2).rungs
    assert not [reason for reason in auto(source(), cores=0.2).reasons if "takes" in reason]


def test_four_k_does_not_melt_two_cores() -> None:
    plan = auto(source(3840, 2160, 60), cores=1.2)
    assert plan.copies_video
    assert plan.cores <= 1.2


def test_a_source_that_cannot_be_copied_gets_a_rung_whatever_the_budget() -> None:
    plan = auto(source(3840, 2160, 60, codec=Codec.H265), cores=0.0)
    assert [rung.name for rung in plan.rungs] == ["360p"]


def test_a_budget_of_the_path_bounds_its_share_of_the_machine() -> None:
    assert [rung.name for rung in auto(source(), cores=9, cpu_budget=0.5).rungs] == ["360p"]


def test_the_50_ms_ladder_of_the_model_is_50_ms() -> None:
    rungs = [RungConfig(name=f"r{h}", height=h) for h in (1080, 720, 480, 360)]
    assert written(*rungs).cores == pytest.approx(1.5, rel=0.05)


def test_low_rungs_of_a_fast_source_run_at_half_rate() -> None:
    divisors = {rung.name: rung.fps_divisor for rung in auto(source(fps=60)).rungs}
    assert divisors == {"720p": 1, "480p": 2, "360p": 2}
    assert all(rung.fps_divisor == 1 for rung in auto(source(fps=30)).rungs)


def test_bitrates_fall_with_the_pixels_and_stay_below_the_source() -> None:
    rates = [rung.bitrate_kbps for rung in auto(source()).rungs]
    assert rates == [2449, 1334, 866]
    poor = auto(source(bitrate=1_000_000)).rungs
    assert [rung.bitrate_kbps for rung in poor] == [1000, 1000, 866]


def test_an_impossible_frame_rate_is_taken_for_an_unknown_one() -> None:
    assert auto(source(fps=90_000)).rungs == auto(source(fps=0)).rungs


def test_nothing_higher_than_max_height_is_encoded() -> None:
    plan = auto(source(codec=Codec.H265), max_height=480)
    assert sizes(plan) == [("480p", 854, 480), ("360p", 640, 360)]


def test_a_frame_hook_keeps_the_source_from_being_copied() -> None:
    plan = auto(source(), frame_hook="a:b")
    assert not plan.copies_video
    assert plan.rungs[0].name == "1080p"


def test_a_source_of_unknown_size_is_copied() -> None:
    plan = auto(source(0, 0))
    assert (plan.copies_video, plan.rungs) == (True, ())


def test_ladder_copy_and_none_encode_no_video() -> None:
    assert auto(source(codec=Codec.H265), ladder="copy").copies_video
    none = auto(source(), ladder="none")
    assert (none.copies_video, none.rungs, none.copies_audio) == (False, (), True)


def test_key_frames_far_apart_are_remarked_on() -> None:
    assert "10.0 s apart" in plan_ladder(PathConfig(), source(), None, 10.0, 9.0).reasons[-1]


# -- written ladders -------------------------------------------------------------------------------


def test_a_written_ladder_is_taken_as_written_the_largest_first() -> None:
    plan = written(
        RungConfig(name="small", width=426, bitrate_kbps=300, preset="fast", b_frames=2),
        RungConfig(name="wide", width=1000, height=400, codec="hevc", maxrate_kbps=900),
        RungConfig(name="anything", copy=True),
    )
    assert plan.copies_video
    assert sizes(plan) == [("wide", 1000, 400), ("small", 426, 240)]
    wide, small = plan.rungs
    assert (wide.codec, wide.maxrate_kbps, wide.bitrate_kbps) == (Codec.H265, 900, 851)
    assert (small.bitrate_kbps, small.maxrate_kbps, small.bufsize_kbits) == (300, 330, 330)
    assert (small.preset, small.b_frames) == ("fast", 2)


def test_a_rung_without_a_size_has_the_sources() -> None:
    assert sizes(written(RungConfig(name="same"), video=source(641, 361))) == [("same", 640, 360)]


def test_a_rung_larger_than_the_source_is_left_out() -> None:
    plan = written(
        RungConfig(name="uhd", height=2160), RungConfig(name="hd", height=1080), video=source()
    )
    assert [rung.name for rung in plan.rungs] == ["hd"]
    assert "would scale up" in plan.reasons[0]


def test_when_all_rungs_are_larger_the_smallest_is_encoded_at_the_sources_size() -> None:
    plan = written(
        RungConfig(name="uhd", height=2160),
        RungConfig(name="hd", height=1080),
        video=source(640, 360),
    )
    assert sizes(plan) == [("hd", 640, 360)]


@pytest.mark.parametrize(
    ("rungs", "says"),
    [
        ((), "at least one rung"),
        ((RungConfig(name="a"), RungConfig(name="a")), 'two rungs .* named "a"'),
        ((RungConfig(name="source"),), 'cannot be named "source"'),
        ((RungConfig(name="audio2"),), 'cannot be named "audio2"'),
        ((RungConfig(name="Audio_aac"),), 'cannot be named "Audio_aac"'),
        ((RungConfig(name="a", bitrate_kbps=900, maxrate_kbps=800),), "below bitrate_kbps"),
        ((RungConfig(name="a", copy=True), RungConfig(name="b", copy=True)), "only one rung"),
        ((RungConfig(name="a", webrtc=True, b_frames=2),), "does not go with B-frames"),
        ((RungConfig(name="a", webrtc=True, copy=True),), "does not go with the source"),
    ],
)
def test_an_impossible_ladder_is_refused(rungs: tuple[RungConfig, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        validate_ladder(rungs)


def test_names_that_only_begin_like_the_sources_are_fine() -> None:
    validate_ladder((RungConfig(name="sourcelike"), RungConfig(name="source", copy=True)))


# -- audio -----------------------------------------------------------------------------------------


def test_aac_is_copied_and_opus_encoded() -> None:
    assert auto(source()).copies_audio
    plan = plan_ladder(PathConfig(), None, OPUS, None, 1.0)
    assert not plan.copies_audio
    assert plan.encode_audio is not None
    assert (plan.encode_audio.name, plan.encode_audio.sample_rate) == ("audio", 48_000)
    assert plan.needs_worker


@pytest.mark.parametrize(
    ("setting", "copies", "encodes"),
    [("copy", True, False), ("encode", False, True), ("none", False, False)],
)
def test_the_audio_setting_is_followed(setting: Any, copies: bool, encodes: bool) -> None:
    plan = plan_ladder(PathConfig(audio=setting), None, AAC, None, 1.0)
    assert (plan.copies_audio, plan.encode_audio is not None) == (copies, encodes)


@pytest.mark.parametrize(("sound", "encodes"), [(OPUS, True), (AAC, False)])
def test_opus_and_the_aac_made_of_it_may_be_offered_beside_each_other(
    sound: Track, encodes: bool
) -> None:
    plan = plan_ladder(PathConfig(audio="both"), None, sound, None, 1.0)
    assert (plan.copies_audio, plan.encode_audio is not None) == (True, encodes)
    assert plan.encode_audio is None or plan.encode_audio.name == "audio_aac"


MP3 = Track("audio", Codec.MP3, 44_100, b"", sample_rate=44_100, channels=1)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [("auto", None), ("encode", None), ("both", SOUND_NOT_COPIED), ("copy", SOUND_NOT_PACKAGED)],
)
@pytest.mark.parametrize("ladder", ["auto", "copy", "none"])
def test_mp3_is_encoded_and_never_offered_as_it_is(
    setting: Any, reason: str | None, ladder: Any
) -> None:
    plan = plan_ladder(PathConfig(audio=setting, ladder=ladder), None, MP3, None, 1.0)
    assert not plan.copies_audio
    made = plan.encode_audio
    assert (made is None) is (setting == "copy")
    assert made is None or (made.name, made.sample_rate, made.channels) == ("audio", 44_100, 1)
    assert {SOUND_NOT_COPIED, SOUND_NOT_PACKAGED} & set(plan.reasons) == {reason} - {None}


def test_of_mp3_nothing_is_made_where_no_sound_is_wanted() -> None:
    plan = plan_ladder(PathConfig(audio="none"), None, MP3, None, 1.0)
    assert (plan.copies_audio, plan.encode_audio) == (False, None)
    assert plan.reasons == ('the sound is left out: audio = "none"', NOTHING_OFFERED)


@pytest.mark.parametrize(
    ("settings", "video", "audio", "offers"),
    [
        ({"audio": "none"}, source(), AAC, True),
        ({"audio": "none"}, None, AAC, False),
        ({"ladder": "none"}, source(), AAC, True),
        ({"ladder": "none"}, source(), None, False),
        ({"ladder": "none", "audio": "none"}, source(), AAC, False),
        ({}, None, AAC, True),
        ({"ladder": "copy", "audio": "copy"}, None, MP3, True),  # that has words of its own
    ],
)
def test_it_is_said_where_a_path_leaves_out_all_that_comes(
    settings: dict[str, Any], video: Track | None, audio: Track | None, offers: bool
) -> None:
    plan = plan_ladder(PathConfig(**settings), video, audio, None, 4.0)
    assert (NOTHING_OFFERED not in plan.reasons) is offers


def test_encoded_sound_has_the_name_of_copied_sound_which_players_go_on_with() -> None:
    copied = plan_ladder(PathConfig(), None, AAC, None, 1.0)
    encoded = plan_ladder(PathConfig(), None, OPUS, None, 1.0)
    assert copied.copies_audio
    assert AAC.name == "audio"
    assert encoded.encode_audio is not None
    assert encoded.encode_audio.name == "audio"


def test_what_the_publisher_sends_in_several_sizes_is_not_encoded_in_them() -> None:
    layers = [source(640, 360), source(320, 180)]
    plan = plan_ladder(PathConfig(), source(1280, 720), AAC, None, 99.0, layers)
    assert [rung.name for rung in plan.rungs] == ["480p"]
    assert "360p is not encoded: the publisher sends it" in plan.reasons
    names = [rung.name for rung in written(RungConfig(name="small", height=360)).rungs]
    assert names == ["small"], "who writes a ladder gets it"


VP8 = source(640, 360, codec=Codec.VP8, codec_config=b"")


def test_vp8_is_encoded_at_its_size_and_not_offered_as_it_is() -> None:
    plan = auto(VP8)
    assert not plan.copies_video
    assert sizes(plan)[0] == ("360p", 640, 360)
    written_plan = written(RungConfig(name="source", copy=True), RungConfig(name="p"), video=VP8)
    assert not written_plan.copies_video
    assert sizes(written_plan) == [("p", 640, 360)]
    assert NOT_COPIED in written_plan.reasons


def test_vp8_alone_is_packaged_in_no_way_and_the_reason_says_what_helps() -> None:
    plan = auto(VP8, ladder="copy")
    assert not plan.copies_video
    assert plan.rungs == ()
    assert NOT_PACKAGED in plan.reasons
