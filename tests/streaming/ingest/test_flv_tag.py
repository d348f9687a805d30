from __future__ import annotations

import pytest

from segmenter.media import Codec
from streaming.errors import MalformedTag, UnsupportedMedia
from streaming.ingest.flv_packet import FlvPacket, PacketKind
from streaming.ingest.flv_tag import read_audio_tag, read_video_tag


def plain(packets: list[FlvPacket]) -> list[tuple[object, ...]]:
    return [(*packet[:5], bytes(packet.body)) for packet in packets]


def test_an_avc_sequence_header_is_a_configuration() -> None:
    packets = read_video_tag(b"\x17\x00\x00\x00\x00avcC")
    assert plain(packets) == [(PacketKind.CONFIG, Codec.H264, 0, True, 0, b"avcC")]


@pytest.mark.parametrize(
    ("first", "is_key"), [(0x17, True), (0x27, False), (0x37, False), (0x47, False)]
)
def test_an_avc_frame_says_whether_it_is_a_key_frame(first: int, is_key: bool) -> None:
    packets = read_video_tag(bytes((first,)) + b"\x01\x00\x00\x43nals")
    assert plain(packets) == [(PacketKind.FRAMES, Codec.H264, 0, is_key, 67, b"nals")]


def test_a_composition_offset_may_be_negative() -> None:
    (packet,) = read_video_tag(b"\x27\x01\xff\xff\xffnals")
    assert packet.composition_offset == -1


@pytest.mark.parametrize("tag", [b"\x17\x02\x00\x00\x00", b"\x17\x02", b"\x27\x02\x00\x00\x00xx"])
def test_an_end_of_sequence_is_skipped(tag: bytes) -> None:
    assert read_video_tag(tag) == []


@pytest.mark.parametrize("tag", [b"\x57\x00", b"\x52\x01"])
def test_a_command_frame_is_skipped(tag: bytes) -> None:
    assert read_video_tag(tag) == []


@pytest.mark.parametrize(("packet_type", "kind"), [(0, PacketKind.CONFIG), (1, PacketKind.FRAMES)])
def test_aac_tags(packet_type: int, kind: PacketKind) -> None:
    packets = read_audio_tag(bytes((0xAF, packet_type)) + b"aac")
    assert plain(packets) == [(kind, Codec.AAC, 0, True, 0, b"aac")]


@pytest.mark.parametrize("first", [0x2F, 0x2A, 0xEE])
def test_mp3_tags_are_frames_without_a_configuration(first: int) -> None:
    packets = read_audio_tag(bytes((first,)) + b"\xff\xfb")
    assert plain(packets) == [(PacketKind.FRAMES, Codec.MP3, 0, True, 0, b"\xff\xfb")]


@pytest.mark.parametrize(
    "tag", [b"", b"\x17", b"\x17\x01", b"\x17\x01\x00\x00", b"\x1f\x00", b"\x00"]
)
def test_a_broken_video_tag_is_malformed(tag: bytes) -> None:
    with pytest.raises(MalformedTag):
        read_video_tag(tag)


@pytest.mark.parametrize("tag", [b"", b"\xaf", b"\xaf\x02x", b"\xcf\x00"])
def test_a_broken_audio_tag_is_malformed(tag: bytes) -> None:
    with pytest.raises(MalformedTag):
        read_audio_tag(tag)


@pytest.mark.parametrize(
    ("tag", "name"),
    [(b"\x12\x00", "Sorenson H.263"), (b"\x14\x00", "VP6"), (b"\x1c\x00", "HEVC under an unoff")],
)
def test_a_video_codec_we_do_not_take_is_named_with_what_to_send(tag: bytes, name: str) -> None:
    with pytest.raises(UnsupportedMedia, match=rf"{name}.* send H\.264, or HEVC, AV1 or VP9"):
        read_video_tag(tag)


@pytest.mark.parametrize(("tag", "name"), [(b"\x3f\x00", "PCM"), (b"\xb2\x00", "Speex")])
def test_an_audio_codec_we_do_not_take_is_named_with_what_to_send(tag: bytes, name: str) -> None:
    with pytest.raises(UnsupportedMedia, match=f"{name} audio .* send AAC or MP3, or Opus"):
        read_audio_tag(tag)
