"""FLV files to the messages that RTMP would carry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from streaming.ingest.rtmp.messages import Message

READ_BYTES = 1 << 16
"""At once, as ffmpeg's own file protocol does within a factor of two."""

_FILE_HEADER_BYTES = 13
_TAG_HEADER_BYTES = 11
_BACK_POINTER_BYTES = 4


def read_messages(file: Path) -> Iterator[Message]:
    """Every tag of the file, in order; a cut-off one at the end is left out."""
    with open(file, "rb", buffering=READ_BYTES) as source:
        source.read(_FILE_HEADER_BYTES)
        while len(header := source.read(_TAG_HEADER_BYTES)) == _TAG_HEADER_BYTES:
            size = int.from_bytes(header[1:4], "big")
            timestamp = int.from_bytes(header[4:7], "big") | header[7] << 24
            body = source.read(size + _BACK_POINTER_BYTES)
            if len(body) < size:
                return
            yield Message(header[0], timestamp, 1, body[:size])
