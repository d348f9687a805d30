"""Everybody in this process who follows the event log, and the copy of it that they read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from streaming.events.event import EventId, LoggedEvent, parse_id, read_event
from streaming.events.event_filter import Wanted
from streaming.events.event_log import EventLog, LogBounds
from streaming.events.event_messages import EventsBegin, EventsTold
from streaming.events.follower import Follower

HEARTBEAT_S: Final = 15.0
"""Proxies cut connections that are silent for a minute; who follows takes two missed for a loss."""
TICK_S: Final = 0.5
"""How often silent connections are looked for."""
UNKNOWN: Final = EventId(0, 0)
"""What is said of a position that we cannot have told."""


class Following:
    """One follower with what wakes it; made and closed by `Followers`."""

    def __init__(self, owner: Followers, follower: Follower, heartbeat_s: float) -> None:
        self.follower = follower
        self._owner = owner
        self._heartbeat_s = heartbeat_s
        self._wake = asyncio.Event()
        self._said_at = asyncio.get_running_loop().time()
        self._is_late = False
        """It cannot take more for now."""

    def change(self, wanted: Wanted) -> None:
        """From the next event on another filter decides."""
        self.follower.wanted = wanted

    def take(self) -> list[LoggedEvent]:
        """What is to be told now; empty when everything has been."""
        return self.follower.take(self._owner.log, self._owner.utc())

    async def wait(self) -> list[LoggedEvent]:
        """What is to be told next; empty when a heartbeat is due, or the end has come."""
        while True:
            self._wake.clear()
            told = self.take()
            if told or self._owner.is_shut or self._is_heartbeat_due:
                self._said_at = asyncio.get_running_loop().time()
                return told
            await self._wake.wait()

    async def wait_turn(self) -> None:
        """Until something may have changed; within a second."""
        self._is_late = True
        self._wake.clear()
        await self._wake.wait()

    @property
    def is_over(self) -> bool:
        """Whether the process ends."""
        return self._owner.is_shut

    @property
    def position(self) -> EventId:
        """Everything up to here has been taken, or was not wanted."""
        return self.follower.position or self._owner.log.last

    @property
    def _is_heartbeat_due(self) -> bool:
        return asyncio.get_running_loop().time() - self._said_at >= self._heartbeat_s

    def wake(self) -> None:
        """There is news, or the end has come."""
        self._wake.set()

    def tick(self) -> None:
        """Wakes it when it has been silent for long enough."""
        if self._is_heartbeat_due or self._is_late:
            self._is_late = False
            self._wake.set()


class Followers:
    """Owns this process's copy of the log; the delivery process fills it, HTTP follows it."""

    def __init__(self, utc: Callable[[], float] = time.time) -> None:
        self.utc = utc
        self.log = EventLog(EventId(1, 0), 1)
        self.is_shut = False
        self._all: set[Following] = set()
        self._ticker: asyncio.Task[None] | None = None

    def begin(self, message: EventsBegin) -> None:
        """The log as the main process has it; whoever is not in it is told a reset."""
        floor = parse_id(message.floor) or UNKNOWN
        bounds = LogBounds(message.keep_count, message.keep_bytes, message.keep_s)
        self.log = EventLog(floor, message.epoch, bounds, message.paths)
        self._wake_all()

    def told(self, message: EventsTold) -> None:
        """The next events."""
        now_utc = self.utc()
        for body in message.bodies:
            self.log.push(read_event(body), now_utc)
        self._wake_all()

    def open(
        self, after: str | None, wanted: Wanted, heartbeat_s: float = HEARTBEAT_S
    ) -> Following:
        """A new follower; `after` is the id of what it has, None for nothing, "0" for all."""
        position = None if after in (None, "0") else parse_id(after or "") or UNKNOWN
        follower = Follower(position, wanted, at_end=after is None)
        following = Following(self, follower, heartbeat_s)
        self._all.add(following)
        if self._ticker is None:
            self._ticker = asyncio.get_running_loop().create_task(self._tick())
        return following

    def close(self, following: Following) -> None:
        """It has gone."""
        self._all.discard(following)
        if not self._all and self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    def shut(self) -> None:
        """The process ends: everybody is let go, to follow another one."""
        self.is_shut = True
        self._wake_all()

    def __len__(self) -> int:
        return len(self._all)

    def _wake_all(self) -> None:
        for following in self._all:
            following.wake()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for following in self._all:
                following.tick()
