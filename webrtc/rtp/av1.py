"""AV1 in RTP (Alliance for Open Media, RTP Payload Format for AV1, version 1.0.0)."""

from __future__ import annotations

from typing import Final

from segmenter.codecs.av1 import (
    Obu,
    find_sequence_header,
    parse_decoder_configuration,
    split_obus,
)
from segmenter.errors import MediaError
from segmenter.media import Sample, Track
from webrtc.rtp.limits import MAX_PAYLOAD_BYTES

_TEMPORAL_DELIMITER: Final = 2
_TILE_LIST: Final = 8
_PADDING: Final = 15
_NOT_SENT: Final = frozenset({_TEMPORAL_DELIMITER, _TILE_LIST, _PADDING})
"""Section 5: delimiters should not, tile lists must not be there; padding says nothing."""

_CONTINUED, _CONTINUES, _NEW_SEQUENCE = 0x80, 0x40, 0x08
_HAS_EXTENSION, _HAS_SIZE = 0x04, 0x02
_LENGTH_BYTES = 2
"""leb128 of anything that fits into a packet and is not below 128."""
_MAX_COUNTED = 3
"""W has two bits: up to three elements, of which the last goes without a length."""


class Av1Packetizer:
    """Temporal units of one track; a sync sample begins with the sequence header."""

    def __init__(self, track: Track) -> None:
        config = parse_decoder_configuration(track.codec_config).config_obus
        self._sequence_header = find_sequence_header(config) if config else None

    def push(self, sample: Sample) -> list[bytes]:
        """The payloads of one temporal unit, in order. Raises MediaError."""
        obus = split_obus(sample.data)
        if sample.is_sync and self._sequence_header and not find_sequence_header(sample.data):
            obus = split_obus(self._sequence_header) + obus
        elements = [_element(obu) for obu in obus if obu.type not in _NOT_SENT]
        if not elements:
            raise MediaError("AV1 temporal unit without anything to show")
        payloads = _fill(elements)
        if sample.is_sync:
            payloads[0][0] |= _NEW_SEQUENCE
        return [bytes(payload) for payload in payloads]


def _element(obu: Obu) -> bytes:
    """An OBU without its size, which the packet tells (5)."""
    head = bytes((obu.whole[0] & ~_HAS_SIZE,))
    if obu.whole[0] & _HAS_EXTENSION:
        head += bytes(obu.whole[1:2])
    return head + obu.payload


def _fill(elements: list[bytes]) -> list[bytearray]:
    """Packets of about equal size that together hold the elements."""
    total = sum(len(element) + _LENGTH_BYTES for element in elements)
    count = -(-total // (MAX_PAYLOAD_BYTES - 1 - _LENGTH_BYTES))
    room = min(MAX_PAYLOAD_BYTES - 1, -(-total // count) + _LENGTH_BYTES)
    packets: list[bytearray] = []
    pieces: list[memoryview] = []
    left, is_continued = room, False
    for element in elements:
        rest = memoryview(element)
        while len(rest):
            if left <= _LENGTH_BYTES:
                continues = len(rest) < len(element)
                packets.append(_packet(pieces, is_continued, continues))
                pieces, left, is_continued = [], room, continues
            piece = rest[: left - _LENGTH_BYTES]
            pieces.append(piece)
            rest = rest[len(piece) :]
            left -= len(piece) + _LENGTH_BYTES
    packets.append(_packet(pieces, is_continued, False))
    return packets


def _packet(pieces: list[memoryview], is_continued: bool, continues: bool) -> bytearray:
    counted = len(pieces) if len(pieces) <= _MAX_COUNTED else 0
    head = counted << 4 | (_CONTINUED if is_continued else 0) | (_CONTINUES if continues else 0)
    packet = bytearray((head,))
    for index, piece in enumerate(pieces):
        if not counted or index < counted - 1:
            packet += _leb128(len(piece))
        packet += piece
    return packet


def _leb128(value: int) -> bytes:
    return bytes((value,)) if value < 0x80 else bytes((value & 0x7F | 0x80, value >> 7))
