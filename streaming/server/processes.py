"""The origin's side of its delivery processes: spawn, feed, watch, restart, drain.

Imports no aiohttp: the main process stays light.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from streaming.auth.access_rules import AccessRules
from streaming.child_process import ChildProcess, start_child
from streaming.command_messages import CommandAnswer, CommandRequest
from streaming.events.event import EventId
from streaming.events.event_feed import EventFeed
from streaming.events.event_log import EventLog
from streaming.link import Link, encode_frame
from streaming.rtc.signal_messages import SignalAnswer, SignalEvent, SignalRequest
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import (
    DeliveryConfig,
    DeliveryStatistics,
    Drain,
    FromDelivery,
    Listening,
    Metric,
    Metrics,
    PathWanted,
    Totals,
    Viewers,
)

logger = logging.getLogger(__name__)

SILENCE_S: Final = 10.0
"""A process that reported nothing for so long (it reports each second) hangs and is killed."""

START_S: Final = 60.0
"""The same before its first report: it imports, and takes over up to gigabytes of live window."""

PUMP_S: Final = 0.01
"""How often links that are behind are looked at."""

IDLE_PUMP_S: Final = 0.05
"""The same while none is."""

REPORT_S: Final = 1.0
"""How often delivery processes are told what only the origin knows."""

METRICS_EVERY: Final = 5
"""Reports; Prometheus asks every 15 s as a rule, and a hundred paths have a thousand figures."""

BACK_OFF_S: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Waits before the first, second, ... restart in a row; the last one repeats."""

SETTLED_S: Final = 30.0
"""A process that ran so long starts the row again."""


def refuse_signal(request: SignalRequest, answer: Callable[[SignalAnswer], None]) -> None:
    """What is said where there is no WebRTC."""
    answer(SignalAnswer(request.id, 404, "there is no WebRTC here"))


def refuse_command(request: CommandRequest, answer: Callable[[CommandAnswer], None]) -> None:
    """What is said where nobody takes commands."""
    answer(CommandAnswer(request.id, 503, detail="no commands are taken here"))


class DeliveryProcesses:
    """Owns N delivery processes that share one listening socket, and their links.

    `feed` holds what they serve. `on_path_wanted` is called with the path of a viewer who asks
    for what is not live; `on_viewers` with path -> viewers, each second; `on_signal` with WHEP and
    WHIP requests and who is to be called with the answer. `metrics` is asked every
    few seconds for what else shall be on /metrics, `other_viewers` for those by WebRTC.
    `events` has the event log for them.
    """

    def __init__(
        self,
        config: DeliveryConfig,
        listening: socket.socket,
        feed: ShelfFeed,
        *,
        processes: int = 1,
        on_path_wanted: Callable[[str], None] = lambda path: None,
        on_viewers: Callable[[dict[str, int]], None] = lambda counts: None,
        on_signal: Callable[[SignalRequest, Callable[[SignalAnswer], None]], None] = refuse_signal,
        on_command: Callable[
            [CommandRequest, Callable[[CommandAnswer], None]], None
        ] = refuse_command,
        metrics: Callable[[], Sequence[Metric]] = lambda: (),
        other_viewers: Callable[[], Mapping[str, int]] = dict,
        utc_ahead_s: Callable[[], float] = lambda: 0.0,
        events: EventFeed | None = None,
    ) -> None:
        self._config = config
        self._listening = listening
        self._feed = feed
        self._on_path_wanted = on_path_wanted
        self._on_viewers = on_viewers
        self._on_signal = on_signal
        self._on_command = on_command
        self._metrics = metrics
        self._other_viewers = other_viewers
        self._utc_ahead_s = utc_ahead_s
        self._events = events or EventFeed(EventLog(EventId(1, 0), 1))
        self._slots = [_Slot(self, number) for number in range(processes)]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Spawns them and returns when the first one listens."""
        self._tasks = [
            asyncio.create_task(s.run(), name=f"delivery {s.number}") for s in self._slots
        ]
        self._tasks.append(asyncio.create_task(self._pump(), name="shelf pump"))
        self._tasks.append(asyncio.create_task(self._report(), name="delivery report"))
        waits = [asyncio.create_task(s.listens.wait()) for s in self._slots]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    async def close(self) -> None:
        """Lets each drain (`drain_s` of the config), then they have gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(slot.close() for slot in self._slots))

    def statistics(self) -> Totals:
        """The figures of all processes together."""
        others = self._other_viewers()
        viewers: Counter[str] = Counter(others)
        by: dict[str, Counter[str]] = {p: Counter(webrtc=count) for p, count in others.items()}
        for slot in self._slots:
            viewers.update(slot.viewers.counts)
            for path, counts in slot.viewers.by_protocol.items():
                by.setdefault(path, Counter()).update(counts)
        return Totals(
            delivery=tuple(slot.statistics() for slot in self._slots),
            restarts=sum(slot.restarts for slot in self._slots),
            utc_ahead_s=self._utc_ahead_s(),
            viewers=dict(viewers),
            viewers_by={path: dict(counts) for path, counts in by.items()},
        )

    async def _report(self) -> None:
        reports = 0
        while True:
            if reports % METRICS_EVERY == 0:
                self._feed.metrics(Metrics(tuple(self._metrics())))
            await asyncio.sleep(REPORT_S)
            reports += 1
            totals = self.statistics()
            self._feed.totals(totals)
            self._on_viewers(totals.viewers)

    async def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            pending = self._feed.pump(now)
            self._events.pump()
            await asyncio.sleep(PUMP_S if pending else IDLE_PUMP_S)
            for sink in self._feed.sinks_behind(now):
                for slot in self._slots:
                    if slot.link is sink:
                        slot.kill("it is too far behind")

    # -- for the slots ------------------------------------------------------------------------

    async def spawn(self, link_end: socket.socket) -> ChildProcess:
        """One new delivery process that talks over `link_end`."""
        store = self._feed.open_reader()
        try:
            descriptors = (link_end.fileno(), self._listening.fileno(), store)
            return await start_child(
                "streaming.server.delivery", [str(one) for one in descriptors], descriptors
            )
        finally:
            os.close(store)

    def attach(self, link: Link[Any]) -> None:
        """A new process's link is open."""
        link.send_frame(encode_frame(self._config))
        self._events.attach(link)
        self._feed.attach(link)

    def detach(self, link: Link[Any]) -> None:
        """A process has gone."""
        self._feed.detach(link)
        self._events.detach(link)

    def path_wanted(self, path: str) -> None:
        """A viewer of some process asked for `path`."""
        self._on_path_wanted(path)

    def tell(self, event: SignalEvent) -> None:
        """Something happened to a session; the process that has its WebSocket knows it."""
        for slot in self._slots:
            if slot.link is not None:
                slot.link.send(event)

    def apply(self, rules: AccessRules) -> None:
        """Other rules for who may do what: told to all, and to those that start from now on."""
        self._config = msgspec.structs.replace(self._config, access=rules)
        for slot in self._slots:
            if slot.link is not None:
                slot.link.send(rules)

    def command(self, request: CommandRequest, answer: Callable[[CommandAnswer], None]) -> None:
        """A caller of some process's API commands something."""
        self._on_command(request, answer)

    def signal(self, request: SignalRequest, answer: Callable[[SignalAnswer], None]) -> None:
        """A client of some process speaks WHEP or WHIP."""
        self._on_signal(request, answer)

    @property
    def drain_s(self) -> float:
        """How long a process may take to end."""
        return self._config.drain_s


class _Slot:
    """One place for a delivery process, which is filled again when its process dies."""

    def __init__(self, owner: DeliveryProcesses, number: int) -> None:
        self.number = number
        self.link: Link[Any] | None = None
        self.listens = asyncio.Event()
        self.restarts = 0
        self.viewers = Viewers({})
        self._owner = owner
        self._process: ChildProcess | None = None
        self._heard_at = 0.0
        self._lately = DeliveryStatistics()
        self._before = DeliveryStatistics()

    async def run(self) -> None:
        """Keeps a process in this slot for ever."""
        loop = asyncio.get_running_loop()
        in_a_row = 0
        while True:
            started = loop.time()
            try:
                await self._run_once()
            except OSError as error:
                logger.error("delivery process %d cannot start: %s", self.number, error)
            in_a_row = 0 if loop.time() - started > SETTLED_S else in_a_row + 1
            self.restarts += 1
            wait_s = BACK_OFF_S[min(in_a_row, len(BACK_OFF_S)) - 1] if in_a_row else 0.0
            await asyncio.sleep(wait_s)

    async def close(self) -> None:
        """Drains the process and waits until it has gone."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        if self.link is not None:
            self.link.send(Drain())
        try:
            await asyncio.wait_for(process.wait(), self._owner.drain_s + 2.0)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self.link is not None:
            self.link.close()

    def kill(self, why: str) -> None:
        """Ends a process that is of no use any more; `run` starts the next one."""
        logger.error("delivery process %d is killed: %s", self.number, why)
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def statistics(self) -> DeliveryStatistics:
        """This slot's figures, counters going on over restarts."""
        return _sum_counters(self._before, self._lately)

    async def _run_once(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await self._owner.spawn(theirs)
        link: Link[Any] = await Link.open(ours, FromDelivery, self._on_message, lambda: None)
        self.link = link
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time() + START_S - SILENCE_S
        self._owner.attach(link)
        watchdog = asyncio.create_task(self._watch(), name="delivery watchdog")
        try:
            code = await self._process.wait()
            logger.error("delivery process %d ended with code %d", self.number, code)
        finally:
            watchdog.cancel()
            self._owner.detach(link)
            if self._process.returncode is not None:
                link.close()
            self.viewers = Viewers({})
            self._before = self.statistics()
            self._lately = DeliveryStatistics()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            if loop.time() - self._heard_at > SILENCE_S:
                self.kill("it has been silent for too long")
                return

    def _on_message(self, message: Any) -> None:
        self._heard_at = max(self._heard_at, asyncio.get_running_loop().time())
        match message:
            case DeliveryStatistics():
                self._lately = message
            case Viewers():
                self.viewers = message
            case PathWanted():
                self._owner.path_wanted(message.path)
            case Listening():
                self.listens.set()
            case CommandRequest():
                assert self.link is not None
                self._owner.command(message, self.link.send)
            case SignalRequest():
                assert self.link is not None
                self._owner.signal(message, self.link.send)


def _sum_counters(before: DeliveryStatistics, now: DeliveryStatistics) -> DeliveryStatistics:
    requests = dict(before.requests)
    for key, count in now.requests.items():
        requests[key] = requests.get(key, 0) + count
    return msgspec.structs.replace(
        now,
        requests=requests,
        sent_bytes=before.sent_bytes + now.sent_bytes,
        fast_requests=before.fast_requests + now.fast_requests,
        refused_connections=before.refused_connections + now.refused_connections,
        cache_hits=before.cache_hits + now.cache_hits,
        cache_misses=before.cache_misses + now.cache_misses,
        waits_served=before.waits_served + now.waits_served,
        waits_late=before.waits_late + now.waits_late,
    )
