"""Segments that are asked for while they grow."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from streaming.shelf_messages import (
    PathGone,
    SegmentCompleted,
    SegmentDropped,
)
from tests.streaming.server.conftest import Served, until
from tests.streaming.server.live_site import (
    FAST,
    FOLDER,
    PART,
    TARGET,
    LiveShelf,
    asked,
)
from tests.streaming.server.live_site import growing as growing
from tests.streaming.server.live_site import site as site


async def test_d4_a_growing_segment_comes_part_by_part(site: Served, growing: LiveShelf) -> None:
    url = f"http://127.0.0.1:{site.port}{FOLDER}8.m4s"
    async with site.client.get(url) as response:
        assert response.status == 200
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert "ETag" not in response.headers
        assert await response.content.readexactly(len(PART)) == PART
        site.site.live.put_media(growing.part(8, 1))
        assert await response.content.readexactly(len(PART)) == PART
        site.site.live.put_media(SegmentCompleted(1, 8))
        assert await response.content.read() == b""
    _, whole = await site.get(FOLDER + "8.m4s")
    assert whole == 2 * PART


async def test_d3_a_segment_is_there_when_it_is_said_to_be_and_neither_before_nor_for_ever(
    site: Served, growing: LiveShelf
) -> None:
    statuses = [(await site.get(f"{FOLDER}{msn}.m4s"))[0].status for msn in (7, 10, 11)]
    assert statuses == [200, 404, 404]
    site.site.live.put_media(SegmentDropped(1, 7))
    assert (await site.get(FOLDER + "7.m4s"))[0].status == 410


async def test_the_segment_after_the_growing_one_is_held_until_it_begins(
    site: Served, growing: LiveShelf
) -> None:
    task = await asked(site, FOLDER + "9.m4s", FAST)
    site.site.live.put_media(SegmentCompleted(1, 8))
    site.site.live.put(growing.playlist(8, 0))
    site.site.live.put_media(growing.part(9, 0))
    site.site.live.put_media(SegmentCompleted(1, 9))
    _, body = await task
    assert body == PART


async def test_a_segment_that_does_not_begin_in_time_is_not_found(site: Served) -> None:
    task = await asked(site, FOLDER + "9.m4s", FAST)
    site.site.live.room.expire(asyncio.get_running_loop().time() + TARGET)
    response, _ = await task
    assert response.status == 404


async def test_a_range_of_a_growing_segment_waits_for_its_end(
    site: Served, growing: LiveShelf
) -> None:
    task = await asked(site, FOLDER + "8.m4s", {"Range": "bytes=0-9"})
    site.site.live.put_media(SegmentCompleted(1, 8))
    response, body = await task
    assert (response.status, body) == (206, PART[:10])


async def test_an_old_client_gets_a_growing_segment_in_one_piece(
    site: Served, growing: LiveShelf
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {FOLDER}8.m4s HTTP/1.0\r\n\r\n".encode())
    await until(lambda: len(site.site.live.room) == 1)
    site.site.live.put_media(SegmentCompleted(1, 8))
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    assert body == PART
    assert b"chunked" not in head.lower()


@pytest.mark.parametrize("loss", ["the path goes", "it becomes a gap"])
async def test_a_growing_segment_that_is_lost_is_cut_off_and_not_taken_for_whole(
    site: Served, growing: LiveShelf, loss: str
) -> None:
    url = f"http://127.0.0.1:{site.port}{FOLDER}8.m4s"
    async with site.client.get(url) as response:
        await response.content.readexactly(len(PART))
        if loss == "the path goes":
            site.site.live.path_gone(PathGone("live/a"))
        else:
            site.site.live.put(growing.playlist(8, 0))
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()
