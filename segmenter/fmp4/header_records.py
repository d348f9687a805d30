"""What the boxes of ftyp and moov say, as records, and one reader for each.

A clause is one of ISO/IEC 14496-12:2022 unless named otherwise. Fields that nobody asks for are
left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from segmenter.errors import MediaError

from .cursor import Cursor


@dataclass(frozen=True, slots=True)
class Brands:
    """ftyp and styp (4.3, 8.16.2)."""

    major: str
    minor_version: int
    compatible: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MovieHeader:
    """mvhd (8.2.2)."""

    timescale: int
    duration: int


@dataclass(frozen=True, slots=True)
class TrackHeader:
    """tkhd (8.3.2); size in pixels."""

    flags: int
    track_id: int
    duration: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class EditList:
    """elst (8.6.6): (segment duration in movie ticks, media time or -1) for each edit."""

    edits: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class MediaHeader:
    """mdhd (8.4.2); ``language`` is ISO 639-2/T."""

    timescale: int
    duration: int
    language: str


@dataclass(frozen=True, slots=True)
class ExtendedLanguage:
    """elng (8.4.6): BCP 47."""

    language: str


@dataclass(frozen=True, slots=True)
class Handler:
    """hdlr (8.4.3)."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class VisualSampleEntry:
    """The fixed head of a video sample entry (12.1.3)."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class AudioSampleEntry:
    """The fixed head of an audio sample entry (12.2.3); sampling rate in Hz."""

    channels: int
    sample_rate: int


@dataclass(frozen=True, slots=True)
class CodecConfiguration:
    """avcC, hvcC, av1C, vpcC or dOps as it stands."""

    content: bytes


@dataclass(frozen=True, slots=True)
class ElementaryStream:
    """esds (ISO/IEC 14496-14 6.7.2): object type, rates, AudioSpecificConfig."""

    object_type: int
    max_bitrate: int
    average_bitrate: int
    specific_config: bytes


@dataclass(frozen=True, slots=True)
class BitRate:
    """btrt (8.5.2.2), bits per second."""

    maximum: int
    average: int


@dataclass(frozen=True, slots=True)
class Colour:
    """colr (12.1.5); the code points are 0 for other types than nclx."""

    kind: str
    primaries: int = 0
    transfer: int = 0
    matrix: int = 0
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class SampleCount:
    """How many entries stts, stsc, stco, co64 or stsz hold."""

    count: int


@dataclass(frozen=True, slots=True)
class TrackExtends:
    """trex (8.8.3): what fragments mean when they do not say it."""

    track_id: int
    description_index: int
    duration: int
    size: int
    flags: int


def _read_brands(cursor: Cursor) -> Brands:
    major, minor = cursor.four(), cursor.integer("I")
    return Brands(major, minor, tuple(cursor.four() for _ in range(cursor.remaining // 4)))


def _read_mvhd(cursor: Cursor) -> MovieHeader:
    version, _ = cursor.version_and_flags()
    timescale, duration = cursor.unpack("16xIQ" if version == 1 else "8xII")
    return MovieHeader(timescale, duration)


def _read_tkhd(cursor: Cursor) -> TrackHeader:
    version, flags = cursor.version_and_flags()
    track_id, duration = cursor.unpack("16xI4xQ" if version == 1 else "8xI4xI")
    width, height = cursor.unpack("52xII")
    return TrackHeader(flags, track_id, duration, width >> 16, height >> 16)


def _read_elst(cursor: Cursor) -> EditList:
    version, _ = cursor.version_and_flags()
    count = cursor.integer("I")
    layout, size = ("Qq4x", 20) if version == 1 else ("Ii4x", 12)
    if count * size > cursor.remaining:
        raise MediaError(f"elst of {count} edits in {cursor.remaining} bytes")
    edits = (cursor.unpack(layout) for _ in range(count))
    return EditList(tuple((duration, media_time) for duration, media_time in edits))


def _read_mdhd(cursor: Cursor) -> MediaHeader:
    version, _ = cursor.version_and_flags()
    timescale, duration = cursor.unpack("16xIQ" if version == 1 else "8xII")
    packed = cursor.integer("H")
    language = "".join(chr((packed >> shift & 31) + 0x60) for shift in (10, 5, 0))
    return MediaHeader(timescale, duration, language)


def _read_elng(cursor: Cursor) -> ExtendedLanguage:
    cursor.version_and_flags()
    return ExtendedLanguage(cursor.text())


def _read_hdlr(cursor: Cursor) -> Handler:
    cursor.unpack("8x")
    kind = cursor.four()
    cursor.unpack("12x")
    return Handler(kind, cursor.text())


def _read_visual_entry(cursor: Cursor) -> VisualSampleEntry:
    width, height = cursor.unpack("24xHH50x")
    return VisualSampleEntry(width, height)


def _read_audio_entry(cursor: Cursor) -> AudioSampleEntry:
    channels, rate = cursor.unpack("16xH6xI")
    return AudioSampleEntry(channels, rate >> 16)


def _read_configuration(cursor: Cursor) -> CodecConfiguration:
    return CodecConfiguration(cursor.rest())


def _read_esds(cursor: Cursor) -> ElementaryStream:
    cursor.version_and_flags()
    _read_descriptor_head(cursor, 0x03)
    flags = cursor.integer("2xB")
    if flags & 0x80:
        cursor.unpack("2x")
    if flags & 0x40:
        cursor.take(cursor.integer("B"))
    if flags & 0x20:
        cursor.unpack("2x")
    _read_descriptor_head(cursor, 0x04)
    object_type, maximum, average = cursor.unpack("B4xII")
    specific = b""
    if cursor.remaining:
        specific = cursor.take(_read_descriptor_head(cursor, 0x05))
    return ElementaryStream(object_type, maximum, average, specific)


def _read_descriptor_head(cursor: Cursor, tag: int) -> int:
    """The size of the descriptor that must come now (ISO/IEC 14496-1 8.3.3)."""
    found = cursor.integer("B")
    if found != tag:
        raise MediaError(f"esds has descriptor {found} where {tag} was due")
    size = 0
    for _ in range(4):
        byte = cursor.integer("B")
        size = size << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return size


def _read_btrt(cursor: Cursor) -> BitRate:
    maximum, average = cursor.unpack("4xII")
    return BitRate(maximum, average)


def _read_colr(cursor: Cursor) -> Colour:
    kind = cursor.four()
    if kind != "nclx":
        return Colour(kind)
    primaries, transfer, matrix, range_flag = cursor.unpack("3HB")
    return Colour(kind, primaries, transfer, matrix, bool(range_flag & 0x80))


def _read_count(cursor: Cursor) -> SampleCount:
    return SampleCount(cursor.integer("4xI"))


def _read_stsz(cursor: Cursor) -> SampleCount:
    return SampleCount(cursor.integer("8xI"))


def _read_trex(cursor: Cursor) -> TrackExtends:
    cursor.version_and_flags()
    return TrackExtends(*cursor.unpack("5I"))


VISUAL_ENTRIES = ("avc1", "avc3", "hvc1", "hev1", "av01", "vp08", "vp09", "encv")
AUDIO_ENTRIES = ("mp4a", "Opus", "fLaC", "ac-3", "ec-3", "enca")
VISUAL_ENTRY_BYTES, AUDIO_ENTRY_BYTES = 78, 28
"""Length of the fixed head, after which boxes follow."""

HEADER_READERS: dict[str, Callable[[Cursor], object]] = {
    "ftyp": _read_brands,
    "styp": _read_brands,
    "mvhd": _read_mvhd,
    "tkhd": _read_tkhd,
    "elst": _read_elst,
    "mdhd": _read_mdhd,
    "elng": _read_elng,
    "hdlr": _read_hdlr,
    "esds": _read_esds,
    "btrt": _read_btrt,
    "colr": _read_colr,
    "stsz": _read_stsz,
    "trex": _read_trex,
    **dict.fromkeys(("stts", "stsc", "stco", "co64"), _read_count),
    **dict.fromkeys(("avcC", "hvcC", "av1C", "vpcC", "dOps"), _read_configuration),
    **dict.fromkeys(VISUAL_ENTRIES, _read_visual_entry),
    **dict.fromkeys(AUDIO_ENTRIES, _read_audio_entry),
}
"""Name of a box to the function that reads its payload."""
