"""NAL units in their two packings, the same for H.264 and H.265.

Annex B puts start codes between them, ISO/IEC 14496-15 a length before each.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from segmenter.errors import MediaError

MAX_NAL_UNITS = 8192
"""In one access unit. H.264 level 6.2 allows a slice for each macroblock row and much SEI; real
encoders stay under 300. Bounds the work that a sample of one-byte NAL units can cause."""

_LENGTH = struct.Struct(">I")
_read_length = _LENGTH.unpack_from
_write_length = _LENGTH.pack
_START_CODE = b"\x00\x00\x01"


def split_annex_b(data: bytes) -> list[bytes]:
    """NAL units between start codes, without trailing zero bytes (H.264 and H.265 Annex B).

    Raises MediaError when the data have no start code or hold too many NAL units.
    """
    start = data.find(_START_CODE)
    if start < 0:
        raise MediaError(f"no Annex B start code in {len(data)} bytes")
    nals: list[bytes] = []
    while start >= 0:
        start += 3
        end = data.find(_START_CODE, start)
        # A NAL unit never ends in 00: what does is the long start code or trailing_zero_8bits.
        nal = data[start : end if end >= 0 else len(data)].rstrip(b"\x00")
        if nal:
            nals.append(nal)
            if len(nals) > MAX_NAL_UNITS:
                raise MediaError(f"more than {MAX_NAL_UNITS} NAL units in an access unit")
        start = end
    return nals


def split_length_prefixed(data: bytes, nal_length_bytes: int = 4) -> list[memoryview]:
    """NAL units of a sample as views into it; empty ones are left out (ISO/IEC 14496-15 4.3.3).

    ``nal_length_bytes`` is 1, 2 or 4. Raises MediaError when a length passes the end.
    """
    view = memoryview(data)
    size = len(data)
    nals: list[memoryview] = []
    position = 0
    while position < size:
        start = position + nal_length_bytes
        if start > size:
            raise MediaError(f"{size - position} stray bytes after the last NAL unit")
        if nal_length_bytes == 4:
            position = start + _read_length(data, position)[0]
        else:
            position = start + int.from_bytes(view[position:start], "big")
        if position > size:
            raise MediaError(f"NAL unit of {position - start} bytes in {size - start} left")
        if position > start:
            nals.append(view[start:position])
            if len(nals) > MAX_NAL_UNITS:
                raise MediaError(f"more than {MAX_NAL_UNITS} NAL units in an access unit")
    return nals


def join_length_prefixed(nals: Iterable[bytes | memoryview]) -> bytes:
    """One sample in canonical form: each NAL unit after its 4-byte length."""
    pieces: list[bytes | memoryview] = []
    for nal in nals:
        pieces.append(_write_length(len(nal)))
        pieces.append(nal)
    return b"".join(pieces)


def first_slice_type(data: bytes, shift: int, mask: int, slice_types: range) -> int:
    """Type of the first coded slice in a canonical sample; -1 when it has none.

    The slices of a picture share their type as far as random access goes, so the first decides.
    Raises MediaError when a length passes the end before a slice is found.
    """
    size = len(data)
    position = 0
    while position + 4 <= size:
        length = _read_length(data, position)[0]
        position += 4
        if length and position < size:
            nal_type = (data[position] >> shift) & mask
            if nal_type in slice_types:
                return nal_type
        position += length
    if position != size:
        raise MediaError(f"NAL unit lengths cover {position} bytes of {size}")
    return -1
