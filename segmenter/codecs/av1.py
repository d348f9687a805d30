"""AV1: av1C (AV1 in ISOBMFF 2.3), sequence header and temporal units.

Canonical samples are low-overhead OBUs without temporal delimiters. All functions take a peer's
bytes and raise MediaError, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from segmenter.codecs.av1_sequence import SequenceHeader, parse_sequence_header
from segmenter.errors import MediaError

__all__ = [
    "Av1Config",
    "Obu",
    "SequenceHeader",
    "decoder_configuration_from_sample",
    "find_sequence_header",
    "is_sync",
    "parse_decoder_configuration",
    "parse_sequence_header",
    "split_obus",
    "strip_temporal_delimiters",
    "write_decoder_configuration",
]

OBU_SEQUENCE_HEADER = 1
OBU_TEMPORAL_DELIMITER = 2
OBU_FRAME_HEADER = 3
OBU_FRAME = 6

MAX_OBUS = 4096
"""In one temporal unit: 64 tile rows of 64 tiles are the most that a frame can have."""

_HAS_SIZE = 0x02
_HAS_EXTENSION = 0x04
_MAX_LEB128_BYTES = 8
_MARKER_AND_VERSION = 0x81
_CONFIG_HEAD_BYTES = 4
_EMPTY_DELIMITER = b"\x12\x00"


class Obu(NamedTuple):
    """One open bitstream unit; the views point into the sample it was read from."""

    type: int
    temporal_id: int
    spatial_id: int
    whole: memoryview
    """Header, size and payload."""
    payload: memoryview


@dataclass(frozen=True, slots=True)
class Av1Config:
    """AV1CodecConfigurationRecord."""

    profile: int
    level: int
    high_tier: bool
    bit_depth: int
    monochrome: bool
    subsampling_x: int
    subsampling_y: int
    chroma_sample_position: int
    config_obus: bytes
    """Sequence header first, then metadata; may be empty."""
    sequence_header: SequenceHeader | None
    """Parsed from ``config_obus``; None when there is none, then the size is only in samples."""


def split_obus(data: bytes | memoryview) -> list[Obu]:
    """The OBUs of a sample, in order (AV1 5.3). The last one may go without a size.

    Raises MediaError when a size passes the end.
    """
    view = memoryview(data)
    end = len(view)
    obus: list[Obu] = []
    position = 0
    while position < end:
        obu = _read_obu(view, position, end)
        obus.append(obu)
        if len(obus) > MAX_OBUS:
            raise MediaError(f"more than {MAX_OBUS} OBUs in a temporal unit")
        position += len(obu.whole)
    return obus


def _read_obu(view: memoryview, start: int, end: int) -> Obu:
    header = view[start]
    if header & 0x80:
        raise MediaError(f"OBU header {header:#04x} has its forbidden bit set")
    position = start + 1
    temporal_id = spatial_id = 0
    if header & _HAS_EXTENSION:
        if position >= end:
            raise MediaError("OBU ends before its extension")
        temporal_id, spatial_id = view[position] >> 5, (view[position] >> 3) & 3
        position += 1
    stop = end
    if header & _HAS_SIZE:
        size, position = _read_leb128(view, position, end)
        stop = position + size
        if stop > end:
            raise MediaError(f"OBU of {size} bytes in {end - position} left")
    kind = (header >> 3) & 0xF
    return Obu(kind, temporal_id, spatial_id, view[start:stop], view[position:stop])


def _read_leb128(view: memoryview, position: int, end: int) -> tuple[int, int]:
    """A leb128 number (4.10.5) and the position after it."""
    value = 0
    for index in range(_MAX_LEB128_BYTES):
        if position >= end:
            break
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position
    raise MediaError("OBU size does not end")


def _write_obu(kind: int, payload: bytes | memoryview) -> bytes:
    out = bytearray((kind << 3 | _HAS_SIZE,))
    size = len(payload)
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out) + payload


def strip_temporal_delimiters(data: bytes) -> bytes:
    """The canonical sample of a temporal unit; ``data`` itself when there is nothing to strip.

    A last OBU without a size is given one. Raises MediaError when a size passes the end.
    """
    if data[:2] == _EMPTY_DELIMITER:
        data = data[2:]
    obus = split_obus(data)
    if all(o.type != OBU_TEMPORAL_DELIMITER and o.whole[0] & _HAS_SIZE for o in obus):
        return data
    return b"".join(
        o.whole if o.whole[0] & _HAS_SIZE else _with_size(o)
        for o in obus
        if o.type != OBU_TEMPORAL_DELIMITER
    )


def _with_size(obu: Obu) -> bytes:
    sized = _write_obu(obu.type, obu.payload)
    if not obu.whole[0] & _HAS_EXTENSION:
        return sized
    return bytes((sized[0] | _HAS_EXTENSION, obu.whole[1])) + sized[1:]


def find_sequence_header(data: bytes | memoryview) -> bytes | None:
    """The first sequence header in a sample as an OBU with its size; None when there is none.

    Raises MediaError when a size passes the end.
    """
    for obu in split_obus(data):
        if obu.type == OBU_SEQUENCE_HEADER:
            return _write_obu(OBU_SEQUENCE_HEADER, obu.payload)
    return None


def is_sync(data: bytes) -> bool:
    """Whether a canonical sample starts with a key frame that is shown.

    Such frames stop all reference to what came before (AV1 7.21). Raises MediaError on broken
    OBU sizes before the first frame.
    """
    view = memoryview(data)
    end = len(view)
    position = 0
    while position < end:
        obu = _read_obu(view, position, end)
        if obu.type in (OBU_FRAME, OBU_FRAME_HEADER):
            # show_existing_frame 0, frame_type 00 (key), show_frame 1 (5.9.2)
            return len(obu.payload) > 0 and obu.payload[0] >> 4 == 1
        position += len(obu.whole)
    return False


def parse_decoder_configuration(config: bytes) -> Av1Config:
    """Parse the content of av1C, as FLV and MP4 carry it. Raises MediaError."""
    if len(config) < _CONFIG_HEAD_BYTES or config[0] != _MARKER_AND_VERSION:
        raise MediaError(f"not an AV1 configuration: {bytes(config[:4]).hex()}")
    flags = config[2]
    obus = config[_CONFIG_HEAD_BYTES:]
    header = find_sequence_header(obus)
    return Av1Config(
        profile=config[1] >> 5,
        level=config[1] & 0x1F,
        high_tier=bool(flags & 0x80),
        bit_depth=(12 if flags & 0x20 else 10) if flags & 0x40 else 8,
        monochrome=bool(flags & 0x10),
        subsampling_x=(flags >> 3) & 1,
        subsampling_y=(flags >> 2) & 1,
        chroma_sample_position=flags & 3,
        config_obus=bytes(obus),
        sequence_header=parse_sequence_header(_payload(header)) if header else None,
    )


def write_decoder_configuration(sequence_header: bytes) -> bytes:
    """The content of av1C for one sequence header OBU (OBU header included).

    Raises MediaError when it is no sequence header.
    """
    obus = split_obus(sequence_header)
    if len(obus) != 1 or obus[0].type != OBU_SEQUENCE_HEADER:
        raise MediaError("av1C needs exactly one sequence header OBU")
    info = parse_sequence_header(obus[0].payload)
    flags = (
        info.high_tier << 7
        | (info.bit_depth > 8) << 6
        | (info.bit_depth > 10) << 5
        | info.monochrome << 4
        | info.subsampling_x << 3
        | info.subsampling_y << 2
        | info.chroma_sample_position
    )
    head = bytes((_MARKER_AND_VERSION, info.profile << 5 | info.level, flags, 0))
    return head + _write_obu(OBU_SEQUENCE_HEADER, obus[0].payload)


def decoder_configuration_from_sample(data: bytes | memoryview) -> bytes:
    """av1C from the sequence header in a sample. Raises MediaError when there is none."""
    header = find_sequence_header(data)
    if header is None:
        raise MediaError("no AV1 sequence header in the sample")
    return write_decoder_configuration(header)


def _payload(sequence_header: bytes) -> memoryview:
    return split_obus(sequence_header)[0].payload
