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
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from streaming.auth.access_rules import AccessRules
from streaming.command_messages import CommandAnswer
from streaming.events.event_messages import EventsBegin, EventsReplayed, EventsTold
from streaming.link import Link
from streaming.live_requests import LiveRequests
from streaming.media_store import StoreReader
from streaming.resource import MediaBodies
from streaming.rtc.signal_messages import SignalAnswer, SignalEvent
from streaming.server.command_relay import CommandRelay
from streaming.server.connection import DeliveryServer
from streaming.server.followers import Followers
from streaming.server.listener import Listener
from streaming.server.player import Pages
from streaming.server.signalling import SignalRelay
from streaming.server.site import Site
from streaming.server.tls import Certificate
from streaming.shelf import Shelf
from streaming.shelf_messages import (
    DeliveryConfig,
    Drain,
    Drop,
    GoneSnapshot,
    Listening,
    Metrics,
    PartAdded,
    PathGone,
    PathState,
    PathWanted,
    Put,
    RenditionOpened,
    Replayed,
    SegmentCompleted,
    SegmentDropped,
    SegmentState,
    TextsRest,
    ToDelivery,
    Totals,
    Viewers,
)

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
            certificate = Certificate(Path(config.tls_certificate), Path(config.tls_key))
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
            self._send(Viewers(self._site.viewers.counts()))
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

    def _on_message(self, message: Any) -> None:
        live, shelf = self._live, self._shelf
        match message:
            case (
                PartAdded() | SegmentCompleted() | SegmentDropped() | SegmentState()
                | RenditionOpened()
            ):  # fmt: skip
                live.put_media(message)
            case Put():
                live.put(message)
            case Drop():
                live.drop(message)
            case TextsRest():
                self._waking.discard(message.path)
                live.rest(message)
            case PathState():
                shelf.path_state(message)
            case PathGone():
                self._waking.discard(message.path)
                live.path_gone(message)
            case Totals():
                if self._site is not None:
                    self._site.totals = message
            case Metrics():
                self._metrics = message
                if self._site is not None:
                    self._site.metrics = message
            case GoneSnapshot():
                shelf.restore_gone(message)
            case AccessRules():
                self._config = msgspec.structs.replace(self._config, access=message)
                if self._site is not None:
                    self._site.apply(message)
            case DeliveryConfig():
                self._config = message
                shelf.bodies.limit_bytes = message.cache_bytes
            case EventsTold():
                self._followers.told(message)
            case EventsBegin():
                self._followers.begin(message)
            case EventsReplayed():
                self._events_replayed.set()
            case CommandAnswer():
                self._commands.receive(message)
            case SignalAnswer():
                self._signals.receive(message)
            case SignalEvent():
                self._signals.tell(message)
            case Replayed():
                self._replayed.set()
            case Drain():
                self._stop.set()


async def _run(link_fd: int, listen_fd: int, store_fd: int) -> None:
    listening = socket.socket(fileno=listen_fd)
    listening.setblocking(False)
    await Delivery(listening, StoreReader(store_fd)).run(socket.socket(fileno=link_fd))


def main(arguments: list[str]) -> int:
    """Runs the process; `arguments` are the three file descriptors."""
    # Ctrl-C and systemd reach the whole process group; the origin decides when we stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(levelname)s delivery: %(message)s")
    link_fd, listen_fd, store_fd = map(int, arguments)
    uvloop.run(_run(link_fd, listen_fd, store_fd))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
