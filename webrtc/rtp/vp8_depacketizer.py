"""VP8 out of RTP (RFC 7741); temporal layers are all taken."""

from __future__ import annotations

from segmenter.codecs import vp8
from segmenter.media import VIDEO_TIMESCALE, Codec, Track
from webrtc.errors import MediaPacketError
from webrtc.rtp.depacketizer import MAX_UNIT_BYTES, Unit

_EXTENDED, _START, _PARTITION = 0x80, 0x10, 0x07
_PICTURE_ID, _LEVEL_INDEX, _LAYER, _KEY_INDEX = 0x80, 0x40, 0x20, 0x10
_LONG_PICTURE_ID = 0x80


class Vp8Depacketizer:
    """Frames of one track, which a key frame describes."""

    def __init__(self, name: str) -> None:
        self.track: Track | None = None
        self._name = name
        self._frame = bytearray()

    def push(self, payload: bytes) -> None:
        """One packet. Raises MediaPacketError."""
        start = _read_descriptor(payload)
        begins = payload[0] & _START and not payload[0] & _PARTITION
        if bool(begins) is bool(self._frame):
            raise MediaPacketError("a VP8 frame without its beginning, or with two")
        self._frame += payload[start:]
        if len(self._frame) > MAX_UNIT_BYTES:
            raise MediaPacketError("a VP8 frame that does not end", value=len(self._frame))

    def take(self) -> Unit | None:
        """The frame, which is complete. Raises MediaError."""
        data = bytes(self._frame)
        self.drop()
        if not data:
            return None
        header = vp8.parse_frame_header(data)
        if header.is_key:
            track = Track(self._name, Codec.VP8, VIDEO_TIMESCALE, b"", header.width, header.height)
            if track != self.track:
                self.track = track
        return Unit(data, header.is_key)

    def drop(self) -> None:
        """What has come of the frame is useless."""
        self._frame = bytearray()


def _read_descriptor(payload: bytes) -> int:
    """Where the frame's bytes begin (4.2). Raises MediaPacketError."""
    try:
        position = 1
        if payload[0] & _EXTENDED:
            extensions = payload[1]
            position = 2
            if extensions & _PICTURE_ID:
                position += 2 if payload[position] & _LONG_PICTURE_ID else 1
            position += bool(extensions & _LEVEL_INDEX)
            position += bool(extensions & (_LAYER | _KEY_INDEX))
    except IndexError:
        raise MediaPacketError("a VP8 descriptor that is cut off", value=len(payload)) from None
    if position >= len(payload):
        raise MediaPacketError("a VP8 packet without content", value=len(payload))
    return position
