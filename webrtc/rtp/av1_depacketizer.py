"""AV1 out of RTP (RTP Payload Format for AV1 1.0.0, 4.4)."""

from __future__ import annotations

from segmenter.codecs import av1
from segmenter.media import VIDEO_TIMESCALE, Codec, Track
from webrtc.errors import MediaPacketError
from webrtc.rtp.depacketizer import MAX_UNIT_BYTES, Unit

_CONTINUED, _CONTINUES = 0x80, 0x40
_HAS_EXTENSION, _HAS_SIZE = 0x04, 0x02
_TEMPORAL_DELIMITER = 2


class Av1Depacketizer:
    """OBUs of one temporal unit; a sequence header describes the track."""

    def __init__(self, name: str) -> None:
        self.track: Track | None = None
        self._name = name
        self._obus: list[bytes] = []
        self._open: bytearray | None = None
        self._size = 0
        self._sequence_header = b""

    def push(self, payload: bytes) -> None:
        """One packet. Raises MediaPacketError."""
        self._size += len(payload)
        if self._size > MAX_UNIT_BYTES:
            raise MediaPacketError("a temporal unit that does not end", value=self._size)
        head = payload[0]
        elements = _split_elements(payload, head >> 4 & 3)
        if bool(head & _CONTINUED) != (self._open is not None):
            raise MediaPacketError("an OBU without its beginning or end")
        for index, element in enumerate(elements):
            if index == 0 and self._open is not None:
                self._open += element
            else:
                self._open = bytearray(element)
            if index < len(elements) - 1 or not head & _CONTINUES:
                self._obus.append(bytes(self._open))
                self._open = None

    def take(self) -> Unit | None:
        """The temporal unit, which is complete. Raises MediaError and MediaPacketError."""
        obus, is_open = self._obus, self._open is not None
        self.drop()
        if is_open:
            raise MediaPacketError("an OBU without its end")
        data = b"".join(map(_with_size, obus))
        if not data:
            return None
        is_sync = av1.is_sync(data)
        if is_sync:
            self._learn(data)
        return Unit(data, is_sync)

    def drop(self) -> None:
        """What has come of the temporal unit is useless."""
        self._obus, self._open, self._size = [], None, 0

    def _learn(self, data: bytes) -> None:
        header = av1.find_sequence_header(data)
        if header is None or header == self._sequence_header:
            return
        config = av1.write_decoder_configuration(header)
        info = av1.parse_decoder_configuration(config).sequence_header
        if info is not None:
            self._sequence_header = header
            self.track = Track(
                self._name, Codec.AV1, VIDEO_TIMESCALE, config, info.width, info.height
            )


def _split_elements(payload: bytes, counted: int) -> list[bytes]:
    """OBU elements; with a count the last one has no length."""
    elements: list[bytes] = []
    position = 1
    while position < len(payload):
        if counted and len(elements) == counted - 1:
            elements.append(payload[position:])
            return elements
        size, position = _read_leb128(payload, position)
        if position + size > len(payload):
            raise MediaPacketError("an OBU element that is cut off", value=size)
        elements.append(payload[position : position + size])
        position += size
    if not elements or (counted and len(elements) != counted):
        raise MediaPacketError("an AV1 packet without its elements", value=counted)
    return elements


def _read_leb128(payload: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 28, 7):
        if position >= len(payload):
            break
        byte = payload[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
    raise MediaPacketError("a length that does not end")


def _with_size(obu: bytes) -> bytes:
    """Low-overhead form; temporal delimiters are not kept. Raises MediaPacketError."""
    if not obu or obu[0] >> 3 & 0xF == _TEMPORAL_DELIMITER:
        return b""
    if obu[0] & _HAS_SIZE:
        return obu
    head_bytes = 2 if obu[0] & _HAS_EXTENSION else 1
    if len(obu) < head_bytes:
        raise MediaPacketError("an OBU without the rest of its header")
    head = bytes((obu[0] | _HAS_SIZE,)) + obu[1:head_bytes]
    return head + _leb128(len(obu) - head_bytes) + obu[head_bytes:]


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
