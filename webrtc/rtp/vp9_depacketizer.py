"""VP9 out of RTP (RFC 9628), of which the lowest spatial layer is taken."""

from __future__ import annotations

from segmenter.codecs import vp9
from segmenter.media import VIDEO_TIMESCALE, Codec, Track
from webrtc.errors import MediaPacketError
from webrtc.rtp.depacketizer import MAX_UNIT_BYTES, Unit

_PICTURE_ID, _PREDICTED, _LAYERS, _FLEXIBLE = 0x80, 0x40, 0x20, 0x10
_BEGIN, _END, _STRUCTURE = 0x08, 0x04, 0x02


class Vp9Depacketizer:
    """Frames of one picture; a key frame describes the track."""

    def __init__(self, name: str) -> None:
        self.track: Track | None = None
        self._name = name
        self._frame = bytearray()
        self._is_open = False

    def push(self, payload: bytes) -> None:
        """One packet. Raises MediaPacketError."""
        start, layer = _read_descriptor(payload)
        if layer:
            return
        flags = payload[0]
        if flags & _BEGIN:
            self._frame, self._is_open = bytearray(), True
        if not self._is_open:
            raise MediaPacketError("a VP9 frame without its beginning")
        self._frame += payload[start:]
        if len(self._frame) > MAX_UNIT_BYTES:
            raise MediaPacketError("a VP9 frame that does not end", value=len(self._frame))
        if flags & _END:
            self._is_open = False

    def take(self) -> Unit | None:
        """The picture, which is complete. Raises MediaError and MediaPacketError."""
        data, is_open = bytes(self._frame), self._is_open
        self.drop()
        if is_open:
            raise MediaPacketError("a VP9 frame without its end")
        if not data:
            return None
        is_sync = vp9.is_sync(data)
        if is_sync:
            self._learn(data)
        return Unit(data, is_sync)

    def drop(self) -> None:
        """What has come of the picture is useless."""
        self._frame, self._is_open = bytearray(), False

    def _learn(self, frame: bytes) -> None:
        config = vp9.decoder_configuration_from_frame(frame)
        header = vp9.parse_frame_header(frame)
        track = Track(self._name, Codec.VP9, VIDEO_TIMESCALE, config, header.width, header.height)
        if track != self.track:
            self.track = track


def _read_descriptor(payload: bytes) -> tuple[int, int]:
    """Where the frame's bytes begin, and the spatial layer (4.2). Raises MediaPacketError."""
    try:
        flags, position, layer = payload[0], 1, 0
        if flags & _PICTURE_ID:
            position += 2 if payload[position] & 0x80 else 1
        if flags & _LAYERS:
            layer = payload[position] >> 1 & 7
            position += 1 if flags & _FLEXIBLE else 2
        if flags & _FLEXIBLE and flags & _PREDICTED:
            position += _reference_bytes(payload, position)
        if flags & _STRUCTURE:
            position += _structure_bytes(payload, position)
    except IndexError:
        raise MediaPacketError("a VP9 descriptor that is cut off", value=len(payload)) from None
    if position >= len(payload):
        raise MediaPacketError("a VP9 packet without content", value=len(payload))
    return position, layer


def _reference_bytes(payload: bytes, position: int) -> int:
    """P_DIFF up to three times, the last without its lowest bit."""
    for count in (1, 2, 3):
        if not payload[position + count - 1] & 1:
            return count
    raise MediaPacketError("more than three VP9 references")


def _structure_bytes(payload: bytes, position: int) -> int:
    """The scalability structure (4.2.1)."""
    start, head = position, payload[position]
    position += 1
    if head & 0x10:
        position += 4 * ((head >> 5) + 1)
    if head & 0x08:
        pictures = payload[position]
        position += 1
        for _ in range(pictures):
            position += 1 + (payload[position] >> 2 & 3)
    return position - start
