"""The log, fanned out to every process that holds a copy of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from streaming.events.event import EventId, LoggedEvent
from streaming.events.event_log import EventLog
from streaming.events.event_messages import EventsBegin, EventsReplayed, EventsTold
from streaming.link import encode_frame

HIGH_WATER_BYTES: Final = 1_048_576
"""Bytes a link may buffer, of whatever kind, before it is told no more events."""
BATCH: Final = 256


class FrameSink(Protocol):
    """The part of a Link, or of a worker process, that the feed needs."""

    @property
    def buffered_bytes(self) -> int: ...
    def send_frame(self, frame: bytearray) -> object: ...


@dataclass(slots=True)
class _Reader:
    sink: FrameSink
    position: EventId
    frequent_floor: EventId
    """What it was told of the log when it began."""
    replayed: bool = False


class EventFeed:
    """Owns how far each reader is; the log is read for those that are behind, never copied.

    A reader so far behind that the log has forgotten its place begins anew, which its own
    followers are told as a reset.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._readers: list[_Reader] = []

    def attach(self, sink: FrameSink) -> None:
        """A process wants the log and whatever follows."""
        reader = _Reader(sink, self._log.floor, self._log.frequent_floor)
        self._begin(reader)
        self._readers.append(reader)
        self.pump()

    def detach(self, sink: FrameSink) -> None:
        """A process has gone."""
        self._readers = [reader for reader in self._readers if reader.sink is not sink]

    def told(self, entry: LoggedEvent) -> None:
        """`entry` has been pushed to the log."""
        frame = None
        for reader in self._readers:
            if not reader.replayed or reader.sink.buffered_bytes > HIGH_WATER_BYTES:
                reader.replayed = False
                continue
            frame = frame or encode_frame(EventsTold((entry.body,)))
            reader.sink.send_frame(frame)
            reader.position = entry.id

    def pump(self) -> None:
        """Tells those that are behind, as far as their links have room."""
        for reader in self._readers:
            if not reader.replayed:
                self._pump(reader)

    def _pump(self, reader: _Reader) -> None:
        while reader.sink.buffered_bytes <= HIGH_WATER_BYTES:
            if self._is_lost(reader):
                self._begin(reader)
            entries = self._log.after(reader.position, BATCH)
            if not entries:
                reader.replayed = True
                reader.sink.send_frame(encode_frame(EventsReplayed()))
                return
            told = EventsTold(tuple(entry.body for entry in entries))
            reader.sink.send_frame(encode_frame(told))
            reader.position = entries[-1].id

    def _is_lost(self, reader: _Reader) -> bool:
        """Whether the log has forgotten what the reader was going to be told."""
        log = self._log
        has_frequent = max(reader.position, reader.frequent_floor) >= log.frequent_floor
        return not (log.knows(reader.position) and has_frequent)

    def _begin(self, reader: _Reader) -> None:
        log = self._log
        kept = log.bounds
        begin = EventsBegin(
            log.epoch,
            str(log.floor),
            log.base_paths,
            kept.count,
            kept.size_bytes,
            kept.age_s,
            {kind: str(at) for kind, at in log.forgotten.items()},
        )
        reader.position, reader.frequent_floor = log.floor, log.frequent_floor
        reader.sink.send_frame(encode_frame(begin))
