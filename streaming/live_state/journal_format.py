"""A journal file: a mark, then records, each with its length, its sum, and perhaps media.

    │ "HEADWATR" │ version │ record │ record │ …
    record:  length │ CRC-32 │ size of media │ message │ media
             u32      u32      u64             msgpack   as served

A file is only ever appended to, so one that was cut off ends in the middle of a record, and what
is before it is whole. The CRC covers sizes and message; media are not summed (it would double the
cost of writing them), but the boxes of each part must fill it exactly when they are read again.
Sans-IO.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from segmenter.segment import InitSection, Part, Segment
from segmenter.window_records import InitRecord, Record, SegmentRecord
from streaming.live_state.journal_messages import (
    HeadMessage,
    JournalMessage,
    SegmentMessage,
    StateMessage,
    to_record,
)

VERSION: Final = 2
MARK: Final = b"HEADWATR" + struct.pack(">I", VERSION)

LONGEST_MESSAGE_BYTES: Final = 1 << 20
"""A segment of a minute with 200 ms parts is 10 kB, an init section with parameter sets 1 kB."""

MOST_MEDIA_BYTES: Final = 1 << 30
"""No segment is larger; the media store refuses them, too."""

_FRAME: Final = struct.Struct(">IIQ")
_SIZES: Final = struct.Struct(">IQ")
_BOX: Final = struct.Struct(">I4s")

ReadAt = Callable[[int, int], bytes]
"""(offset, size) -> as many bytes as there are."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(JournalMessage)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the media of a segment are, in a file or in the media store."""

    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class JournalContent:
    """What could be read of a file."""

    head: HeadMessage
    records: tuple[Record, ...]
    places: dict[tuple[str, int], Place]
    """By rendition and number: where in the file the media of segments are."""
    latest_utc: float
    """When the last state was written; 0 when none was."""
    torn_bytes: int
    """At the end, of a record that is not whole."""


def write_record(message: JournalMessage, media_bytes: int = 0) -> bytes:
    """A record up to its media, which have to follow."""
    body = _encoder.encode(message)
    sizes = _SIZES.pack(len(body), media_bytes)
    return _FRAME.pack(len(body), zlib.crc32(body, zlib.crc32(sizes)), media_bytes) + body


def read_journal(read: ReadAt, size_bytes: int) -> JournalContent | None:
    """The content of a file; None for one that is not ours, or of another version.

    Whatever is wrong in the middle ends the reading: what is before it counts.
    """
    if read(0, len(MARK)) != MARK:
        return None
    head: HeadMessage | None = None
    records: list[Record] = []
    places: dict[tuple[str, int], Place] = {}
    inits: dict[tuple[str, str], InitSection] = {}
    latest_utc = 0.0
    offset = len(MARK)
    while (found := _read_record(read, offset, size_bytes)) is not None:
        message, media = found
        if head is None:
            if not isinstance(message, HeadMessage):
                return None
            head = message
        elif isinstance(message, HeadMessage):
            break
        else:
            try:
                record = to_record(message, inits)
            except (ValueError, ZeroDivisionError):
                break
            if isinstance(message, SegmentMessage) and not _has_its_media(read, record, media):
                record = None
            if isinstance(message, StateMessage):
                latest_utc = message.at_utc
            if isinstance(record, InitRecord):
                inits[record.rendition, record.init.name] = record.init
            if isinstance(record, SegmentRecord):
                places[record.rendition, record.segment.msn] = media
            if record is not None:
                records.append(record)
        offset = media.offset + media.size_bytes
    if head is None:
        return None
    return JournalContent(head, tuple(records), places, latest_utc, size_bytes - offset)


def fragments(segment: Segment) -> tuple[Part, ...]:
    """What a segment is announced as: its parts, or without parts in playlists itself as one."""
    if segment.parts or segment.is_gap:
        return segment.parts
    whole = Part(
        segment.msn,
        0,
        segment.start,
        segment.duration,
        segment.timescale,
        0,
        segment.size_bytes,
        segment.sample_count,
        segment.is_independent,
    )
    return (whole,)


def _read_record(read: ReadAt, offset: int, size: int) -> tuple[JournalMessage, Place] | None:
    """The record at ``offset`` and where its media are; None when it is not whole."""
    frame = read(offset, _FRAME.size)
    if len(frame) < _FRAME.size:
        return None
    length, crc, media_bytes = _FRAME.unpack(frame)
    media = Place(offset + _FRAME.size + length, media_bytes)
    if length > LONGEST_MESSAGE_BYTES or media_bytes > MOST_MEDIA_BYTES:
        return None
    if media.offset + media_bytes > size:
        return None
    body = read(offset + _FRAME.size, length)
    if zlib.crc32(body, zlib.crc32(_SIZES.pack(length, media_bytes))) != crc:
        return None
    try:
        return _decoder.decode(body), media
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _has_its_media(read: ReadAt, record: Record | None, media: Place) -> bool:
    """Whether the boxes of each part fill it: zeros after a power cut, say, do not."""
    if not isinstance(record, SegmentRecord):
        return False
    segment = record.segment
    if segment.is_gap:
        return media.size_bytes == 0
    if media.size_bytes != segment.size_bytes or not media.size_bytes:
        return False
    return all(
        _is_filled(read, media.offset + part.offset_bytes, part.size_bytes)
        for part in fragments(segment)
    )


def _is_filled(read: ReadAt, offset: int, size: int) -> bool:
    end = offset + size
    while offset < end:
        header = read(offset, _BOX.size)
        if len(header) < _BOX.size:
            return False
        box_bytes, kind = _BOX.unpack(header)
        if box_bytes < _BOX.size or not kind.isalnum():
            return False
        offset += box_bytes
    return offset == end
