"""FLV files to what a publisher's demuxer gives."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from streaming.ingest.flv import Demuxed, FlvDemuxer, read_tag
from streaming.ingest.rtmp.messages import Message

BLOCK_BYTES = 1 << 20
"""At once: two seconds at 4 Mb/s, so playlists are rendered at each boundary, as they are live."""

READ_BYTES = 1 << 19

_FILE_HEADER_BYTES = 13
_TAG_HEADER_BYTES = 11
_BACK_POINTER_BYTES = 4
_AT_ONCE = mmap.MAP_PRIVATE | mmap.MAP_POPULATE
"""All pages are mapped before the first is read, instead of one by one."""


def read_messages(file: Path) -> Iterator[Message]:
    """Every tag of the file, in order; a cut-off one at the end is left out."""
    with open(file, "rb", buffering=READ_BYTES) as source:
        source.read(_FILE_HEADER_BYTES)
        while len(header := source.read(_TAG_HEADER_BYTES)) == _TAG_HEADER_BYTES:
            size = int.from_bytes(header[1:4], "big")
            body = source.read(size + _BACK_POINTER_BYTES)
            tag = read_tag(header + body, 0)
            if tag is None:
                return
            yield tag[0]


class MappedFlv:
    """Owns a file as memory, which must not change meanwhile: samples are views of it, uncopied."""

    def __init__(self, file: Path, block_bytes: int = BLOCK_BYTES) -> None:
        self._demuxer = FlvDemuxer()
        self._block_bytes = block_bytes
        self._position = _FILE_HEADER_BYTES
        with open(file, "rb") as source:
            self._data = memoryview(mmap.mmap(source.fileno(), 0, _AT_ONCE, mmap.PROT_READ))

    def read(self, now_utc: float) -> list[Demuxed] | None:
        """What the tags give that are whole in the next block; None when there is none left."""
        out: list[Demuxed] = []
        size = self._block_bytes
        while True:
            block = self._data[self._position : self._position + size]
            end = self._demuxer.push_tags(block, 0, now_utc, out)
            if end:
                self._position += end
                return out
            if len(block) < size:
                return None
            size *= 2
