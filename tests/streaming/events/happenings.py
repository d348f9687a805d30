"""Events for tests: numbered, of one path, a second apart."""

from __future__ import annotations

from typing import Any

from streaming.events.event import Event, EventId, LoggedEvent, log_event
from streaming.events.event_log import EventLog, LogBounds

T0 = 1_700_000_000.0
EPOCH = 1_700_000_000_000


def happening(
    number: int, kind: str = "test.tick", path: str = "live/a", *, epoch: int = EPOCH, **data: Any
) -> LoggedEvent:
    """Event `number` of the epoch."""
    at = EventId(epoch, number)
    return log_event(at, Event(str(at), T0 + number, kind, path, number, data))


def log_of(count: int, bounds: LogBounds | None = None, *, epoch: int = EPOCH) -> EventLog:
    """A log to which events 1 to `count` were pushed."""
    log = EventLog(EventId(epoch, 0), epoch, bounds or LogBounds())
    for number in range(1, count + 1):
        log.push(happening(number, epoch=epoch), T0 + number)
    return log


def numbers(told: list[LoggedEvent]) -> list[int]:
    """Their numbers in their epoch."""
    return [entry.id.number for entry in told]
