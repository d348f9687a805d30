"""Everybody in this process who follows the event log, and the copy of it that they read.

Who is told by a stream or a socket is told in turns: each writes what its sink can take, bytes that
were rendered once for all who are told the same. Turns take half of the event loop at most, so with
thousands of followers what happens meanwhile comes in one write. Who polls is answered in turns of
its own, which rest for as long as so many requests take.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, Protocol

from streaming.events.event import RESET, EventId, LoggedEvent, parse_id, read_event
from streaming.events.event_filter import Wanted
from streaming.events.event_log import EventLog, LogBounds
from streaming.events.event_messages import EventsBegin, EventsTold
from streaming.events.follower import Follower

logger = logging.getLogger(__name__)

HEARTBEAT_S: Final = 15.0
"""Proxies cut connections that are silent for a minute; who follows takes two missed for a loss."""
TICK_S: Final = 0.5
"""How often silent connections are looked for, and those that could take no more."""
UNKNOWN: Final = EventId(0, 0)
"""What is said of a position that we cannot have told."""
SHARE: Final = 0.5
"""Of the event loop's CPU time, for telling: media go by the same loop."""
SLICE_S: Final = 0.02
"""Of a turn at a stretch; then whatever else there is to do has its own."""
POLL_REST_S: Final = 0.0005
"""For each poll that was answered, until polls are answered again: one costs 0.2 ms."""
MOST_BATCHES: Final = 16
"""Remembered until the next event. Those who keep up are all at one place, or in a few."""


class Sink(Protocol):
    """Where a follower's bytes go."""

    @property
    def key(self) -> Hashable:
        """Sinks with equal keys render the same bytes."""

    @property
    def is_behind(self) -> bool:
        """Whether it can take no more for now."""

    def render(self, told: list[LoggedEvent]) -> bytes:
        """Events as they are sent."""

    def render_heartbeat(self, position: EventId) -> bytes:
        """A sign of life."""

    def write(self, data: bytes) -> None:
        """Sends it, now or when the client takes it."""


class Batch:
    """What is told next to everybody at one place who wants the same."""

    def __init__(self, told: list[LoggedEvent], position: EventId | None) -> None:
        self.told = told
        self.position = position
        """After it."""
        self._rendered: dict[Hashable, bytes] = {}

    def bytes_for(self, key: Hashable, render: Callable[[list[LoggedEvent]], bytes]) -> bytes:
        """Rendered once."""
        data = self._rendered.get(key)
        if data is None:
            data = self._rendered[key] = render(self.told)
        return data


class Following:
    """One follower with what wakes it; made and closed by `Followers`."""

    def __init__(self, owner: Followers, follower: Follower, heartbeat_s: float) -> None:
        self.follower = follower
        self.is_released = False
        """Of a poll: its turn has come."""
        self._is_let_go = False
        self._owner = owner
        self._heartbeat_s = heartbeat_s
        self._wake = asyncio.Event()
        self._said_at = asyncio.get_running_loop().time()
        self._sink: Sink | None = None
        self._is_late = False
        """Its sink could take no more."""

    def change(self, wanted: Wanted) -> None:
        """From the next event on another filter decides."""
        self.follower.wanted = wanted

    def take(self) -> Batch:
        """What is to be told now; empty when everything has been."""
        return self._owner.batch_for(self.follower)

    async def wait(self) -> Batch:
        """Of a poll, what is to be told next; empty when its time is over, or the end has come."""
        while True:
            self._wake.clear()
            if self._owner.may_answer(self):
                batch = self.take()
                if batch.told or self._is_over or self._is_heartbeat_due:
                    return batch
            await self._wake.wait()

    def tell_by(self, sink: Sink) -> None:
        """Whatever happens goes to `sink` from now on."""
        self._sink = sink
        self._owner.push_to(self)
        self.push()

    def push(self) -> None:
        """Tells as much as the sink takes."""
        sink = self._sink
        assert sink is not None
        while True:
            self._is_late = sink.is_behind
            if self._is_late:
                return
            batch = self.take()
            if not batch.told:
                return
            sink.write(batch.bytes_for(sink.key, sink.render))
            self._said_at = self._owner.now()
            if self.follower.position == self._owner.log.last:
                return

    async def wait_over(self) -> None:
        """Until it is let go, or the process ends."""
        while not self._is_over:
            self._wake.clear()
            await self._wake.wait()

    @property
    def position(self) -> EventId:
        """Everything up to here has been taken, or was not wanted."""
        return self.follower.position or self._owner.log.last

    def let_go(self) -> None:
        """Its connection is to end; it may come again."""
        self._is_let_go = True
        self.wake()

    @property
    def _is_over(self) -> bool:
        return self._is_let_go or self._owner.is_shut

    @property
    def _is_heartbeat_due(self) -> bool:
        return self._owner.now() - self._said_at >= self._heartbeat_s

    def wake(self) -> None:
        """There is news for a poll, or the end has come."""
        self.is_released = True
        self._wake.set()

    def tick(self) -> None:
        """Goes on where there is room again; says something where it was silent for long."""
        sink = self._sink
        if sink is None:
            if self._is_heartbeat_due:
                self.wake()
            return
        if self._is_late:
            self.push()
        if self._is_heartbeat_due and not sink.is_behind:
            self._said_at = self._owner.now()
            sink.write(sink.render_heartbeat(self.position))


class Followers:
    """Owns this process's copy of the log; the delivery process fills it, HTTP follows it."""

    def __init__(self, utc: Callable[[], float] = time.time) -> None:
        self.utc = utc
        self.log = EventLog(EventId(1, 0), 1)
        self.is_shut = False
        self._pushed: set[Following] = set()
        self._polls: set[Following] = set()
        self._batches: dict[Hashable, Batch] = {}
        self._queue: deque[Following] = deque()
        self._turn: asyncio.Handle | None = None
        self._has_news = False
        self._spent_s = 0.0
        self._next_turn_at = 0.0
        self._poll_turn: asyncio.Handle | None = None
        self._next_poll_at = 0.0
        self._ticker: asyncio.Task[None] | None = None

    def now(self) -> float:
        """Of the event loop."""
        return asyncio.get_running_loop().time()

    def begin(self, message: EventsBegin) -> None:
        """The log as the main process has it; whoever is not in it is told a reset."""
        floor = parse_id(message.floor) or UNKNOWN
        bounds = LogBounds(message.keep_count, message.keep_bytes, message.keep_s)
        forgotten = message.forgotten_ids()
        self.log = EventLog(floor, message.epoch, bounds, message.paths, forgotten)
        self._changed()

    def told(self, message: EventsTold) -> None:
        """The next events."""
        now_utc = self.utc()
        for body in message.bodies:
            self.log.push(read_event(body), now_utc)
        self._changed()

    def open(
        self, after: str | None, wanted: Wanted, heartbeat_s: float = HEARTBEAT_S
    ) -> Following:
        """A new follower; `after` is the id of what it has, None for nothing, "0" for all."""
        position = None if after in (None, "0") else parse_id(after or "") or UNKNOWN
        follower = Follower(position, wanted, at_end=after is None)
        following = Following(self, follower, heartbeat_s)
        self._polls.add(following)
        if self._ticker is None:
            self._ticker = asyncio.get_running_loop().create_task(self._tick())
        return following

    def push_to(self, following: Following) -> None:
        """It is told rather than asks."""
        self._polls.discard(following)
        self._pushed.add(following)

    def close(self, following: Following) -> None:
        """It has gone."""
        self._polls.discard(following)
        self._pushed.discard(following)
        if not len(self) and self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    def shut(self) -> None:
        """The process ends: everybody is let go, to follow another one."""
        self.is_shut = True
        self.let_go()

    def let_go(self) -> None:
        """Everybody's connection ends; who still may follow comes again, and misses nothing."""
        for following in (*self._polls, *self._pushed):
            following.let_go()

    def __len__(self) -> int:
        return len(self._polls) + len(self._pushed)

    def batch_for(self, follower: Follower) -> Batch:
        """What a follower is told next, which is then behind it."""
        before = follower.position
        if before is None:
            return Batch(follower.take(self.log, self.utc()), follower.position)
        key = before, follower.wanted.key
        batch = None if follower.is_lost(self.log) else self._batches.get(key)
        if batch is not None:
            assert batch.position is not None
            follower.skip_to(batch.position)
            return batch
        told = follower.take(self.log, self.utc())
        batch = Batch(told, follower.position)
        is_reset = bool(told) and told[0].event.type == RESET
        if not is_reset and len(self._batches) < MOST_BATCHES:
            self._batches[key] = batch
        return batch

    def may_answer(self, following: Following) -> bool:
        """Whether a poll may be answered, or is to wait for its turn, which is then due."""
        if following.is_released or self.now() >= self._next_poll_at:
            return True
        self._arrange_polls()
        return False

    # -- turns -------------------------------------------------------------------------------

    def _changed(self) -> None:
        self._batches.clear()
        if self._pushed:
            self._has_news = True
            self._arrange_turn()
        if self._polls:
            self._arrange_polls()

    def _arrange_turn(self) -> None:
        if self._turn is None:
            loop = asyncio.get_running_loop()
            self._turn = loop.call_at(max(loop.time(), self._next_turn_at), self._begin_turn)

    def _begin_turn(self) -> None:
        self._has_news = False
        self._queue.extend(self._pushed)
        self._spent_s = 0.0
        self._tell_some()

    def _tell_some(self) -> None:
        """A slice of a turn."""
        began, cpu, queue = time.perf_counter(), time.thread_time(), self._queue
        while queue and time.perf_counter() - began < SLICE_S:
            following = queue.popleft()
            if following in self._pushed:
                self._guard(following, following.push)
        self._spent_s += time.thread_time() - cpu
        loop = asyncio.get_running_loop()
        if queue:
            self._turn = loop.call_soon(self._tell_some)
            return
        self._turn = None
        self._next_turn_at = loop.time() + self._spent_s * (1 / SHARE - 1)
        if self._has_news:
            self._arrange_turn()

    def _arrange_polls(self) -> None:
        if self._poll_turn is None:
            loop = asyncio.get_running_loop()
            at = max(loop.time(), self._next_poll_at)
            self._poll_turn = loop.call_at(at, self._answer_polls)

    def _answer_polls(self) -> None:
        self._poll_turn = None
        self._next_poll_at = self.now() + len(self._polls) * POLL_REST_S
        for following in self._polls:
            following.wake()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for following in (*self._polls, *self._pushed):
                self._guard(following, following.tick)

    def _guard(self, following: Following, tell: Callable[[], None]) -> None:
        """Calls `tell`; what goes wrong with one follower is not felt by the others."""
        try:
            tell()
        except Exception:
            logger.exception("a follower cannot be told")
            self.close(following)
