"""Action Message Format 0: the values in RTMP commands and metadata, read and written.

| AMF0                                | Python                         |
|-------------------------------------|--------------------------------|
| number                              | float                          |
| boolean                             | bool                           |
| string, long string, XML            | str (broken UTF-8 is replaced) |
| object, typed object, ECMA array    | dict[str, AmfValue]            |
| strict array                        | list[AmfValue]                 |
| date                                | float, ms since 1970 (UTC)     |
| null, undefined, unsupported        | None                           |

References and AMF3 values are refused: no encoder sends them in what we read.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from streaming.errors import RtmpError

AmfValue: TypeAlias = "float | bool | str | dict[str, AmfValue] | list[AmfValue] | None"
Writable: TypeAlias = (
    "float | int | bool | str | Mapping[str, Writable] | Sequence[Writable] | None"
)

MAX_DEPTH = 16
"""Nested objects and arrays. Multitrack metadata nests four deep."""

MAX_VALUES = 4_096
"""In one message. FLV seek tables of recorded files are the largest real case, with 2,000."""

_NUMBER, _BOOLEAN, _STRING, _OBJECT = 0x00, 0x01, 0x02, 0x03
_NULL, _UNDEFINED, _ECMA_ARRAY, _OBJECT_END = 0x05, 0x06, 0x08, 0x09
_STRICT_ARRAY, _DATE, _LONG_STRING, _UNSUPPORTED = 0x0A, 0x0B, 0x0C, 0x0D
_XML, _TYPED_OBJECT = 0x0F, 0x10

_double = struct.Struct(">d")


def read_values(data: bytes | bytearray) -> list[AmfValue]:
    """All values in ``data``. Raises RtmpError when it is cut off, too deep or too much."""
    reader = _Reader(bytes(data))
    values: list[AmfValue] = []
    while not reader.at_end():
        values.append(reader.read_value(0))
    return values


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._values = 0

    def at_end(self) -> bool:
        return self._position >= len(self._data)

    def _take(self, size: int) -> bytes:
        start = self._position
        end = start + size
        if end > len(self._data):
            raise RtmpError(f"AMF0 value of {size} bytes cut off at byte {start}", value=start)
        self._position = end
        return self._data[start:end]

    def _take_uint(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def _take_text(self, length_bytes: int) -> str:
        return self._take(self._take_uint(length_bytes)).decode("utf-8", "replace")

    def _take_double(self) -> float:
        number: float = _double.unpack(self._take(8))[0]
        return number

    def read_value(self, depth: int) -> AmfValue:
        self._values += 1
        if self._values > MAX_VALUES:
            raise RtmpError(f"more than {MAX_VALUES} AMF0 values in one message")
        if depth > MAX_DEPTH:
            raise RtmpError(f"AMF0 values nested deeper than {MAX_DEPTH}")
        marker = self._take_uint(1)
        if marker == _NUMBER:
            return self._take_double()
        if marker == _BOOLEAN:
            return self._take_uint(1) != 0
        if marker == _STRING:
            return self._take_text(2)
        if marker in (_LONG_STRING, _XML):
            return self._take_text(4)
        if marker in (_NULL, _UNDEFINED, _UNSUPPORTED):
            return None
        return self._read_compound(marker, depth)

    def _read_compound(self, marker: int, depth: int) -> AmfValue:
        if marker == _OBJECT:
            return self._read_properties(depth)
        if marker == _ECMA_ARRAY:
            self._take(4)  # a count that writers get wrong; the end marker decides
            return self._read_properties(depth)
        if marker == _TYPED_OBJECT:
            self._take_text(2)
            return self._read_properties(depth)
        if marker == _STRICT_ARRAY:
            return self._read_array(depth)
        if marker == _DATE:
            milliseconds = self._take_double()
            self._take(2)  # a time zone that 2.13 says to ignore
            return milliseconds
        raise RtmpError(f"AMF0 marker 0x{marker:02x} is unknown or refused", value=marker)

    def _read_properties(self, depth: int) -> dict[str, AmfValue]:
        properties: dict[str, AmfValue] = {}
        while not self.at_end():  # some encoders leave out the end marker of the last object
            name = self._take_text(2)
            if not name and not self.at_end() and self._data[self._position] == _OBJECT_END:
                self._position += 1
                break
            properties[name] = self.read_value(depth + 1)
        return properties

    def _read_array(self, depth: int) -> list[AmfValue]:
        count = self._take_uint(4)
        if count > MAX_VALUES:
            raise RtmpError(f"AMF0 array of {count} values", value=count)
        return [self.read_value(depth + 1) for _ in range(count)]


def write_values(*values: Writable) -> bytes:
    """``values`` one after another; mappings become objects, other sequences strict arrays."""
    out = bytearray()
    for value in values:
        _write_value(out, value)
    return bytes(out)


def _write_value(out: bytearray, value: Writable) -> None:
    if value is None:
        out.append(_NULL)
    elif isinstance(value, bool):
        out += bytes((_BOOLEAN, value))
    elif isinstance(value, (int, float)):
        out.append(_NUMBER)
        out += _double.pack(value)
    elif isinstance(value, str):
        _write_string(out, value)
    elif isinstance(value, Mapping):
        out.append(_OBJECT)
        for name, member in value.items():
            encoded = name.encode("utf-8", "replace")[:0xFFFF]
            out += len(encoded).to_bytes(2, "big") + encoded
            _write_value(out, member)
        out += bytes((0, 0, _OBJECT_END))
    else:
        out.append(_STRICT_ARRAY)
        out += len(value).to_bytes(4, "big")
        for member in value:
            _write_value(out, member)


def _write_string(out: bytearray, text: str) -> None:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= 0xFFFF:
        out.append(_STRING)
        out += len(encoded).to_bytes(2, "big") + encoded
    else:
        out.append(_LONG_STRING)
        out += len(encoded).to_bytes(4, "big") + encoded
