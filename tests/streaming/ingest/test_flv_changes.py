"""Publishers who change their tracks or formats, or have others than AVC and AAC."""

from __future__ import annotations

import av
import pytest

from segmenter.codecs.mp3 import parse_frame_header
from segmenter.media import Codec
from streaming.errors import UnsupportedMedia
from streaming.ingest.flv import (
    CHANGE_WINDOW_S,
    MAX_CHANGES,
    MAX_TRACKS,
)
from streaming.ingest.flv_lane import MAX_FRAMES_WITHOUT_TRACK
from tests.streaming.ingest.flv_publisher import (
    MONO_CONFIG_TAG,
    OTHER_CONFIG,
    OTHER_SPS,
    SAMPLES,
    Publisher,
)
from tests.streaming.ingest.rtmp.wire import (
    AAC_CONFIG,
    AUDIO_CONFIG_TAG,
    AVC_CONFIG,
    IDR,
    KEY_TAG,
    SOUND_TAG,
    VIDEO_CONFIG_TAG,
)


def test_a_repeated_configuration_changes_nothing(publisher: Publisher) -> None:
    publisher.start()
    publisher.video(VIDEO_CONFIG_TAG, 40)
    publisher.audio(AUDIO_CONFIG_TAG, 40)
    publisher.video(KEY_TAG, 40)
    assert publisher.shape == ["[source audio]", "source", "audio", "source"]


def test_a_new_configuration_gives_the_whole_list_before_its_first_sample(
    publisher: Publisher,
) -> None:
    publisher.start()
    publisher.video(b"\x17\x00\x00\x00\x00" + OTHER_CONFIG, 40)
    publisher.video(KEY_TAG, 40)
    assert publisher.shape == ["[source audio]", "source", "audio", "[source audio]", "source"]
    before, after = publisher.tracks
    assert (after[0].width, after[0].height) == (240, 320)
    assert after[1] == before[1]


def test_a_new_sampling_rate_gives_the_list_again(publisher: Publisher) -> None:
    publisher.start()
    publisher.audio(MONO_CONFIG_TAG, 40)
    assert publisher.tracks[-1][1].sample_rate == 44_100
    assert publisher.tracks[-1][1].channels == 1


def test_parameter_sets_between_the_pictures_move_to_the_track(publisher: Publisher) -> None:
    publisher.start()
    pps = bytes.fromhex("68ce06e2")
    nals = [len(nal).to_bytes(4, "big") + nal for nal in (OTHER_SPS, pps)]
    publisher.video(KEY_TAG[:5] + b"".join(nals) + IDR, 40)
    assert publisher.tracks[-1][0].width == 240
    assert publisher.samples[-1].data == IDR


def test_a_change_of_codec_keeps_the_name(publisher: Publisher) -> None:
    publisher.start()
    packets, config = clip("hevc.mp4", "video")
    publisher.video(b"\x90hvc1" + config, 40)
    publisher.video(b"\x93hvc1" + packets[0], 40)
    assert publisher.shape[-2:] == ["[source audio]", "source"]
    assert publisher.tracks[-1][0].codec is Codec.H265
    assert publisher.samples[-1].is_sync


def mp3_frame(head: bytes) -> bytes:
    return head.ljust(parse_frame_header(head).frame_bytes, b"\0")


MP3_FRAME = mp3_frame(b"\xff\xfb\x90\x44")
MONO_MP3_FRAME = mp3_frame(b"\xff\xfb\x90\xc4")
SLOW_MP3_FRAME = mp3_frame(b"\xff\xe3\x18\xc4")


@pytest.mark.parametrize("head", [b"\x2f", b"\x91.mp3"])
def test_sound_in_mp3_needs_no_configuration(publisher: Publisher, head: bytes) -> None:
    publisher.video(VIDEO_CONFIG_TAG)
    publisher.video(KEY_TAG)
    for time in (0, 26, 52):
        publisher.audio(head + MP3_FRAME, time)
    assert publisher.shape == ["[source audio]", "source", "audio", "audio", "audio"]
    track = publisher.tracks[0][1]
    assert (track.codec, track.codec_config, track.timescale) == (Codec.MP3, b"", 44_100)
    assert (track.sample_rate, track.channels) == (44_100, 2)
    assert publisher.samples[-1].data == MP3_FRAME
    assert publisher.samples[-1].dts == publisher.samples[-1].pts == 52


def test_several_mp3_frames_of_a_tag_are_several_samples(publisher: Publisher) -> None:
    publisher.announce(audiocodecid=2.0)
    publisher.audio(b"\x2f" + 3 * MP3_FRAME + b"\0")
    assert [sample.data for sample in publisher.samples] == 3 * [MP3_FRAME]


def test_another_rate_or_number_of_channels_of_mp3_is_another_track(publisher: Publisher) -> None:
    publisher.announce(audiocodecid=2.0)
    for frame in (MP3_FRAME, MONO_MP3_FRAME, MONO_MP3_FRAME, SLOW_MP3_FRAME):
        publisher.audio(b"\x2f" + frame)
    assert publisher.shape == ["[audio]", "audio", "[audio]", "audio", "audio", "[audio]", "audio"]
    forms = [(track.sample_rate, track.channels) for (track,) in publisher.tracks]
    assert forms == [(44_100, 2), (44_100, 1), (8_000, 1)]


def test_mp3_and_aac_may_follow_on_each_other(publisher: Publisher) -> None:
    publisher.start()
    publisher.audio(b"\x2f" + MP3_FRAME, 23)
    publisher.audio(b"\x2f" + MP3_FRAME, 49)
    publisher.audio(AUDIO_CONFIG_TAG, 75)
    publisher.audio(SOUND_TAG, 75)
    publisher.audio(SOUND_TAG, 98)
    codecs = [tracks[1].codec for tracks in publisher.tracks]
    assert codecs == [Codec.AAC, Codec.MP3, Codec.AAC]
    assert publisher.shape[3:] == ["[source audio]"] + 2 * ["audio"] + ["[source audio]"] + 2 * [
        "audio"
    ]


def test_mp3_that_cannot_be_read_is_left_out_and_costs_nothing_else(publisher: Publisher) -> None:
    publisher.announce(audiocodecid=2.0)
    for body in (b"", b"\0", bytes(400), MP3_FRAME[:-1], b"\xff\xfd\x90\x44" + bytes(500)):
        publisher.audio(b"\x2f" + body)
    assert publisher.out == []
    publisher.audio(b"\x2f" + MP3_FRAME)
    assert publisher.shape == ["[audio]", "audio"]
    assert publisher.demuxer.statistics().bad_tags == 5


def test_changes_without_end_are_refused(publisher: Publisher) -> None:
    publisher.start()
    publisher.now_utc = 1.0
    configs = [MONO_CONFIG_TAG, AUDIO_CONFIG_TAG]
    for index in range(MAX_CHANGES - 1):
        publisher.audio(configs[index % 2])
    with pytest.raises(UnsupportedMedia, match="tracks changed"):
        publisher.audio(configs[(MAX_CHANGES - 1) % 2])


def test_changes_now_and_then_are_fine(publisher: Publisher) -> None:
    publisher.start()
    configs = [MONO_CONFIG_TAG, AUDIO_CONFIG_TAG]
    for index in range(MAX_CHANGES * 3):
        publisher.now_utc += CHANGE_WINDOW_S / 20
        publisher.audio(configs[index % 2])
    assert len(publisher.tracks) == MAX_CHANGES * 3 + 1


# -- other codecs ----------------------------------------------------------------------------------


def clip(name: str, kind: str) -> tuple[list[bytes], bytes]:
    """Packets and configuration of one stream of a sample clip."""
    with av.open(str(SAMPLES / name)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        packets = [bytes(packet) for packet in container.demux(stream) if packet.size]
        return packets, bytes(stream.codec_context.extradata or b"")


@pytest.mark.parametrize(
    ("name", "fourcc", "codec"),
    [("av1.mp4", b"av01", Codec.AV1), ("vp9.mp4", b"vp09", Codec.VP9)],
)
def test_av1_and_vp9_start_with_their_first_key_frame(
    publisher: Publisher, name: str, fourcc: bytes, codec: Codec
) -> None:
    packets, config = clip(name, "video")
    publisher.announce(videocodecid=7)
    publisher.video(b"\x90" + fourcc + (config or b"vpcC"))
    publisher.video(b"\xa1" + fourcc + packets[1])
    assert publisher.out == []
    publisher.video(b"\x91" + fourcc + packets[0], 40)
    publisher.video(b"\xa1" + fourcc + packets[1], 80)
    assert publisher.shape == ["[source]", "source", "source"]
    (track,) = publisher.tracks[0]
    assert (track.codec, track.width, track.height) == (codec, 320, 180)
    assert [sample.is_sync for sample in publisher.samples] == [True, False]


def test_opus(publisher: Publisher) -> None:
    publisher.announce(audiocodecid=7)
    head = b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
    publisher.audio(b"\x90Opus" + head)
    publisher.audio(b"\x91Opus\xfc\xff\xfe")
    (track,) = publisher.tracks[0]
    assert (track.codec, track.timescale, track.channels) == (Codec.OPUS, 48_000, 2)
    assert publisher.samples[0].data == b"\xfc\xff\xfe"


def test_a_track_that_is_never_told_is_refused_with_a_reason(publisher: Publisher) -> None:
    packets, config = clip("av1.mp4", "video")
    publisher.video(b"\x90av01" + config)
    for _ in range(MAX_FRAMES_WITHOUT_TRACK):
        publisher.video(b"\xa1av01" + packets[1])
    with pytest.raises(UnsupportedMedia, match="no AV1 key frame"):
        publisher.video(b"\xa1av01" + packets[1])


def test_further_tracks_have_numbered_names(publisher: Publisher) -> None:
    publisher.start()
    publisher.audio(b"\x95\x00mp4a\x01" + AAC_CONFIG, 40)
    publisher.audio(b"\x95\x01mp4a\x01" + SOUND_TAG[2:], 40)
    publisher.video(b"\x96\x00avc1\x01" + AVC_CONFIG, 40)
    assert [track.name for track in publisher.tracks[-1]] == [
        "source", "source2", "audio", "audio2",
    ]  # fmt: skip
    assert publisher.samples[-1].track == "audio2"


def test_frames_of_a_further_track_without_configuration_are_left_out(
    publisher: Publisher,
) -> None:
    publisher.start()
    publisher.audio(b"\x95\x01mp4a\x01sound", 40)
    assert publisher.demuxer.statistics().left_out == 1


def test_there_is_a_limit_to_tracks_of_one_kind(publisher: Publisher) -> None:
    publisher.start()
    for track_id in range(1, 200):
        publisher.audio(b"\x95\x00mp4a" + bytes((track_id,)) + AAC_CONFIG)
    assert len(publisher.tracks[-1]) == 1 + MAX_TRACKS
    assert publisher.demuxer.statistics().left_out == 199 - (MAX_TRACKS - 1)


def test_statistics_count_samples_and_changes(publisher: Publisher) -> None:
    publisher.start()
    publisher.audio(MONO_CONFIG_TAG)
    statistics = publisher.demuxer.statistics()
    assert (statistics.samples, statistics.track_changes) == (2, 2)
