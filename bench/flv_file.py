"""FLV files to what a publisher's demuxer gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from streaming.ingest.flv import Demuxed, FlvDemuxer, read_tag
from streaming.ingest.rtmp.messages import Message

READ_BYTES = 1 << 19
"""At once: a second at 4 Mb/s, and no more than caches hold."""

_FILE_HEADER_BYTES = 13
_TAG_HEADER_BYTES = 11
_BACK_POINTER_BYTES = 4


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


class FlvBlocks:
    """Owns the demuxing of one file that is read block by block, wherever those end."""

    def __init__(self) -> None:
        self._demuxer = FlvDemuxer()
        self._cut_tag = b""
        self._position = _FILE_HEADER_BYTES

    def push(self, data: bytes, now_utc: float) -> list[Demuxed]:
        """What the tags give that the next block completes; ``data`` is kept, not copied."""
        out: list[Demuxed] = []
        if self._cut_tag and not self._complete(data, now_utc, out):
            return out
        end = self._demuxer.push_tags(data, self._position, now_utc, out)
        self._cut_tag = data[end:]
        self._position = max(end - len(data), 0)
        return out

    def _complete(self, data: bytes, now_utc: float, out: list[Demuxed]) -> bool:
        """Reads the tag that the last block cut; False while it is still not whole."""
        header = self._cut_tag + data[:_TAG_HEADER_BYTES]
        size = _TAG_HEADER_BYTES + int.from_bytes(header[1:4], "big") + _BACK_POINTER_BYTES
        self._position = size - len(self._cut_tag)
        whole = self._cut_tag + data[: self._position]
        if len(header) < _TAG_HEADER_BYTES or len(whole) < size:
            self._cut_tag += data
            return False
        self._demuxer.push_tags(whole, 0, now_utc, out)
        return True
