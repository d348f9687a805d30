"""Server-Sent Events, read: bytes in, messages out (WHATWG HTML 9.2.6). Sans-IO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_LINE_BYTES: Final = 16_777_216
"""A snapshot of a thousand paths is a quarter of a megabyte."""


@dataclass(frozen=True, slots=True)
class SseMessage:
    """One event of a stream."""

    name: str
    data: str
    last_id: str


class SseReader:
    """Takes a stream's bytes in any pieces; `last_id` is what to resume after."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._buffer = b""
        self._name = ""
        self._data: list[str] = []

    def push(self, data: bytes) -> list[SseMessage]:
        """The messages that `data` completes. Raises ValueError over a line without an end."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > MOST_LINE_BYTES:
            raise ValueError(f"a line of more than {MOST_LINE_BYTES} bytes")
        messages = []
        for line in lines:
            message = self._line(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if message is not None:
                messages.append(message)
        return messages

    def _line(self, line: str) -> SseMessage | None:
        if not line:
            name, data = self._name or "message", self._data
            self._name, self._data = "", []
            return SseMessage(name, "\n".join(data), self.last_id) if data else None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self.last_id = value
        return None
