"""What the main process says of the event log to whoever holds a copy of it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from streaming.events.event import EventId, parse_id


class EventsBegin(Struct, tag="events_begin", array_like=True, frozen=True):
    """The log from here on: everything of it follows. Whatever was held of it is forgotten."""

    epoch: int
    floor: str
    """The id of the last event that is not told."""
    paths: dict[str, Any]
    """The states of paths at the floor."""
    keep_count: int
    """These three: how much of the past is kept."""
    keep_bytes: int
    keep_s: float
    forgotten: dict[str, str] = {}
    """Of frequent types, the last event that is not told, where there is one."""

    def forgotten_ids(self) -> dict[str, EventId]:
        """`forgotten`, as the log has it."""
        ids = {kind: parse_id(text) for kind, text in self.forgotten.items()}
        return {kind: at for kind, at in ids.items() if at is not None}


class EventsTold(Struct, tag="events", array_like=True, frozen=True):
    """The next events, as JSON."""

    bodies: tuple[bytes, ...]


class EventsReplayed(Struct, tag="events_replayed", array_like=True, frozen=True):
    """Everything that had happened has been told."""
