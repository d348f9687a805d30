"""Audio and video tags to packets (FLV 10.1, E.4.2 and E.4.3; Enhanced RTMP v2)."""

from __future__ import annotations

from segmenter.media import Codec
from streaming.errors import MalformedTag, UnsupportedMedia
from streaming.ingest.enhanced import read_enhanced_audio, read_enhanced_video
from streaming.ingest.flv_packet import FlvPacket, PacketKind, read_int24

_IS_ENHANCED_VIDEO = 0x80
_ENHANCED_AUDIO = 9
_AVC, _AAC = 7, 10
_MP3 = (2, 14)
"""14 is that of 8 kHz, which the first byte cannot say otherwise."""
_KEY_FRAME, _COMMAND_FRAME = 1, 5
_SEQUENCE_HEADER, _CODED = 0, 1

_VIDEO_INSTEAD = "H.264, or HEVC, AV1 or VP9 as Enhanced RTMP"
_AUDIO_INSTEAD = "AAC or MP3, or Opus as Enhanced RTMP"

_OTHER_VIDEO = {
    1: "JPEG",
    2: "Sorenson H.263",
    3: "Screen Video",
    4: "VP6",
    5: "VP6 with alpha",
    6: "Screen Video 2",
    12: "HEVC under an unofficial codec id",
}
_OTHER_AUDIO = {
    0: "PCM",
    1: "ADPCM",
    3: "PCM",
    4: "Nellymoser",
    5: "Nellymoser",
    6: "Nellymoser",
    7: "G.711 A-law",
    8: "G.711 mu-law",
    11: "Speex",
    15: "device-specific",
}


def read_video_tag(payload: bytes | bytearray) -> list[FlvPacket]:
    """Packets of one video message; none for commands, metadata and ends of sequence.

    Raises MalformedTag, and UnsupportedMedia with a text for whoever publishes.
    """
    view = memoryview(payload)
    if not payload:
        raise MalformedTag("empty video tag")
    first = payload[0]
    if first & _IS_ENHANCED_VIDEO:
        return read_enhanced_video(view)
    codec_id, frame_type = first & 0x0F, first >> 4
    if frame_type == _COMMAND_FRAME:
        return []
    if codec_id != _AVC:
        raise _refusal(_OTHER_VIDEO.get(codec_id), "video", codec_id, _VIDEO_INSTEAD)
    if len(payload) < 2:
        raise MalformedTag("video tag of 1 byte")
    packet_type = payload[1]
    if packet_type > _CODED:  # 2 is the end of sequence
        return []
    offset = read_int24(view, 2)
    kind = PacketKind.FRAMES if packet_type == _CODED else PacketKind.CONFIG
    return [FlvPacket(kind, Codec.H264, 0, frame_type == _KEY_FRAME, offset, view[5:])]


def read_audio_tag(payload: bytes | bytearray) -> list[FlvPacket]:
    """Packets of one audio message.

    Raises MalformedTag, and UnsupportedMedia with a text for whoever publishes.
    """
    view = memoryview(payload)
    if len(payload) < 2:
        raise MalformedTag(f"audio tag of {len(payload)} bytes")
    sound_format = payload[0] >> 4
    if sound_format == _ENHANCED_AUDIO:
        return read_enhanced_audio(view)
    if sound_format in _MP3:
        return [FlvPacket(PacketKind.FRAMES, Codec.MP3, 0, True, 0, view[1:])]
    if sound_format != _AAC:
        raise _refusal(_OTHER_AUDIO.get(sound_format), "audio", sound_format, _AUDIO_INSTEAD)
    kind = PacketKind.FRAMES if payload[1] == _CODED else PacketKind.CONFIG
    if payload[1] > _CODED:
        raise MalformedTag(f"AAC packet type {payload[1]}", value=payload[1])
    return [FlvPacket(kind, Codec.AAC, 0, True, 0, view[2:])]


def _refusal(
    name: str | None, media: str, code: int, instead: str
) -> MalformedTag | UnsupportedMedia:
    if name is None:
        return MalformedTag(f"{media} codec id {code} does not exist", value=code)
    return UnsupportedMedia(f"{name} {media} is not supported here; send {instead}", value=code)
