"""One follower's way through the log: what it is told next. Sans-IO."""

from __future__ import annotations

from typing import Any, Final

from streaming.events.event import RESET, Event, EventId, LoggedEvent, log_event
from streaming.events.event_filter import Wanted
from streaming.events.event_log import EventLog

BATCH: Final = 256
"""Events looked at in one go: with filters that match little, the loop must breathe, too."""
BATCH_BYTES: Final = 65_536
"""Told in one go, about: what a socket takes at once."""


class Follower:
    """Owns a position in the log. It holds no events: who is slow costs nothing here.

    A follower whose position is forgotten, or never was, is told a `reset` with the states of
    paths and goes on after it; so is one that gives no position. What counts is what it wants: of
    frequent events only those of types that it wants are missed.
    """

    def __init__(self, position: EventId | None, wanted: Wanted, *, at_end: bool = True):
        """`position`: None for one that has nothing; it begins `at_end` or with what is kept."""
        self.position = position
        self.wanted = wanted
        self._at_end = at_end
        self._why = "start"
        self._does_without: EventId | None = None
        """It has asked for what is kept: frequent events up to here it does not expect."""

    def take(self, log: EventLog, now_utc: float) -> list[LoggedEvent]:
        """What is to be told next; empty when everything has been. `position` is then after it."""
        if self.position is None and not self._at_end:
            self.position, self._does_without = log.floor, log.frequent_floor
        if self.is_lost(log):
            why, self._why = self._why, "lost"
            self.position = log.last
            return [reset(log, self.wanted, why, now_utc)]
        self._why = "lost"
        return self._take(log)

    def is_lost(self, log: EventLog) -> bool:
        """Whether something that it wants and has not been told is forgotten."""
        if self.position is None or not log.knows(self.position):
            return True
        # They are forgotten in their order, so nothing is left of any type before that.
        expects_after = max(self.position, self._does_without or self.position)
        return log.lacks(expects_after, self.wanted.frequent)

    def skip_to(self, position: EventId) -> None:
        """Somebody at the same place who wants the same has taken what is before `position`."""
        self.position = position
        self._why = "lost"

    def _take(self, log: EventLog) -> list[LoggedEvent]:
        assert self.position is not None
        told: list[LoggedEvent] = []
        size_bytes = 0
        while not told:
            entries = log.after(self.position, BATCH)
            if not entries:
                break
            for entry in entries:
                if size_bytes > BATCH_BYTES:
                    break
                self.position = entry.id
                if self.wanted.matches(entry.event):
                    told.append(entry)
                    size_bytes += len(entry.body)
        return told


def reset(log: EventLog, wanted: Wanted, why: str, now_utc: float) -> LoggedEvent:
    """What is told instead of events: the state of things as of the latest one."""
    paths: dict[str, Any] = {
        path: record for path, record in log.paths.items() if wanted.wants_path(path)
    }
    data = {"reason": why, "paths": paths}
    return log_event(log.last, Event(str(log.last), round(now_utc, 3), RESET, data=data))
