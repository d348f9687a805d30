"""Reads a box's payload from its start; what is not there raises MediaError."""

from __future__ import annotations

import struct
from typing import Any

from segmenter.errors import MediaError


class Cursor:
    """A position in the payload of one box. Belongs to the function that reads that box."""

    __slots__ = ("_at", "_data", "_name")

    def __init__(self, data: memoryview, name: str) -> None:
        self._data = data
        self._at = 0
        self._name = name

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._at

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """Fields in network order, by a layout of ``struct``."""
        size = struct.calcsize(">" + layout)
        start = self._take(size)
        return struct.unpack_from(">" + layout, self._data, start)

    def integer(self, layout: str) -> int:
        """One number, by its letter of ``struct``."""
        value: int = self.unpack(layout)[0]
        return value

    def version_and_flags(self) -> tuple[int, int]:
        """The head of a full box (ISO/IEC 14496-12 4.2.2)."""
        word = self.integer("I")
        return word >> 24, word & 0xFFFFFF

    def text(self) -> str:
        """UTF-8 up to a NUL or the end; what is not UTF-8 becomes U+FFFD."""
        raw = bytes(self._data[self._at :]).split(b"\0", 1)[0]
        self._at = min(self._at + len(raw) + 1, len(self._data))
        return raw.decode("utf-8", "replace")

    def four(self) -> str:
        """A four-character code."""
        code: bytes = self.unpack("4s")[0]
        return code.decode("latin-1")

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        start = self._take(size)
        return bytes(self._data[start : start + size])

    def rest(self) -> bytes:
        """All that remains."""
        return self.take(self.remaining)

    def _take(self, size: int) -> int:
        start = self._at
        if size > len(self._data) - start:
            raise MediaError(
                f"{self._name} box ends after {len(self._data)} bytes; "
                f"{size} more were due at {start}"
            )
        self._at = start + size
        return start
