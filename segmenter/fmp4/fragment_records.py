"""What the boxes of a media segment say, as records, and one reader for each.

A clause is one of ISO/IEC 14496-12:2022 unless named otherwise.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from segmenter.errors import MediaError

from .boxes import NTP_EPOCH_OFFSET_S
from .cursor import Cursor


@dataclass(frozen=True, slots=True)
class MovieFragmentHeader:
    """mfhd (8.8.5)."""

    sequence_number: int


@dataclass(frozen=True, slots=True)
class TrackFragmentHeader:
    """tfhd (8.8.7); None where the field is absent."""

    flags: int
    track_id: int
    base_data_offset: int | None
    description_index: int | None
    duration: int | None
    size: int | None
    sample_flags: int | None

    @property
    def base_is_moof(self) -> bool:
        """default-base-is-moof."""
        return bool(self.flags & 0x020000)


@dataclass(frozen=True, slots=True)
class DecodeTime:
    """tfdt (8.8.12), ticks of the track."""

    version: int
    base_media_decode_time: int


@dataclass(frozen=True, slots=True)
class TrackRun:
    """trun (8.8.8); a column is None where it is absent."""

    version: int
    sample_count: int
    data_offset: int | None
    first_sample_flags: int | None
    durations: tuple[int, ...] | None
    sizes: tuple[int, ...] | None
    flags: tuple[int, ...] | None
    composition_offsets: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class ProducerTime:
    """prft (8.16.5): ``media_time`` (ticks) was at the wall clock ``utc`` (seconds)."""

    flags: int
    track_id: int
    utc: float
    media_time: int


@dataclass(frozen=True, slots=True)
class EventMessage:
    """emsg (ISO/IEC 23009-1 5.10.3.3); in version 0 the time is relative to the segment."""

    version: int
    scheme_id_uri: str
    value: str
    timescale: int
    presentation_time: int
    duration: int
    event_id: int
    message: bytes


@dataclass(frozen=True, slots=True)
class SegmentReference:
    """One row of sidx."""

    is_index: bool
    size: int
    duration: int
    starts_with_sap: bool


@dataclass(frozen=True, slots=True)
class SegmentIndex:
    """sidx (8.16.3)."""

    reference_id: int
    timescale: int
    earliest_presentation_time: int
    first_offset: int
    references: tuple[SegmentReference, ...]


def _read_mfhd(cursor: Cursor) -> MovieFragmentHeader:
    return MovieFragmentHeader(cursor.integer("4xI"))


def _read_tfhd(cursor: Cursor) -> TrackFragmentHeader:
    _, flags = cursor.version_and_flags()
    track_id = cursor.integer("I")
    fields = [
        cursor.integer(layout) if flags & bit else None
        for bit, layout in ((0x1, "Q"), (0x2, "I"), (0x8, "I"), (0x10, "I"), (0x20, "I"))
    ]
    return TrackFragmentHeader(flags, track_id, *fields)


def _read_tfdt(cursor: Cursor) -> DecodeTime:
    version, _ = cursor.version_and_flags()
    return DecodeTime(version, cursor.integer("Q" if version == 1 else "I"))


def _read_trun(cursor: Cursor) -> TrackRun:
    version, flags = cursor.version_and_flags()
    count = cursor.integer("I")
    data_offset = cursor.integer("i") if flags & 0x1 else None
    first_flags = cursor.integer("I") if flags & 0x4 else None
    present = [bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800)]
    width = sum(present)
    if 4 * width * count > cursor.remaining:
        raise MediaError(f"trun of {count} samples in {cursor.remaining} bytes")
    table = cursor.take(4 * width * count)
    values = struct.unpack(f">{width * count}I", table)
    columns = iter([values[column::width] for column in range(width)])
    durations, sizes, sample_flags, offsets = (
        next(columns) if is_present else None for is_present in present
    )
    # Version 0 says unsigned, yet writers put negative offsets there; none means 2**31 or more.
    if offsets is not None:
        offsets = tuple(o - (1 << 32) if o >= 1 << 31 else o for o in offsets)
    return TrackRun(
        version, count, data_offset, first_flags, durations, sizes, sample_flags, offsets
    )


def _read_prft(cursor: Cursor) -> ProducerTime:
    version, flags = cursor.version_and_flags()
    track_id, seconds, fraction = cursor.unpack("III")
    media_time = cursor.integer("Q" if version == 1 else "I")
    # Below the offset the clock is in NTP's next era, which begins in 2036.
    if seconds < NTP_EPOCH_OFFSET_S:
        seconds += 1 << 32
    utc = seconds - NTP_EPOCH_OFFSET_S + fraction / (1 << 32)
    return ProducerTime(flags, track_id, utc, media_time)


def _read_emsg(cursor: Cursor) -> EventMessage:
    version, _ = cursor.version_and_flags()
    if version == 0:
        scheme, value = cursor.text(), cursor.text()
        timescale, time, duration, event_id = cursor.unpack("IIII")
    else:
        timescale, time, duration, event_id = cursor.unpack("IQII")
        scheme, value = cursor.text(), cursor.text()
    return EventMessage(version, scheme, value, timescale, time, duration, event_id, cursor.rest())


def _read_sidx(cursor: Cursor) -> SegmentIndex:
    version, _ = cursor.version_and_flags()
    reference_id, timescale = cursor.unpack("II")
    earliest, first_offset = cursor.unpack("QQ" if version == 1 else "II")
    count = cursor.integer("2xH")
    rows = (cursor.unpack("III") for _ in range(count))
    references = tuple(
        SegmentReference(bool(size >> 31), size & 0x7FFFFFFF, duration, bool(sap >> 31))
        for size, duration, sap in rows
    )
    return SegmentIndex(reference_id, timescale, earliest, first_offset, references)


FRAGMENT_READERS: dict[str, Callable[[Cursor], object]] = {
    "mfhd": _read_mfhd,
    "tfhd": _read_tfhd,
    "tfdt": _read_tfdt,
    "trun": _read_trun,
    "prft": _read_prft,
    "emsg": _read_emsg,
    "sidx": _read_sidx,
}
"""Name of a box to the function that reads its payload."""
