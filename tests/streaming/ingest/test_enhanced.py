"""Tags as Enhanced RTMP v2 draws them, byte for byte."""

from __future__ import annotations

import pytest

from segmenter.media import Codec
from streaming.errors import MalformedTag, UnsupportedMedia
from streaming.ingest.enhanced import MAX_MOD_EX
from streaming.ingest.flv_packet import FlvPacket, PacketKind
from streaming.ingest.flv_tag import read_audio_tag, read_video_tag

KEY, INTER, COMMAND = 0x90, 0xA0, 0xD0
SEQUENCE_START, CODED, SEQUENCE_END, CODED_X, METADATA, TS_START, MULTITRACK, MOD_EX = range(8)
AUDIO = 0x90
AUDIO_MULTICHANNEL, AUDIO_MULTITRACK = 4, 5
ONE_TRACK, MANY_TRACKS, MANY_CODECS = 0x00, 0x10, 0x20

CONFIG, FRAMES = PacketKind.CONFIG, PacketKind.FRAMES


def plain(packets: list[FlvPacket]) -> list[tuple[object, ...]]:
    return [(*packet[:5], bytes(packet.body)) for packet in packets]


def tag(first: int, *rest: bytes) -> bytes:
    return bytes((first,)) + b"".join(rest)


def nano_offset(value: int, next_type: int) -> bytes:
    return b"\x02" + value.to_bytes(3, "big") + bytes((next_type,))


# -- one track -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fourcc", "codec"),
    [
        (b"avc1", Codec.H264),
        (b"hvc1", Codec.H265),
        (b"av01", Codec.AV1),
        (b"vp09", Codec.VP9),
    ],
)
def test_a_video_sequence_start_is_a_configuration(fourcc: bytes, codec: Codec) -> None:
    packets = read_video_tag(tag(KEY | SEQUENCE_START, fourcc, b"config"))
    assert plain(packets) == [(CONFIG, codec, 0, True, 0, b"config")]


@pytest.mark.parametrize(("fourcc", "codec"), [(b"mp4a", Codec.AAC), (b"Opus", Codec.OPUS)])
def test_an_audio_sequence_start_is_a_configuration(fourcc: bytes, codec: Codec) -> None:
    packets = read_audio_tag(tag(AUDIO | SEQUENCE_START, fourcc, b"config"))
    assert plain(packets) == [(CONFIG, codec, 0, True, 0, b"config")]


@pytest.mark.parametrize(("fourcc", "codec"), [(b"avc1", Codec.H264), (b"hvc1", Codec.H265)])
def test_coded_frames_of_avc_and_hevc_carry_a_composition_offset(
    fourcc: bytes, codec: Codec
) -> None:
    packets = read_video_tag(tag(INTER | CODED, fourcc, b"\xff\xff\xde", b"nals"))
    assert plain(packets) == [(FRAMES, codec, 0, False, -34, b"nals")]


@pytest.mark.parametrize(("fourcc", "codec"), [(b"av01", Codec.AV1), (b"vp09", Codec.VP9)])
def test_coded_frames_of_other_codecs_carry_none(fourcc: bytes, codec: Codec) -> None:
    packets = read_video_tag(tag(KEY | CODED, fourcc, b"frame"))
    assert plain(packets) == [(FRAMES, codec, 0, True, 0, b"frame")]


@pytest.mark.parametrize(("fourcc", "codec"), [(b"hvc1", Codec.H265), (b"avc1", Codec.H264)])
def test_coded_frames_x_save_the_offset(fourcc: bytes, codec: Codec) -> None:
    packets = read_video_tag(tag(KEY | CODED_X, fourcc, b"nals"))
    assert plain(packets) == [(FRAMES, codec, 0, True, 0, b"nals")]


def test_opus_frames() -> None:
    packets = read_audio_tag(tag(AUDIO | CODED, b"Opus", b"packet"))
    assert plain(packets) == [(FRAMES, Codec.OPUS, 0, True, 0, b"packet")]


@pytest.mark.parametrize("kind", [SEQUENCE_END, METADATA, TS_START, 8, 15])
def test_other_and_unknown_video_packets_are_skipped(kind: int) -> None:
    assert read_video_tag(tag(KEY | kind, b"hvc1", b"whatever")) == []


@pytest.mark.parametrize("kind", [2, AUDIO_MULTICHANNEL, 6, 15])
def test_other_and_unknown_audio_packets_are_skipped(kind: int) -> None:
    assert read_audio_tag(tag(AUDIO | kind, b"Opus", b"whatever")) == []


@pytest.mark.parametrize("command", [0, 1])
def test_a_seek_command_has_no_fourcc_and_is_skipped(command: int) -> None:
    assert read_video_tag(tag(COMMAND | CODED, bytes((command,)))) == []


@pytest.mark.parametrize("fourcc", [b"vp08", b"vvc1", b"\xff\xff\xff\xff"])
def test_a_video_codec_we_do_not_take_is_named(fourcc: bytes) -> None:
    with pytest.raises(UnsupportedMedia, match=r"video codec .* send H\.264, HEVC, AV1 or VP9"):
        read_video_tag(tag(KEY | SEQUENCE_START, fourcc, b"config"))


@pytest.mark.parametrize("fourcc", [b"fLaC", b"ac-3", b"ec-3"])
def test_an_audio_codec_we_do_not_take_is_named(fourcc: bytes) -> None:
    says = f"'{fourcc.decode()}' is not supported here; send AAC, MP3 or Opus"
    with pytest.raises(UnsupportedMedia, match=says):
        read_audio_tag(tag(AUDIO | SEQUENCE_START, fourcc, b"config"))


def test_mp3_has_no_configuration_and_is_taken_for_the_first_track_alone() -> None:
    frames = read_audio_tag(tag(AUDIO | CODED, b".mp3", b"frame"))
    assert plain(frames) == [(FRAMES, Codec.MP3, 0, True, 0, b"frame")]
    assert read_audio_tag(tag(AUDIO | SEQUENCE_START, b".mp3", b"anything")) == []
    for fourcc, count in ((b".mp3", 0), (b"Opus", 1)):
        head = bytes((ONE_TRACK | CODED,)) + fourcc + b"\x01"
        assert len(read_audio_tag(tag(AUDIO | AUDIO_MULTITRACK, head, b"frame"))) == count


# -- ModEx -----------------------------------------------------------------------------------------


def test_a_nanosecond_offset_is_read_over() -> None:
    data = tag(KEY | MOD_EX, nano_offset(999_999, CODED_X), b"hvc1", b"nals")
    assert plain(read_video_tag(data)) == [(FRAMES, Codec.H265, 0, True, 0, b"nals")]


def test_the_same_for_audio() -> None:
    data = tag(AUDIO | MOD_EX, nano_offset(1, CODED), b"Opus", b"packet")
    assert plain(read_audio_tag(data)) == [(FRAMES, Codec.OPUS, 0, True, 0, b"packet")]


def test_an_extension_of_256_bytes_or_more_has_a_16_bit_size() -> None:
    data = tag(KEY | MOD_EX, b"\xff\x01\x2b", bytes(300), bytes((CODED_X,)), b"hvc1", b"nals")
    assert plain(read_video_tag(data)) == [(FRAMES, Codec.H265, 0, True, 0, b"nals")]


def test_unknown_extensions_are_skipped() -> None:
    data = tag(KEY | MOD_EX, b"\x00x" + bytes((0x70 | MOD_EX,)), b"\x01xy\x91", b"av01", b"frame")
    assert plain(read_video_tag(data)) == [(FRAMES, Codec.AV1, 0, True, 0, b"frame")]


def test_there_is_a_limit_to_extensions() -> None:
    one = nano_offset(1, MOD_EX)
    assert read_video_tag(tag(KEY | MOD_EX, one * (MAX_MOD_EX - 2), nano_offset(1, 3), b"av01x"))
    with pytest.raises(MalformedTag, match="ModEx"):
        read_video_tag(tag(KEY | MOD_EX, one * 1000))


# -- multitrack ------------------------------------------------------------------------------------


def test_one_track_with_an_id() -> None:
    data = tag(KEY | MULTITRACK, bytes((ONE_TRACK | CODED_X,)), b"hvc1", b"\x01", b"nals")
    assert plain(read_video_tag(data)) == [(FRAMES, Codec.H265, 1, True, 0, b"nals")]


def test_many_tracks_of_one_codec() -> None:
    data = tag(
        KEY | MULTITRACK,
        bytes((MANY_TRACKS | CODED,)) + b"avc1",
        b"\x00\x00\x00\x05\x00\x00\x21aa",
        b"\x02\x00\x00\x04\x00\x00\x00b",
    )
    assert plain(read_video_tag(data)) == [
        (FRAMES, Codec.H264, 0, True, 33, b"aa"),
        (FRAMES, Codec.H264, 2, True, 0, b"b"),
    ]


def test_many_tracks_of_many_codecs() -> None:
    data = tag(
        AUDIO | AUDIO_MULTITRACK,
        bytes((MANY_CODECS | SEQUENCE_START,)),
        b"mp4a\x00\x00\x00\x02aa",
        b"Opus\x01\x00\x00\x03bbb",
    )
    assert plain(read_audio_tag(data)) == [
        (CONFIG, Codec.AAC, 0, True, 0, b"aa"),
        (CONFIG, Codec.OPUS, 1, True, 0, b"bbb"),
    ]


def test_multitrack_behind_an_extension() -> None:
    data = tag(
        KEY | MOD_EX,
        nano_offset(5, MULTITRACK),
        bytes((ONE_TRACK | CODED_X,)) + b"av01\x03frame",
    )
    assert plain(read_video_tag(data)) == [(FRAMES, Codec.AV1, 3, True, 0, b"frame")]


def test_a_further_track_in_an_unknown_codec_is_left_out() -> None:
    data = tag(
        AUDIO | AUDIO_MULTITRACK,
        bytes((MANY_CODECS | CODED,)),
        b"mp4a\x00\x00\x00\x02aa",
        b"ac-3\x01\x00\x00\x03bbb",
    )
    assert plain(read_audio_tag(data)) == [(FRAMES, Codec.AAC, 0, True, 0, b"aa")]


def test_an_unknown_arrangement_of_tracks_is_skipped() -> None:
    assert read_video_tag(tag(KEY | MULTITRACK, b"\x31", b"avc1", b"whatever")) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (bytes((ONE_TRACK | MULTITRACK,)) + b"avc1\x00", "inside"),
        (bytes((MANY_TRACKS | CODED,)) + b"avc1\x00\x00\x00\x05aa", "passes the end"),
        (bytes((MANY_TRACKS | CODED_X,)) + b"avc1" + b"\x01\x00\x00\x01a" * 2, "twice"),
        (bytes((MANY_TRACKS | CODED,)) + b"avc1\x00\x00", "cut off"),
        (bytes((MANY_CODECS | CODED,)) + b"av", "cut off"),
        (bytes((ONE_TRACK | CODED,)) + b"avc1", "cut off"),
        (b"", "cut off"),
    ],
)
def test_a_broken_envelope_is_malformed(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedTag, match=reason):
        read_video_tag(tag(KEY | MULTITRACK, body))


@pytest.mark.parametrize(
    "data",
    [
        tag(KEY | CODED_X, b"hv"),
        tag(KEY | CODED, b"hvc1", b"\x00\x00"),
        tag(KEY | MOD_EX),
        tag(KEY | MOD_EX, b"\x02\x00"),
        tag(KEY | MOD_EX, b"\xff\x00"),
        tag(KEY | MOD_EX, b"\x00x"),
    ],
)
def test_a_tag_that_is_cut_off_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedTag, match="cut off"):
        read_video_tag(data)
