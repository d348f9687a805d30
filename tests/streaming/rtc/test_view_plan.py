"""Which tracks WebRTC viewers are offered, and what has to be made for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segmenter.media import Codec, Track
from streaming.config_paths import PathConfig
from streaming.rtc.view_plan import AUDIO_NAME, VIDEO_NAME, Candidate, plan_view
from tests.segmenter.stage import AUDIO, SMALL, SOURCE

CONFIG = PathConfig()
OPUS = Track("audio", Codec.OPUS, 48_000, b"", sample_rate=48_000, channels=2)


def plain(*tracks: Track) -> list[Candidate]:
    return [Candidate(track, is_reordered=False) for track in tracks]


def test_h264_without_b_frames_passes_and_aac_becomes_opus() -> None:
    plan = plan_view(CONFIG, plain(SOURCE, AUDIO), plain(SMALL))
    assert [track.name for track in plan.offered] == ["source", "360p", AUDIO_NAME]
    assert plan.made is not None
    assert plan.made.rungs == ()
    assert plan.made.encode_audio is not None
    assert plan.made.encode_audio.codec is Codec.OPUS


def test_a_source_of_h264_and_opus_needs_no_worker() -> None:
    plan = plan_view(CONFIG, plain(SOURCE, OPUS), [])
    assert plan.offered == (SOURCE, OPUS)
    assert plan.made is None


def test_mp3_becomes_opus_as_aac_does() -> None:
    mp3 = Track("audio", Codec.MP3, 44_100, b"", sample_rate=44_100, channels=1)
    plan = plan_view(CONFIG, plain(SOURCE, mp3), [])
    assert [track.name for track in plan.offered] == ["source", AUDIO_NAME]
    assert plan.audio is mp3
    assert plan.made is not None
    assert plan.made.encode_audio is not None
    assert (plan.made.encode_audio.codec, plan.made.encode_audio.channels) == (Codec.OPUS, 1)


def test_vp8_passes_as_every_browser_decodes_it() -> None:
    vp8 = replace(SOURCE, codec=Codec.VP8, codec_config=b"")
    plan = plan_view(CONFIG, plain(vp8, OPUS), [])
    assert plan.offered == (vp8, OPUS)
    assert plan.made is None


def test_layers_of_a_publisher_are_offered_beside_its_best() -> None:
    layer = replace(SMALL, name="source_l")
    plan = plan_view(CONFIG, plain(SOURCE, layer, OPUS), [])
    assert plan.offered == (SOURCE, layer, OPUS)
    assert plan.made is None


def test_video_with_b_frames_is_encoded_once_for_all_viewers() -> None:
    plan = plan_view(CONFIG, [Candidate(SOURCE, is_reordered=True)], plain(SMALL))
    assert [track.name for track in plan.offered] == [VIDEO_NAME, "360p"]
    assert plan.made is not None
    (rung,) = plan.made.rungs
    assert (rung.width, rung.height, rung.b_frames, rung.profile) == (1280, 720, 0, "baseline")
    assert plan.video is SOURCE


@pytest.mark.parametrize("profile", ["58", "6e", "7a", "f4"])
def test_a_profile_that_no_browser_decodes_is_encoded_once_for_all_viewers(profile: str) -> None:
    """Extended, High 10, High 4:2:2, High 4:4:4."""
    odd = replace(SOURCE, codec_config=bytes.fromhex(f"01{profile}001f"))
    plan = plan_view(CONFIG, plain(odd), [])
    assert [track.name for track in plan.offered] == [VIDEO_NAME]
    assert plan.video is odd
    for usual in ("42", "4d", "64"):
        same = replace(SOURCE, codec_config=bytes.fromhex(f"01{usual}001f"))
        assert plan_view(CONFIG, plain(same), []).offered == (same,)


def test_a_rung_as_large_as_the_source_saves_that_encoding() -> None:
    rung = replace(SOURCE, name="720p")
    plan = plan_view(CONFIG, [Candidate(SOURCE, is_reordered=True)], plain(rung))
    assert plan.offered == (rung,)
    assert plan.made is None


def test_a_rung_with_b_frames_is_no_more_fit_than_a_source() -> None:
    plan = plan_view(CONFIG, plain(SOURCE), [Candidate(SMALL, is_reordered=True)])
    assert plan.offered == (SOURCE,)


def test_hevc_is_offered_beside_h264_that_everyone_decodes() -> None:
    hevc = replace(SOURCE, codec=Codec.H265)
    plan = plan_view(CONFIG, plain(hevc), [])
    assert [track.codec for track in plan.offered] == [Codec.H265, Codec.H264]


def test_what_is_made_of_4k_has_1080_lines_and_keeps_the_shape() -> None:
    large = replace(SOURCE, width=3840, height=2160, codec=Codec.H265)
    plan = plan_view(CONFIG, plain(large), [])
    assert (plan.offered[1].width, plan.offered[1].height) == (1920, 1080)


def test_sound_alone_is_offered_alone() -> None:
    plan = plan_view(CONFIG, plain(AUDIO), [])
    assert [track.name for track in plan.offered] == [AUDIO_NAME]
    assert plan.video is None
