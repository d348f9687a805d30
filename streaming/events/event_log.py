"""The log: a bounded ring of events, found again by their ids.

What is known of an id decides whether a follower can go on from it:

    … forgotten │ floor │ kept events … last │ not yet told, in the present epoch
      cannot    │  can  │   can              │  can: another process of ours told it already

The floor is the last event that was forgotten; nothing is missing after it. Ids of former epochs
are known as long as their events are kept.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from streaming.events.event import EventId, LoggedEvent
from streaming.events.path_states import PathStates, Record

OVERHEAD_BYTES: Final = 600
"""What an event costs in memory beside its JSON: the decoded twin, measured 500 to 700 bytes."""
COMPACT_AT: Final = 1_024
"""Forgotten entries that are cut off at once; one at a time would move the whole list."""


@dataclass(frozen=True, slots=True)
class LogBounds:
    """How much of the past is kept; whichever is reached first."""

    count: int = 10_000
    size_bytes: int = 16_777_216
    """With what an event costs beside its JSON."""
    age_s: float = 604_800.0


DEFAULT_BOUNDS: Final = LogBounds()


class EventLog:
    """Owns the ring; events are pushed in the order of their ids, without holes."""

    def __init__(
        self,
        floor: EventId,
        epoch: int,
        bounds: LogBounds = DEFAULT_BOUNDS,
        paths: dict[str, Record] | None = None,
    ) -> None:
        """`paths`: the states of paths at the floor."""
        self.floor = floor
        self.epoch = epoch
        self.bounds = bounds
        self._base = PathStates(paths)
        self._states = PathStates(paths)
        self._entries: list[LoggedEvent] = []
        self._first = 0
        self._size_bytes = 0

    def push(self, entry: LoggedEvent, now_utc: float) -> None:
        """The next event; what is beyond the bounds is forgotten."""
        self._entries.append(entry)
        self._size_bytes += _cost(entry)
        self._states.push(entry.event)
        self.trim(now_utc)

    def trim(self, now_utc: float) -> None:
        """Forgets what is too old by now, or too much."""
        bounds, oldest_utc = self.bounds, now_utc - self.bounds.age_s
        while len(self) and (
            len(self) > bounds.count
            or self._size_bytes > bounds.size_bytes
            or self._entries[self._first].event.ts < oldest_utc
        ):
            self._forget_first()
        if self._first >= COMPACT_AT:
            del self._entries[: self._first]
            self._first = 0

    def _forget_first(self) -> None:
        entry = self._entries[self._first]
        self._first += 1
        self._size_bytes -= _cost(entry)
        self._base.push(entry.event)
        self.floor = entry.id

    def __len__(self) -> int:
        return len(self._entries) - self._first

    @property
    def size_bytes(self) -> int:
        """What it costs in memory, about."""
        return self._size_bytes

    @property
    def last(self) -> EventId:
        """The id of the latest event; the floor where there is none."""
        return self._entries[-1].id if len(self) else self.floor

    @property
    def paths(self) -> dict[str, Record]:
        """The states of all paths after the latest event."""
        return self._states.paths

    @property
    def base_paths(self) -> dict[str, Record]:
        """The states of all paths at the floor."""
        return self._base.paths

    @property
    def entries(self) -> list[LoggedEvent]:
        """All that are kept, in order."""
        return self._entries[self._first :]

    def knows(self, position: EventId) -> bool:
        """Whether a follower who has everything up to `position` can go on from it."""
        if position < self.floor:
            return False
        if position == self.floor or position.epoch == self.epoch:
            return True
        index = self._index_after(position)
        if position.number == 0:  # before the first of a former epoch
            return index < len(self._entries) and self._entries[index].id.epoch == position.epoch
        return index > self._first and self._entries[index - 1].id == position

    def after(self, position: EventId, most: int) -> list[LoggedEvent]:
        """The next events after a position, at most so many."""
        if position >= self.last:
            return []
        index = self._index_after(position)
        return self._entries[index : index + most]

    def _index_after(self, position: EventId) -> int:
        return bisect_right(self._entries, position, lo=self._first, key=_id_of)


def _id_of(entry: LoggedEvent) -> EventId:
    return entry.id


def _cost(entry: LoggedEvent) -> int:
    return len(entry.body) + OVERHEAD_BYTES


def unbroken(entries: list[LoggedEvent]) -> list[LoggedEvent]:
    """The end of `entries`, from where none is missing within an epoch.

    An epoch that begins after another one without its first event follows a hole, too.
    """
    start = 0
    for index in range(1, len(entries)):
        before, this = entries[index - 1].id, entries[index].id
        follows = this.epoch > before.epoch and this.number == 1
        if not follows and this != (before.epoch, before.number + 1):
            start = index
    return entries[start:]
