"""Enhanced RTMP v2: ExVideo and ExAudio tags to packets.

Both have the same shape: a packet type, any number of ModEx extensions before it, perhaps a
multitrack envelope, a FourCC, then for each track its body. Unknown packet types and extensions
are skipped, as the specification asks; a nanosecond offset (ModEx) is read over, since our clock
for RTMP counts milliseconds.
"""

from __future__ import annotations

from segmenter.media import Codec, MediaType
from streaming.errors import MalformedTag, UnsupportedMedia
from streaming.ingest.flv_packet import FlvPacket, PacketKind, read_int24

MAX_MOD_EX = 8
"""Extensions of one packet; one kind is defined so far."""

_SEQUENCE_START, _CODED_FRAMES, _CODED_FRAMES_X = 0, 1, 3
_MOD_EX = 7
_VIDEO_METADATA, _VIDEO_MPEG2TS_START, _VIDEO_MULTITRACK = 4, 5, 6
_AUDIO_MULTITRACK = 5
_KEY_FRAME, _COMMAND_FRAME = 1, 5
_ONE_TRACK, _MANY_TRACKS, _MANY_TRACKS_MANY_CODECS = 0, 1, 2

_VIDEO_CODECS = {
    b"avc1": Codec.H264,
    b"hvc1": Codec.H265,
    b"av01": Codec.AV1,
    b"vp09": Codec.VP9,
}
_AUDIO_CODECS = {b"mp4a": Codec.AAC, b"Opus": Codec.OPUS, b".mp3": Codec.MP3}
_CODECS = {MediaType.VIDEO: _VIDEO_CODECS, MediaType.AUDIO: _AUDIO_CODECS}
_INSTEAD = {MediaType.VIDEO: "H.264, HEVC, AV1 or VP9", MediaType.AUDIO: "AAC, MP3 or Opus"}

_WITH_COMPOSITION_OFFSET = frozenset({Codec.H264, Codec.H265})


def read_enhanced_video(view: memoryview) -> list[FlvPacket]:
    """Packets of a video message whose first byte has IsExHeader set.

    Raises MalformedTag, and UnsupportedMedia for a main track in a codec we do not package.
    """
    frame_type = (view[0] >> 4) & 7
    packet_type, position = _read_mod_ex(view, view[0] & 0x0F, 1)
    if frame_type == _COMMAND_FRAME and packet_type != _VIDEO_METADATA:
        return []
    packets: list[FlvPacket] = []
    for track_id, fourcc, inner_type, body in _read_tracks(
        view, packet_type, position, _VIDEO_MULTITRACK
    ):
        if inner_type not in (_SEQUENCE_START, _CODED_FRAMES, _CODED_FRAMES_X):
            continue
        codec = _codec_of(fourcc, track_id, MediaType.VIDEO)
        if codec is None:
            continue
        offset = 0
        if inner_type == _CODED_FRAMES and codec in _WITH_COMPOSITION_OFFSET:
            offset = read_int24(body, 0)
            body = body[3:]
        kind = PacketKind.CONFIG if inner_type == _SEQUENCE_START else PacketKind.FRAMES
        packets.append(FlvPacket(kind, codec, track_id, frame_type == _KEY_FRAME, offset, body))
    return packets


def read_enhanced_audio(view: memoryview) -> list[FlvPacket]:
    """Packets of an audio message with SoundFormat 9.

    Raises MalformedTag, and UnsupportedMedia for a main track in a codec we do not take.
    """
    packet_type, position = _read_mod_ex(view, view[0] & 0x0F, 1)
    packets: list[FlvPacket] = []
    for track_id, fourcc, inner_type, body in _read_tracks(
        view, packet_type, position, _AUDIO_MULTITRACK
    ):
        if inner_type not in (_SEQUENCE_START, _CODED_FRAMES):
            continue
        codec = _codec_of(fourcc, track_id, MediaType.AUDIO)
        if codec is None or (codec is Codec.MP3 and (track_id or inner_type == _SEQUENCE_START)):
            continue  # MP3 has no configuration, and of several tracks the first alone is encoded
        kind = PacketKind.CONFIG if inner_type == _SEQUENCE_START else PacketKind.FRAMES
        packets.append(FlvPacket(kind, codec, track_id, True, 0, body))
    return packets


def _codec_of(fourcc: bytes, track_id: int, media: MediaType) -> Codec | None:
    """None for a further track that we leave out; the main track must be one we package."""
    codec = _CODECS[media].get(fourcc)
    if codec is None and track_id == 0:
        name = fourcc.decode("ascii", "replace")
        raise UnsupportedMedia(
            f"{media.value} codec {name!r} is not supported here; send {_INSTEAD[media]}",
            value=fourcc,
        )
    return codec


def _read_mod_ex(view: memoryview, packet_type: int, position: int) -> tuple[int, int]:
    """Skip the extensions; returns the packet type behind them and its position."""
    for _ in range(MAX_MOD_EX):
        if packet_type != _MOD_EX:
            return packet_type, position
        size = _read_uint(view, position, 1) + 1
        position += 1
        if size == 256:
            size = _read_uint(view, position, 2) + 1
            position += 2
        position += size
        packet_type = _read_uint(view, position, 1) & 0x0F
        position += 1
    raise MalformedTag(f"more than {MAX_MOD_EX} ModEx extensions")


def _read_tracks(
    view: memoryview, packet_type: int, position: int, multitrack: int
) -> list[tuple[int, bytes, int, memoryview]]:
    """(track id, FourCC, packet type, body) of each track in the message."""
    if packet_type != multitrack:
        return [(0, _read_fourcc(view, position), packet_type, view[position + 4 :])]
    envelope = _read_uint(view, position, 1)
    position += 1
    arrangement, packet_type = envelope >> 4, envelope & 0x0F
    if packet_type == multitrack:
        raise MalformedTag("multitrack inside multitrack")
    if arrangement > _MANY_TRACKS_MANY_CODECS:
        return []
    fourcc = b""
    if arrangement != _MANY_TRACKS_MANY_CODECS:
        fourcc = _read_fourcc(view, position)
        position += 4
    if arrangement == _ONE_TRACK:
        track_id = _read_uint(view, position, 1)
        return [(track_id, fourcc, packet_type, view[position + 1 :])]
    return _read_many(view, packet_type, position, fourcc)


def _read_many(
    view: memoryview, packet_type: int, position: int, common_fourcc: bytes
) -> list[tuple[int, bytes, int, memoryview]]:
    tracks: dict[int, tuple[int, bytes, int, memoryview]] = {}
    while position < len(view):
        fourcc = common_fourcc
        if not fourcc:
            fourcc = _read_fourcc(view, position)
            position += 4
        track_id = _read_uint(view, position, 1)
        size = _read_uint(view, position + 1, 3)
        position += 4
        if position + size > len(view):
            raise MalformedTag(f"track {track_id} of {size} bytes passes the end of its message")
        if track_id in tracks:
            raise MalformedTag(f"track {track_id} twice in one message", value=track_id)
        tracks[track_id] = (track_id, fourcc, packet_type, view[position : position + size])
        position += size
    return list(tracks.values())


def _read_fourcc(view: memoryview, position: int) -> bytes:
    fourcc = bytes(view[position : position + 4])
    if len(fourcc) < 4:
        raise MalformedTag("FourCC is cut off")
    return fourcc


def _read_uint(view: memoryview, position: int, size: int) -> int:
    field = view[position : position + size]
    if len(field) < size:
        raise MalformedTag(f"enhanced tag of {len(view)} bytes is cut off")
    return int.from_bytes(field, "big")
