"""Any file's boxes as a tree, bounded so that hostile bytes cost little."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from segmenter.errors import MediaError

from .cursor import Cursor
from .fragment_records import FRAGMENT_READERS
from .header_records import (
    AUDIO_ENTRIES,
    AUDIO_ENTRY_BYTES,
    HEADER_READERS,
    VISUAL_ENTRIES,
    VISUAL_ENTRY_BYTES,
)

MAX_DEPTH = 12
"""moov/trak/mdia/minf/stbl/stsd/encv/sinf/schi/tenc is ten deep; nothing goes further."""

MAX_BOXES = 65_536
"""Boxes in one call. An hour in parts of 200 ms has 18,000 chunks of some eight boxes; whoever
reads more of it at once than a third of an hour is not a live player."""

Record = TypeVar("Record")

_READERS = HEADER_READERS | FRAGMENT_READERS

# Where the child boxes of a container begin in its payload.
_CHILDREN_AT = {
    **dict.fromkeys(
        "moov trak edts mdia minf dinf stbl mvex moof traf mfra sinf schi".split(),  # noqa: SIM905
        0,
    ),
    "stsd": 8,
    "dref": 8,
    **dict.fromkeys(VISUAL_ENTRIES, VISUAL_ENTRY_BYTES),
    **dict.fromkeys(AUDIO_ENTRIES, AUDIO_ENTRY_BYTES),
}


@dataclass(frozen=True, slots=True)
class Box:
    """One box: where it is, what it says, and what it holds."""

    name: str
    offset: int
    """Bytes from the start of the data to the box's header."""
    size: int
    """Bytes, header included."""
    header_bytes: int
    record: object | None
    """One of header_records or fragment_records; None where we do not read the content."""
    children: tuple[Box, ...]

    @property
    def end(self) -> int:
        """Where the next box begins."""
        return self.offset + self.size

    @property
    def payload_offset(self) -> int:
        """Where the content begins."""
        return self.offset + self.header_bytes

    @property
    def fields(self) -> dict[str, object]:
        """The record's fields by name; empty without a record."""
        record = self.record
        if record is None or isinstance(record, type) or not dataclasses.is_dataclass(record):
            return {}
        return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}

    def children_named(self, name: str) -> list[Box]:
        """Direct children of that name."""
        return [child for child in self.children if child.name == name]


def read_boxes(data: bytes | memoryview) -> list[Box]:
    """The tree of all boxes in the data.

    Raises MediaError when a box does not fit into the one around it, is too short for its
    fields, or when there are more than MAX_BOXES or they nest deeper than MAX_DEPTH.
    """
    view = memoryview(data).cast("B")
    return list(_Scan(view).boxes_between(0, len(view), 0))


def records(boxes: Iterable[Box], kind: type[Record]) -> Iterator[Record]:
    """All records of one kind at any depth, in file order."""
    for box in boxes:
        if isinstance(box.record, kind):
            yield box.record
        yield from records(box.children, kind)


def first_record(box: Box, kind: type[Record]) -> Record | None:
    """The first record of a kind in a box, None when there is none."""
    return next(records((box,), kind), None)


def required_record(box: Box, kind: type[Record]) -> Record:
    """The first record of a kind in a box; raises MediaError when there is none."""
    record = first_record(box, kind)
    if record is None:
        raise MediaError(f"{box.name} box at {box.offset} holds no {kind.__name__}")
    return record


class _Scan:
    """One walk over the data; counts the boxes it has met."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._count = 0

    def boxes_between(self, start: int, end: int, depth: int) -> tuple[Box, ...]:
        """The boxes that fill a range."""
        if depth > MAX_DEPTH:
            raise MediaError(f"boxes nest deeper than {MAX_DEPTH}")
        if start > end:
            raise MediaError(f"a container that ends at {end} lacks the fields before its boxes")
        boxes = []
        while start < end:
            # QuickTime ends some containers with a 32-bit zero.
            if depth and end - start == 4 and not any(self._data[start:end]):
                break
            box = self._box_at(start, end, depth)
            boxes.append(box)
            start = box.end
        return tuple(boxes)

    def _box_at(self, start: int, end: int, depth: int) -> Box:
        self._count += 1
        if self._count > MAX_BOXES:
            raise MediaError(f"more than {MAX_BOXES} boxes")
        name, size, header = self._header(start, end)
        payload = self._data[start + header : start + size]
        reader = _READERS.get(name)
        record = reader(Cursor(payload, name)) if reader else None
        children: tuple[Box, ...] = ()
        skip = _CHILDREN_AT.get(name)
        if skip is not None:
            children = self.boxes_between(start + header + skip, start + size, depth + 1)
        return Box(name, start, size, header, record, children)

    def _header(self, start: int, end: int) -> tuple[str, int, int]:
        """Name, size and header length (ISO/IEC 14496-12 4.2.2) of a box that fits."""
        if end - start < 8:
            raise MediaError(f"{end - start} bytes at {start} are too few for a box")
        size, code = struct.unpack_from(">I4s", self._data, start)
        name, header = code.decode("latin-1"), 8
        if size == 0:
            size = end - start
        elif size == 1:
            if end - start < 16:
                raise MediaError(f"{name!r} box at {start} is cut in its size")
            (size,), header = struct.unpack_from(">Q", self._data, start + 8), 16
        if not header <= size <= end - start:
            raise MediaError(
                f"{name!r} box at {start} says {size} bytes where {end - start} remain"
            )
        return name, size, header
