"""The log: a bounded ring of events, found again by their ids.

What is known of an id decides whether a follower can go on from it:

    … forgotten │ floor │ kept events … last │ not yet told, in the present epoch
      cannot    │  can  │   can              │  can: another process of ours told it already

The floor is the last event that was forgotten; nothing is missing after it but events of the
frequent types, which take a share of the room. Of each of these the last one that was forgotten is
known: who wants events of that type cannot go on from before it, everybody else can. Ids of former
epochs are known as far as their events were.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from streaming.events.event import FREQUENT, EventId, LoggedEvent
from streaming.events.path_states import PathStates, Record

OVERHEAD_BYTES: Final = 600
"""What an event costs in memory beside its JSON: the decoded twin, measured 500 to 700 bytes."""
COMPACT_AT: Final = 1_024
"""Forgotten entries that are cut off at once; one at a time would move the whole list."""
FREQUENT_SHARE: Final = 0.5
"""Of the bounds, for events of frequent types together. The others have what these leave free."""


@dataclass(frozen=True, slots=True)
class LogBounds:
    """How much of the past is kept; whichever is reached first."""

    count: int = 10_000
    size_bytes: int = 16_777_216
    """With what an event costs beside its JSON."""
    age_s: float = 604_800.0


DEFAULT_BOUNDS: Final = LogBounds()


class _Ring:
    """Owns events in the order of their ids; the first ones are forgotten first."""

    def __init__(self) -> None:
        self._entries: list[LoggedEvent] = []
        self._first = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries) - self._first

    @property
    def oldest(self) -> LoggedEvent:
        """The next one to be forgotten."""
        return self._entries[self._first]

    def push(self, entry: LoggedEvent) -> None:
        """The next one."""
        self._entries.append(entry)
        self.size_bytes += len(entry.body) + OVERHEAD_BYTES

    def forget(self) -> LoggedEvent:
        """Takes the oldest out."""
        entry = self._entries[self._first]
        self._first += 1
        self.size_bytes -= len(entry.body) + OVERHEAD_BYTES
        if self._first >= COMPACT_AT:
            del self._entries[: self._first]
            self._first = 0
        return entry

    def after(self, position: EventId, most: int) -> list[LoggedEvent]:
        """The next ones after a position, at most so many."""
        if not self._entries or position >= self._entries[-1].id:
            return []
        index = bisect_right(self._entries, position, lo=self._first, key=_id_of)
        return self._entries[index : index + most]


class EventLog:
    """Owns two rings; events are pushed in the order of their ids.

    All have been pushed that came after the floor, but for frequent ones that are forgotten.
    """

    def __init__(
        self,
        floor: EventId,
        epoch: int,
        bounds: LogBounds = DEFAULT_BOUNDS,
        paths: dict[str, Record] | None = None,
        forgotten: Mapping[str, EventId] | None = None,
    ) -> None:
        """`paths`: the states of paths at the floor; `forgotten`: see there."""
        self.floor = floor
        self.forgotten = dict(forgotten or {})
        """Of each frequent type the last event that was forgotten, where one was."""
        self.frequent_floor = max([floor, *self.forgotten.values()])
        """The last frequent event that was forgotten, or the floor."""
        self.epoch = epoch
        self.bounds = bounds
        self.last = floor
        """The id of the latest event; the floor where there was none."""
        known = sorted([floor, *self.forgotten.values()])
        self._ends = {at.epoch: at.number for at in known if at >= floor}
        """The latest event of each epoch since the floor."""
        self._base = PathStates(paths)
        self._states = PathStates(paths)
        self._frequent = _Ring()
        self._others = _Ring()

    def push(self, entry: LoggedEvent, now_utc: float) -> None:
        """The next event; what is beyond the bounds is forgotten."""
        (self._frequent if entry.event.type in FREQUENT else self._others).push(entry)
        self.last = entry.id
        self._ends[entry.id.epoch] = entry.id.number
        self._states.push(entry.event)
        self.trim(now_utc)

    def trim(self, now_utc: float) -> None:
        """Forgets what is too old by now, or too much."""
        bounds, oldest_utc = self.bounds, now_utc - self.bounds.age_s
        frequent, others = self._frequent, self._others
        while len(frequent) and (
            len(frequent) > bounds.count * FREQUENT_SHARE
            or frequent.size_bytes > bounds.size_bytes * FREQUENT_SHARE
            or frequent.oldest.event.ts < oldest_utc
        ):
            self._forget_frequent()
        while len(others) and (
            len(self) > bounds.count
            or self.size_bytes > bounds.size_bytes
            or others.oldest.event.ts < oldest_utc
        ):
            self._forget_other()

    def _forget_frequent(self) -> None:
        entry = self._frequent.forget()
        self.forgotten[entry.event.type] = entry.id
        self.frequent_floor = max(self.frequent_floor, entry.id)

    def _forget_other(self) -> None:
        entry = self._others.forget()
        self._base.push(entry.event)
        self.floor = entry.id
        self.frequent_floor = max(self.frequent_floor, entry.id)
        for epoch in [epoch for epoch in self._ends if epoch < self.floor.epoch]:
            del self._ends[epoch]
        # Nobody can go on from before the floor, so nobody would ever be told these.
        while len(self._frequent) and self._frequent.oldest.id < self.floor:
            self._forget_frequent()

    def __len__(self) -> int:
        return len(self._frequent) + len(self._others)

    @property
    def size_bytes(self) -> int:
        """What it costs in memory, about."""
        return self._frequent.size_bytes + self._others.size_bytes

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
        return self.after(self.floor, len(self))

    def knows(self, position: EventId) -> bool:
        """Whether who has everything up to `position`, and wants nothing frequent, can go on."""
        if position < self.floor:
            return False
        if position == self.floor or position.epoch == self.epoch:
            return True
        return position.number <= self._ends.get(position.epoch, -1)

    def lacks(self, position: EventId, types: Iterable[str]) -> bool:
        """Whether events of frequent `types` after a position are forgotten."""
        if position >= self.frequent_floor:
            return False
        return any(self.forgotten.get(kind, position) > position for kind in types)

    def after(self, position: EventId, most: int) -> list[LoggedEvent]:
        """The next events after a position, at most so many."""
        frequent = self._frequent.after(position, most)
        others = self._others.after(position, most)
        if not frequent or not others:
            return frequent or others
        return sorted(frequent + others, key=_id_of)[:most]


def _id_of(entry: LoggedEvent) -> EventId:
    return entry.id
