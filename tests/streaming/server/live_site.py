"""A site with a low-latency stream that tests let grow."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from streaming.media_store import MediaStore, StoreReader
from streaming.resource import MediaBodies
from streaming.shelf import Shelf
from streaming.shelf_messages import (
    LivePlaylist,
    PartAdded,
    Put,
    RenditionOpened,
    SegmentCompleted,
)
from streaming.store_ledger import Log
from tests.streaming.server.conftest import Serve, Served, until

FOLDER = "/live/a/720p/"
PLAYLIST = FOLDER + "index.m3u8"
PART = b"abcdefgh" * 5_000
TARGET = 2

FAST = {"Accept": "*/*"}
SLOW = {"X_Odd": "1"}
"""A field that the fast path does not know, so that aiohttp answers."""


class LiveShelf:
    """A rendition in progress: segment 7 is finished, 8 has one part."""

    def __init__(self) -> None:
        self._store, self._log = MediaStore(), Log()
        reader = StoreReader(self._store.open_reader()).read
        self.shelf = Shelf(MediaBodies(reader, 4 << 20))
        self.shelf.put_media(RenditionOpened(1, "live/a", "720p", "video/mp4"))
        for msn, part in ((7, 0), (7, 1)):
            self.shelf.put_media(self.part(msn, part))
        self.shelf.put_media(SegmentCompleted(1, 7))
        self.shelf.put_media(self.part(8, 0))
        self.shelf.put(self.playlist(7, 1))

    def part(self, msn: int, part: int) -> PartAdded:
        offset = self._store.append(self._log, [PART], len(PART), starts_segment=not part)
        assert offset is not None
        return PartAdded(1, msn, part, 18_000 * part, offset, len(PART))

    def playlist(
        self,
        msn: int,
        parts: int,
        *,
        hint: str = "",
        is_ended: bool = False,
        path: str = "live/a",
    ) -> Put:
        body = f"#EXTM3U\n# {msn} and {parts} parts\n".encode()
        live = LivePlaylist(
            delta=b"#EXTM3U\n#EXT-X-SKIP\n",
            delta_v2=b"#EXTM3U\n#EXT-X-SKIP v2\n",
            last_msn=msn,
            last_parts=2,
            open_parts=parts,
            target_duration=TARGET,
            part_target_s=0.2,
            is_ended=is_ended,
            hint="" if is_ended else hint or f"{msn + 1}.{parts}.m4s",
        )
        return Put(
            path=path,
            url=f"/{path}/720p/index.m3u8",
            body=body,
            content_type="application/vnd.apple.mpegurl",
            cache="playlist",
            max_age_s=1,
            live=live,
        )


@pytest.fixture
def growing() -> LiveShelf:
    return LiveShelf()


@pytest.fixture
async def site(serve: Serve, growing: LiveShelf) -> Served:
    return await serve(growing.shelf)


Asked = asyncio.Task[tuple[aiohttp.ClientResponse, bytes]]


async def asked(site: Served, url: str, headers: dict[str, str]) -> Asked:
    """A request that has begun to wait."""
    room = site.site.live.room
    before = len(room)
    task = asyncio.create_task(site.get(url, **headers))
    await until(lambda: len(room) == before + 1 or task.done())
    assert not task.done(), await task
    return task
