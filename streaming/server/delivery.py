"""The delivery process: `python -m streaming.server.delivery <link> <listening socket> <store>`.

The arguments are file descriptors. Holds a shelf that the origin fills over the link and serves it
over HTTP, reading media from the store as they are asked for. It starts to accept when
the origin has replayed the shelf, and ends by draining when told to or when the origin has gone.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import uvloop

from streaming.auth.access_rules import AccessRules
from streaming.command_messages import CommandAnswer
from streaming.events.event_messages import EventsBegin, EventsReplayed, EventsTold
from streaming.link import Link
from streaming.live_requests import LiveRequests
from streaming.logs import start_child_logging
from streaming.media_store import StoreReader
from streaming.resource import MediaBodies
from streaming.rtc.signal_messages import SignalAnswer, SignalEvent
from streaming.server.command_relay import CommandRelay
from streaming.server.connection import DeliveryServer
from streaming.server.followers import Followers
from streaming.server.listener import Listener
from streaming.server.player import Pages
from streaming.server.signal_relay import SignalRelay
from streaming.server.site import Site
from streaming.shelf import Shelf
from streaming.shelf_messages import (
    DeliveryConfig,
    Drain,
    Drop,
    GoneSnapshot,
    Listening,
    Media,
    Metrics,
    PathGone,
    PathState,
    PathWanted,
    Put,
    Replayed,
    TextsRest,
    ToDelivery,
    Totals,
    Viewers,
)
from streaming.tls import Certificate

logger = logging.getLogger(__name__)

REPORT_S: Final = 1.0
"""How often statistics and viewers are reported; the origin's watchdog listens for it."""

VIEWER_TURN_S: Final = 5
"""Reports in one turn of the viewer counter: a viewer counts for 5 s to 10 s."""

EXPIRE_S: Final = 0.25
"""How often requests that have waited for too long are looked for; they wait for seconds."""

WANTED_MAX: Final = 256
"""Paths asked for within one report; further ones wait for the next request."""

ORPHAN_DRAIN_S: Final = 0.5
"""Without an origin nothing new can be served, and its successor wants the port."""


class Delivery:
    """Wires the link to the shelf and the shelf to HTTP; owns everything in this process."""

    def __init__(self, listening: socket.socket, store: StoreReader) -> None:
        self._listening = listening
        self._shelf = Shelf(MediaBodies(store.read, DeliveryConfig().cache_bytes))
        self._live = LiveRequests(self._shelf, self._on_stale)
        self._site: Site | None = None
        self._listener: Listener | None = None
        self._link: Link[Any] | None = None
        self._config = DeliveryConfig()
        self._metrics = Metrics()
        self._wanted: set[str] = set()
        self._waking: set[str] = set()
        """Paths whose texts rest and were asked for."""
        self._signals = SignalRelay(self._send)
        self._commands = CommandRelay(self._send)
        self._followers = Followers()
        self._replayed = asyncio.Event()
        self._events_replayed = asyncio.Event()
        self._stop = asyncio.Event()
        self._receivers = self._table()

    async def run(self, end: socket.socket) -> None:
        """Serves until told to stop or the origin has gone."""
        self._link = await Link.open(end, ToDelivery, self._on_message, self._stop.set)
        starting = asyncio.create_task(self._serve(), name="serve")
        await self._stop.wait()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await self._drain()

    async def _serve(self) -> None:
        await self._replayed.wait()
        await self._events_replayed.wait()
        site = self._new_site()
        server = DeliveryServer(site.answer, site.fast_path)
        config = self._config
        following: list[Coroutine[Any, Any, None]] = []
        tls = None
        if config.tls_certificate:
            files = Path(config.tls_certificate), Path(config.tls_key)
            certificate = Certificate(*files)
            following, tls = [certificate.follow()], certificate.context
        self._listener = Listener(
            server, self._listening, config.max_connections, site.counters, tls
        )
        # What is on the shelf and imported by now lives long: do not scan it at each collection.
        gc.collect()
        gc.freeze()
        await self._listener.start()
        self._send(Listening())
        await asyncio.gather(self._report(), self._expire(), site.access.keep_keys(), *following)

    def _new_site(self) -> Site:
        logging.getLogger().setLevel(self._config.log_level.upper())
        self._site = Site(
            self._config,
            self._live,
            Pages(),
            self._on_wanted,
            self._signals,
            self._followers,
            self._commands,
        )
        self._site.metrics = self._metrics
        return self._site

    async def _report(self) -> None:
        assert self._site is not None
        assert self._listener is not None
        reports = 0
        while True:
            await asyncio.sleep(REPORT_S)
            reports += 1
            if reports % VIEWER_TURN_S == 0:
                self._site.viewers.turn()
            self._wanted.clear()
            seen = self._site.viewers
            self._send(Viewers(seen.counts(), seen.counts_by_protocol()))
            counters, connections = self._site.counters, len(self._listener.connections)
            self._send(counters.take(connections, self._shelf, self._live.room))

    async def _expire(self) -> None:
        assert self._site is not None
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(EXPIRE_S)
            self._live.room.expire(loop.time())

    async def _drain(self) -> None:
        assert self._link is not None
        orphan = self._link.closed
        if self._site is not None:
            self._site.draining = True
        if self._listener is not None:
            drain_s = self._config.drain_s
            await self._listener.drain(min(drain_s, ORPHAN_DRAIN_S) if orphan else drain_s)
        if self._site is not None:
            await self._site.thumbnail_process.close()
        self._link.close()

    def _send(self, message: object) -> None:
        assert self._link is not None
        self._link.send(message)

    def _on_wanted(self, path: str) -> None:
        if path not in self._wanted and len(self._wanted) < WANTED_MAX:
            self._wanted.add(path)
            self._send(PathWanted(path))

    def _on_stale(self, path: str) -> None:
        if path not in self._waking:
            self._waking.add(path)
            self._send(PathWanted(path))

    def _table(self) -> dict[type, Callable[[Any], object]]:
        """Who takes which message."""
        live, shelf = self._live, self._shelf
        return {
            **dict.fromkeys(get_args(Media), live.put_media),
            Put: live.put,
            Drop: live.drop,
            TextsRest: self._on_rest,
            PathState: shelf.path_state,
            PathGone: self._on_path_gone,
            GoneSnapshot: shelf.restore_gone,
            Replayed: lambda _: self._replayed.set(),
            Totals: self._on_totals,
            Metrics: self._on_metrics,
            AccessRules: self._on_rules,
            DeliveryConfig: self._on_config,
            EventsBegin: self._followers.begin,
            EventsTold: self._followers.told,
            EventsReplayed: lambda _: self._events_replayed.set(),
            CommandAnswer: self._commands.receive,
            SignalAnswer: self._signals.receive,
            SignalEvent: self._signals.tell,
            Drain: lambda _: self._stop.set(),
        }

    def _on_message(self, message: Any) -> None:
        self._receivers[type(message)](message)

    def _on_rest(self, news: TextsRest) -> None:
        self._waking.discard(news.path)
        self._live.rest(news)

    def _on_path_gone(self, gone: PathGone) -> None:
        self._waking.discard(gone.path)
        self._live.path_gone(gone)

    def _on_totals(self, totals: Totals) -> None:
        if self._site is not None:
            self._site.totals = totals

    def _on_metrics(self, metrics: Metrics) -> None:
        self._metrics = metrics
        if self._site is not None:
            self._site.metrics = metrics

    def _on_rules(self, rules: AccessRules) -> None:
        self._config = msgspec.structs.replace(self._config, access=rules)
        if self._site is not None:
            self._site.apply(rules)

    def _on_config(self, config: DeliveryConfig) -> None:
        self._config = config
        self._shelf.bodies.limit_bytes = config.cache_bytes


async def _run(link_fd: int, listen_fd: int, store_fd: int) -> None:
    listening = socket.socket(fileno=listen_fd)
    listening.setblocking(False)
    await Delivery(listening, StoreReader(store_fd)).run(socket.socket(fileno=link_fd))


def main(arguments: list[str]) -> int:
    """Runs the process; `arguments` are the three file descriptors."""
    # Ctrl-C and systemd reach the whole process group; the origin decides when we stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    start_child_logging("delivery")
    link_fd, listen_fd, store_fd = map(int, arguments)
    uvloop.run(_run(link_fd, listen_fd, store_fd))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
