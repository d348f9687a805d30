"""When the chunks of a segment arrive, and when they were captured by what they say themselves."""

from __future__ import annotations

from dataclasses import dataclass

from segmenter.errors import MediaError
from segmenter.fmp4.box_tree import read_boxes, records
from segmenter.fmp4.fragment_records import ProducerTime
from segmenter.fmp4.reader import InitTrack, read_fragments

HEADER_BYTES = 8
MAX_CHUNK_BYTES = 64 << 20
"""Of a chunk that is not complete; nobody's is a hundredth of it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One moof and mdat that is complete."""

    start: int
    """Ticks: earliest presentation time."""
    end: int
    """Ticks."""
    captured_utc: float | None
    """By its prft, carried from that to its first sample; None where it has none."""


class ChunkClock:
    """Owns the bytes of one segment that are not yet a chunk; its follower feeds it.

    What cannot be read ends a chunk without a word: that is for the inspection proper to judge.
    """

    def __init__(self, init: InitTrack) -> None:
        self._init = init
        self._data = bytearray()
        self._scanned = 0

    def push(self, data: bytes) -> list[Chunk]:
        """The chunks that are complete with these bytes."""
        self._data += data
        chunks: list[Chunk] = []
        while (box := self._next_box()) is not None:
            name, size = box
            self._scanned += size
            if name == b"mdat":
                chunks += self._take(self._scanned)
        if len(self._data) > MAX_CHUNK_BYTES:
            self._take(len(self._data))
        return chunks

    def _next_box(self) -> tuple[bytes, int] | None:
        """Name and size of the next top-level box once all of it is here."""
        at = self._scanned
        if len(self._data) < at + HEADER_BYTES:
            return None
        size = int.from_bytes(self._data[at : at + 4])
        if size < HEADER_BYTES:  # to the end of the file, or 64 bits: no live chunk has it
            return None
        return (bytes(self._data[at + 4 : at + 8]), size) if len(self._data) >= at + size else None

    def _take(self, end: int) -> list[Chunk]:
        data = bytes(self._data[:end])
        del self._data[:end]
        self._scanned = 0
        try:
            samples = read_fragments(data, self._init)
            producer = next(records(read_boxes(data), ProducerTime), None)
        except MediaError:
            return []
        if not samples:
            return []
        start = min(sample.pts for sample in samples)
        captured = None
        if producer is not None:
            # Where the prft names another sample than the first, the clock runs on to the first.
            later_s = (start - producer.media_time) / self._init.track.timescale
            captured = producer.utc + later_s
        return [Chunk(start, samples[-1].dts + samples[-1].duration, captured)]
