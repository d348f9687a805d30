"""A site in the test's own loop, and real delivery processes, both on loopback port 0."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from streaming.live_requests import LiveRequests
from streaming.media_store import MediaStore, StoreReader
from streaming.resource import MediaBodies
from streaming.server.command_relay import CommandRelay
from streaming.server.connection import DeliveryServer
from streaming.server.listener import Listener
from streaming.server.player import Pages
from streaming.server.signal_relay import SignalRelay
from streaming.server.site import Site
from streaming.shelf import Shelf
from streaming.shelf_messages import (
    DeliveryConfig,
    PartAdded,
    PathState,
    Put,
    RenditionOpened,
    SegmentCompleted,
)
from streaming.store_ledger import Log

SEGMENT = bytes(range(256)) * 400
PART_BYTES = 30_000
"""Of the first of the segment's two parts."""
PLAYLIST = b"#EXTM3U\n" + b"#EXTINF:2.000,\n1.m4s\n" * 20

PAGES = {
    "player.html": "<!doctype html><title>player</title>",
    "index.html": "<!doctype html><title>index</title>",
    "compare.html": "<!doctype html><title>compare</title>",
    "publish.html": "<!doctype html><title>publish</title>",
    "player.js": "export const a = 1;\n" * 50,
    "theme.css": "body { margin: 0 }\n" * 50,
}


@dataclass
class Served:
    """A site that listens, and what it told the origin."""

    site: Site
    shelf: Shelf
    listener: Listener
    port: int
    client: aiohttp.ClientSession
    wanted: list[str] = field(default_factory=list)

    async def get(self, url: str, **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
        """GET `url` and the body as it came, not decompressed."""
        return await self.ask("GET", url, **headers)

    async def ask(
        self, verb: str, url: str, **headers: str
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """Header names are given with underscores."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(
            verb, f"http://127.0.0.1:{self.port}{url}", headers=fields, allow_redirects=False
        ) as response:
            return response, await response.read()

    async def raw(self, request: bytes) -> bytes:
        """Everything that comes back for these bytes, until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        writer.write_eof()
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()


Serve = Callable[..., Awaitable[Served]]


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop run until `condition` holds; sockets have no event for what we wait for."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def media(url: str, body: bytes = SEGMENT, path: str = "live/a") -> Put:
    return Put(path=path, url=url, body=body, content_type="video/mp4")


def playlist(url: str, body: bytes = PLAYLIST, path: str = "live/a") -> Put:
    kind = "application/vnd.apple.mpegurl"
    return Put(path=path, url=url, body=body, content_type=kind, cache="playlist", max_age_s=1)


def filled_shelf() -> Shelf:
    """A live path with a playlist, a manifest and a segment."""
    store, log = MediaStore(), Log()
    shelf = Shelf(MediaBodies(StoreReader(store.open_reader()).read, 4 * len(SEGMENT)))
    shelf.path_state(PathState("live/a", "live"))
    shelf.put(playlist("/live/a/index.m3u8"))
    shelf.put(
        Put(
            path="live/a",
            url="/live/a/manifest.mpd",
            body=b"<MPD/>",
            content_type="application/dash+xml",
            cache="playlist",
            max_age_s=1,
        )
    )
    shelf.put_media(RenditionOpened(1, "live/a", "720p", "video/mp4"))
    for part, data in enumerate((SEGMENT[:PART_BYTES], SEGMENT[PART_BYTES:])):
        offset = store.append(log, [data], len(data), starts_segment=not part)
        assert offset is not None
        shelf.put_media(PartAdded(1, 7, part, 90_000 * part, offset, len(data)))
    shelf.put_media(SegmentCompleted(1, 7))
    return shelf


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """Small pages in the place of the real ones."""
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text)
    return Pages(tmp_path)


@pytest.fixture
async def serve(pages: Pages) -> AsyncIterator[Serve]:
    """Makes a listening site of a configuration; all are closed at the end."""
    started: list[Served] = []

    async def start(
        shelf: Shelf | None = None,
        signals: SignalRelay | None = None,
        commands: CommandRelay | None = None,
        family: socket.AddressFamily = socket.AF_INET,
        **settings: object,
    ) -> Served:
        config = DeliveryConfig(**settings)  # type: ignore[arg-type]
        shelf, wanted = shelf or filled_shelf(), list[str]()
        site = Site(config, LiveRequests(shelf), pages, wanted.append, signals, commands=commands)
        is_dual = family is socket.AF_INET6  # takes IPv4 as well, of loopback alone
        listening = socket.create_server(
            ("::ffff:127.0.0.1" if is_dual else "127.0.0.1", 0),
            family=family,
            dualstack_ipv6=is_dual,
        )
        server = DeliveryServer(site.answer, site.fast_path)
        listener = Listener(server, listening, config.max_connections, site.counters)
        await listener.start()
        client = aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"])
        port = listening.getsockname()[1]
        started.append(Served(site, shelf, listener, port, client, wanted))
        listening_sockets.append(listening)
        return started[-1]

    listening_sockets: list[socket.socket] = []
    yield start
    for served in started:
        await served.client.close()
        served.site.live.room.close()
        await served.listener.drain(0.0)
    for listening in listening_sockets:
        listening.close()


@pytest.fixture
async def served(serve: Serve) -> Served:
    """A site with the default configuration."""
    return await serve()
