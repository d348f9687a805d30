"""Where events come in: numbered, kept on disk, then told.

An event is told when it is in the page cache, so a server that is killed has lost none that
anybody knows of. A disk that does not take it within `WRITE_S` is not waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streaming.events.event import STARTED, Event, EventId, LoggedEvent, log_event
from streaming.events.event_feed import EventFeed
from streaming.events.event_files import FOLDER, KeptEvents, read_events
from streaming.events.event_log import DEFAULT_BOUNDS, EventLog, LogBounds
from streaming.events.event_writer import EventWriter

logger = logging.getLogger(__name__)

WRITE_S: Final = 1.0
"""Writing into the page cache takes microseconds; a disk that hangs takes for ever."""


@dataclass(frozen=True, slots=True)
class EventStatistics:
    """What the log holds; counters only rise."""

    emitted: int
    kept: int
    kept_bytes: int
    untold: int
    """Not yet in the page cache."""
    failures: int
    """How often the disk did not take events."""


class Events:
    """Owns the log of the main process; whoever has news calls `emit`.

    `feed` takes what is told to other processes.
    """

    def __init__(
        self, root: Path | None, clock: Callable[[], float], bounds: LogBounds = DEFAULT_BOUNDS
    ) -> None:
        """Reads what earlier servers left in `root`; None: nothing is kept on disk."""
        self._folder = root / FOLDER if root is not None else None
        self._clock = clock
        now_utc = clock()
        nothing = KeptEvents([], None, {})
        kept = read_events(self._folder) if self._folder is not None else nothing
        epoch = int(now_utc * 1000)
        if kept.entries:
            epoch = max(epoch, kept.entries[-1].id.epoch + 1)
        floor = kept.floor or EventId(epoch, 0)
        self.log = EventLog(floor, epoch, bounds, forgotten=kept.forgotten)
        for entry in kept.entries:
            self.log.push(entry, now_utc)
        self.feed = EventFeed(self.log)
        self._number = 0
        self._untold: deque[tuple[float, LoggedEvent]] = deque()
        self._writer: EventWriter | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, data: Mapping[str, Any]) -> None:
        """Begins the epoch; needs a running loop."""
        self._loop = asyncio.get_running_loop()
        if self._folder is not None:
            self._writer = EventWriter(
                self._folder, self._written_in_thread, self._disk_low_in_thread
            )
        self.emit(STARTED, data=data)

    def emit(
        self,
        kind: str,
        path: str = "",
        data: Mapping[str, Any] | None = None,
        state_version: int = 0,
    ) -> LoggedEvent:
        """Something happened, just now; what followers will be told of it."""
        self._number += 1
        number = EventId(self.log.epoch, self._number)
        ts = round(self._clock(), 3)
        entry = log_event(
            number, Event(str(number), ts, kind, path, state_version, dict(data or {}))
        )
        if self._writer is None or self._loop is None:
            self._tell(entry)
            return entry
        self._untold.append((self._loop.time() + WRITE_S, entry))
        self._writer.write(entry, self.log.floor, self.log.forgotten)
        if self._timer is None:
            self._timer = self._loop.call_later(WRITE_S, self._overdue)
        return entry

    def handle_timer(self) -> None:
        """Forgets what has become too old; called about once a second."""
        self.log.trim(self._clock())

    def close(self) -> None:
        """Waits a little until everything is written."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writer is not None:
            self._writer.close()
        while self._untold:
            self._tell(self._untold.popleft()[1])
        self._writer = None

    def statistics(self) -> EventStatistics:
        """A snapshot."""
        failures = self._writer.failures if self._writer is not None else 0
        return EventStatistics(
            self._number, len(self.log), self.log.size_bytes, len(self._untold), failures
        )

    def _tell(self, entry: LoggedEvent) -> None:
        self.log.push(entry, self._clock())
        self.feed.told(entry)

    def _written_in_thread(self, last: EventId) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._written, last)

    def _disk_low_in_thread(self, free_bytes: int, total_bytes: int) -> None:
        assert self._loop is not None
        data = {"free_bytes": free_bytes, "total_bytes": total_bytes, "of": "state_dir"}
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.emit, "disk.low", "", data)

    def _written(self, last: EventId) -> None:
        while self._untold and self._untold[0][1].id <= last:
            self._tell(self._untold.popleft()[1])
        if not self._untold and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _overdue(self) -> None:
        assert self._loop is not None
        self._timer = None
        now = self._loop.time()
        while self._untold and self._untold[0][0] <= now:
            self._tell(self._untold.popleft()[1])
        if self._untold:
            self._timer = self._loop.call_at(self._untold[0][0], self._overdue)
