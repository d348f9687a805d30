"""One function for each box that we write; each docstring names its clause.

Unless said otherwise a clause is one of ISO/IEC 14496-12:2022. Every function returns the whole
box, header included. Numbers that do not fit their field raise UsageError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction

from segmenter.errors import UsageError

TRACK_ID = 1
"""CMAF has one track per file (ISO/IEC 23000-19 7.3.1), so its number says nothing."""

NTP_EPOCH_OFFSET_S = 2_208_988_800
"""Seconds from 1900-01-01 (NTP's epoch, RFC 5905 6) to 1970-01-01."""

PRODUCER_TIME_CAPTURED = 24
"""prft flags: the wall clock of capture, consistent over all fragments (8.16.5)."""

_PRFT = struct.Struct(">I4sIIQQ")
_UNITY_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def pack(layout: str, *values: int | bytes) -> bytes:
    """``struct.pack`` in network order; raises UsageError when a value does not fit."""
    try:
        return struct.pack(">" + layout, *values)
    except struct.error as error:
        raise UsageError(f"value does not fit its field: {values!r} ({error})") from None


def write_box(name: bytes, *payloads: bytes) -> bytes:
    """A box with a 32-bit size around the payloads (4.2.2)."""
    body = b"".join(payloads)
    return pack("I4s", 8 + len(body), name) + body


def write_full_box(name: bytes, version: int, flags: int, *payloads: bytes) -> bytes:
    """A box with version and flags (4.2.2)."""
    return write_box(name, pack("I", version << 24 | flags), *payloads)


def write_brands(name: bytes, major: bytes, compatible: Iterable[bytes]) -> bytes:
    """ftyp (4.3) or styp (8.16.2) with minor version 0."""
    return write_box(name, major, bytes(4), *compatible)


def write_mvhd(timescale: int, next_track_id: int) -> bytes:
    """Movie header (8.2.2); duration 0, as the media is in fragments."""
    return write_full_box(
        b"mvhd",
        0,
        0,
        pack("4I", 0, 0, timescale, 0),
        pack("IHxx8x", 0x10000, 0x100),
        _UNITY_MATRIX,
        bytes(24),
        pack("I", next_track_id),
    )


def write_tkhd(track_id: int, width: Fraction | int, height: int, *, is_audio: bool) -> bytes:
    """Track header (8.3.2), enabled and in the movie; width and height as they are shown."""
    return write_full_box(
        b"tkhd",
        0,
        0x000003,
        pack("3I4xI8x", 0, 0, track_id, 0),
        pack("hhHxx", 0, 1 if is_audio else 0, 0x100 if is_audio else 0),
        _UNITY_MATRIX,
        pack("II", min(round(width * 0x10000), 0xFFFFFFFF), height << 16),
    )


def write_mdhd(timescale: int, language: str) -> bytes:
    """Media header (8.4.2); ``language`` is an ISO 639-2/T code of three letters."""
    packed = 0
    for letter in language:
        packed = packed << 5 | (ord(letter) - 0x60)
    return write_full_box(b"mdhd", 0, 0, pack("4IHxx", 0, 0, timescale, 0, packed))


def write_elng(language: str) -> bytes:
    """Extended language (8.4.6): BCP 47, which mdhd cannot hold."""
    return write_full_box(b"elng", 0, 0, language.encode() + b"\0")


def write_hdlr(kind: bytes, name: str) -> bytes:
    """Handler reference (8.4.3): ``vide`` or ``soun``."""
    return write_full_box(b"hdlr", 0, 0, pack("4x4s12x", kind), name.encode() + b"\0")


def write_vmhd() -> bytes:
    """Video media header (12.1.2); its flags are always 1."""
    return write_full_box(b"vmhd", 0, 1, bytes(8))


def write_smhd() -> bytes:
    """Sound media header (12.2.2)."""
    return write_full_box(b"smhd", 0, 0, bytes(4))


def write_dinf() -> bytes:
    """Data information (8.7.1): the media is in this same file."""
    url = write_full_box(b"url ", 0, 1)
    return write_box(b"dinf", write_full_box(b"dref", 0, 0, pack("I", 1), url))


def write_stbl(sample_entry: bytes) -> bytes:
    """Sample table (8.5.1) with one sample description and no samples (CMAF 7.5.4)."""
    return write_box(
        b"stbl",
        write_full_box(b"stsd", 0, 0, pack("I", 1), sample_entry),
        write_full_box(b"stts", 0, 0, bytes(4)),
        write_full_box(b"stsc", 0, 0, bytes(4)),
        write_full_box(b"stsz", 0, 0, bytes(8)),
        write_full_box(b"stco", 0, 0, bytes(4)),
    )


def write_trex(track_id: int) -> bytes:
    """Track extends (8.8.3): first sample description; every fragment says the rest itself."""
    return write_full_box(b"trex", 0, 0, pack("5I", track_id, 1, 0, 0, 0))


def write_btrt(bitrate: int) -> bytes:
    """Bit rate (8.5.2.2): the nominal rate as maximum and average, in bits per second."""
    return write_box(b"btrt", pack("3I", 0, bitrate, bitrate))


def write_colr(primaries: int, transfer: int, matrix: int, *, full_range: bool) -> bytes:
    """Colour information of type nclx (12.1.5), code points of ISO/IEC 23091-2."""
    return write_box(b"colr", b"nclx", pack("3HB", primaries, transfer, matrix, full_range << 7))


def write_pasp(across: int, down: int) -> bytes:
    """Pixel aspect ratio (12.1.4): width and height of one sample, relative to each other."""
    return write_box(b"pasp", pack("II", across, down))


def write_styp(*, is_last_segment: bool = False) -> bytes:
    """Segment type (8.16.2) for the first chunk of a segment.

    The brands of CMAF 7.3.3 (segment, fragment, chunk) and DASH's ``msdh``. ``lmsg`` tells a
    player that nothing follows (ISO/IEC 23009-1 6.3.4.2).
    """
    brands = (b"cmfs", b"cmff", b"cmfl", b"msdh")
    return write_brands(b"styp", b"cmfs", (*brands, b"lmsg") if is_last_segment else brands)


def ntp_timestamp(utc: float) -> int:
    """The 64-bit NTP timestamp (RFC 5905 6) of a wall clock in seconds since 1970.

    Wraps in 2036 with NTP's own era, as its readers expect.
    """
    seconds = int(utc // 1)
    fraction = int((utc - seconds) * (1 << 32))
    return ((seconds + NTP_EPOCH_OFFSET_S) << 32 | fraction) & 0xFFFF_FFFF_FFFF_FFFF


def write_prft(
    captured_utc: float, media_time: int, *, flags: int = PRODUCER_TIME_CAPTURED
) -> bytes:
    """Producer reference time (8.16.5), version 1.

    Says that the picture or sound presented at ``media_time`` (ticks of the track) was captured
    at ``captured_utc``.
    """
    captured = ntp_timestamp(captured_utc)
    try:
        return _PRFT.pack(_PRFT.size, b"prft", 1 << 24 | flags, TRACK_ID, captured, media_time)
    except struct.error as error:
        raise UsageError(f"media time {media_time} does not fit its field ({error})") from None


def write_emsg(
    scheme_id_uri: str,
    value: str,
    *,
    timescale: int,
    presentation_time: int,
    duration: int,
    event_id: int,
    message: bytes,
) -> bytes:
    """Event message (ISO/IEC 23009-1 5.10.3.3), version 1.

    ``presentation_time`` and ``duration`` are ticks of ``timescale`` on the media timeline;
    duration 0xFFFFFFFF means unknown. Stands between prft and moof.
    """
    if "\0" in scheme_id_uri or "\0" in value:
        raise UsageError("an event's scheme and value cannot hold NUL")
    return write_full_box(
        b"emsg",
        1,
        0,
        pack("IQII", timescale, presentation_time, duration, event_id),
        scheme_id_uri.encode() + b"\0",
        value.encode() + b"\0",
        message,
    )
