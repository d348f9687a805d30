"""What the main process says of the event log to whoever holds a copy of it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


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
    frequent_floor: str = ""
    """Of events of frequent types, the last one that is not told; "" where that is the floor."""


class EventsTold(Struct, tag="events", array_like=True, frozen=True):
    """The next events, as JSON."""

    bodies: tuple[bytes, ...]


class EventsReplayed(Struct, tag="events_replayed", array_like=True, frozen=True):
    """Everything that had happened has been told."""
