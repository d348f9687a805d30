"""Requests that wait, over HTTP: both ways through the server, and how they end."""

from __future__ import annotations

import asyncio

import pytest

from streaming.resource import MediaBodies
from streaming.shelf_messages import (
    PathGone,
    SegmentCompleted,
)
from tests.streaming.server.conftest import Served, until
from tests.streaming.server.live_site import (
    FAST,
    FOLDER,
    PART,
    PLAYLIST,
    SLOW,
    TARGET,
    LiveShelf,
    asked,
)
from tests.streaming.server.live_site import growing as growing
from tests.streaming.server.live_site import site as site


@pytest.mark.parametrize("way", [FAST, SLOW])
async def test_a_playlist_request_waits_for_its_part(
    site: Served, growing: LiveShelf, way: dict[str, str]
) -> None:
    task = await asked(site, PLAYLIST + "?_HLS_msn=8&_HLS_part=1", way)
    site.site.live.put(growing.playlist(7, 2))
    response, body = await task
    assert response.status == 200
    assert b"7 and 2 parts" in body
    assert response.headers["Cache-Control"] == f"public, max-age={6 * TARGET}"


@pytest.mark.parametrize("way", [FAST, SLOW])
async def test_a_segment_without_a_part_is_waited_for_until_it_is_finished(
    site: Served, growing: LiveShelf, way: dict[str, str]
) -> None:
    task = await asked(site, PLAYLIST + "?_HLS_msn=8", way)
    site.site.live.put(growing.playlist(7, 2))
    assert len(site.site.live.room) == 1
    site.site.live.put(growing.playlist(8, 0))
    assert b"8 and 0 parts" in (await task)[1]


async def test_h4_a_part_past_the_end_of_its_segment_means_part_0_of_the_next(
    site: Served, growing: LiveShelf
) -> None:
    task = await asked(site, PLAYLIST + "?_HLS_msn=8&_HLS_part=2", FAST)
    site.site.live.put(growing.playlist(8, 0))
    assert len(site.site.live.room) == 1
    site.site.live.put(growing.playlist(8, 1))
    assert b"8 and 1 parts" in (await task)[1]


@pytest.mark.parametrize("way", [FAST, SLOW])
@pytest.mark.parametrize("skip", ["YES", "v2"])
async def test_a_delta_is_given_to_those_who_ask_for_it(
    site: Served, skip: str, way: dict[str, str]
) -> None:
    _, body = await site.get(f"{PLAYLIST}?_HLS_msn=7&_HLS_part=0&_HLS_skip={skip}", **way)
    assert body == b"#EXTM3U\n#EXT-X-SKIP" + (b" v2\n" if skip == "v2" else b"\n")


@pytest.mark.parametrize("way", [FAST, SLOW])
async def test_h5_what_is_older_than_the_window_is_answered_at_once(
    site: Served, way: dict[str, str]
) -> None:
    response, body = await site.get(PLAYLIST + "?_HLS_msn=1&_HLS_part=0", **way)
    assert response.status == 200
    assert b"7 and 1 parts" in body


@pytest.mark.parametrize(
    "query",
    [
        "_HLS_part=1",
        "_HLS_msn=10",
        "_HLS_msn=8&_HLS_part=99",
        "_HLS_msn=-1",
        "_HLS_msn=8&_HLS_msn=8",
    ],
)
async def test_h2_requests_for_what_cannot_be_soon_are_bad_ones(site: Served, query: str) -> None:
    response, body = await site.get(f"{PLAYLIST}?{query}")
    assert response.status == 400
    assert b"_HLS_" in body
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("way", [FAST, SLOW])
async def test_h6_who_has_waited_for_too_long_is_told_to_try_again(
    site: Served, way: dict[str, str]
) -> None:
    task = await asked(site, PLAYLIST + "?_HLS_msn=8&_HLS_part=1", way)
    loop = asyncio.get_running_loop()
    assert site.site.live.room.expire(loop.time() + 3 * TARGET - 1) == 0
    assert site.site.live.room.expire(loop.time() + 3 * TARGET) == 1
    response, _ = await task
    assert response.status == 503
    assert response.headers["Retry-After"]
    assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_h7_the_end_of_the_stream_releases_everyone(site: Served, growing: LiveShelf) -> None:
    tasks = [await asked(site, PLAYLIST + "?_HLS_msn=8&_HLS_part=1", way) for way in (FAST, SLOW)]
    site.site.live.put(growing.playlist(8, 0, is_ended=True))
    for task in tasks:
        assert b"8 and 0 parts" in (await task)[1]
    response, _ = await site.get(PLAYLIST + "?_HLS_msn=99&_HLS_part=7&_HLS_skip=YES")
    assert response.status == 200


@pytest.mark.parametrize("way", [FAST, SLOW])
async def test_h18_a_hinted_part_is_sent_when_all_of_it_is_there(
    site: Served, growing: LiveShelf, way: dict[str, str]
) -> None:
    task = await asked(site, FOLDER + "8.1.m4s", way)
    site.site.live.put_media(growing.part(8, 1))
    response, body = await task
    assert body == PART
    assert response.headers["Content-Length"] == str(len(PART))


@pytest.mark.parametrize("way", [FAST, SLOW])
async def test_h19_a_hint_that_is_abandoned_is_not_found(
    site: Served, growing: LiveShelf, way: dict[str, str]
) -> None:
    task = await asked(site, FOLDER + "8.1.m4s", way)
    site.site.live.put_media(SegmentCompleted(1, 8))
    site.site.live.put(growing.playlist(8, 0))
    response, _ = await task
    assert response.status == 404


@pytest.mark.parametrize("name", ["8.2.m4s", "9.1.m4s", "10.m4s", "11.m4s", "7.5.m4s"])
async def test_h19_what_is_neither_there_nor_hinted_is_not_found(site: Served, name: str) -> None:
    response, _ = await site.get(FOLDER + name)
    assert response.status == 404


@pytest.mark.parametrize("way", [FAST, SLOW])
async def test_a_client_that_disconnects_is_forgotten_at_once(
    site: Served, way: dict[str, str]
) -> None:
    task = await asked(site, PLAYLIST + "?_HLS_msn=8&_HLS_part=1", way)
    task.cancel()
    await until(lambda: len(site.site.live.room) == 0)


async def test_a_request_sent_while_another_waits_is_answered_after_it(
    site: Served, growing: LiveShelf
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    for target in (PLAYLIST + "?_HLS_msn=8&_HLS_part=1", FOLDER + "7.0.m4s"):
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await writer.drain()
        await until(lambda: len(site.site.live.room) == 1)
    site.site.live.put(growing.playlist(7, 2))
    first = await asyncio.wait_for(reader.readuntil(b"parts\n"), 10)
    second = await asyncio.wait_for(reader.readuntil(PART), 10)
    assert b"7 and 2 parts" in first
    assert second.startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()


async def test_a_client_that_sends_too_much_while_it_waits_is_cut(site: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {PLAYLIST}?_HLS_msn=8&_HLS_part=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await until(lambda: len(site.site.live.room) == 1)
    writer.write(b"x" * 100_000)
    assert await gone(reader)
    assert len(site.site.live.room) == 0
    writer.close()


async def gone(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends the connection without an answer."""
    try:
        return await asyncio.wait_for(reader.read(), 10) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("way", [FAST, SLOW])
async def test_a_path_that_goes_releases_those_who_wait(site: Served, way: dict[str, str]) -> None:
    task = await asked(site, PLAYLIST + "?_HLS_msn=8&_HLS_part=1", way)
    site.site.live.path_gone(PathGone("live/a"))
    response, _ = await task
    assert response.status == 503


async def test_draining_answers_those_who_wait(site: Served) -> None:
    tasks = [await asked(site, PLAYLIST + "?_HLS_msn=8&_HLS_part=1", way) for way in (FAST, SLOW)]
    site.site.draining = True
    for task in tasks:
        response, _ = await task
        assert response.status == 503
        assert response.headers["Connection"] == "close"


async def test_a_path_that_goes_costs_a_waiting_client_not_its_connection(site: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {PLAYLIST}?_HLS_msn=8 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await until(lambda: len(site.site.live.room) == 1)
    site.site.live.path_gone(PathGone("live/a"))
    assert b" 503 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    writer.write(b"GET /time HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    writer.close()


async def test_one_request_that_cannot_be_answered_costs_nobody_else_anything(
    site: Served, growing: LiveShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {FOLDER}8.1.m4s HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await until(lambda: len(site.site.live.room) == 1)

    def broken(*_: object) -> None:
        raise OSError("the store cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr(MediaBodies, "load", broken)
        site.site.live.put_media(growing.part(8, 1))
    assert await gone(reader)
    writer.close()
    _, body = await site.get(FOLDER + "8.1.m4s")
    assert body == PART


async def test_a_connection_whose_request_waits_is_not_idle(site: Served) -> None:
    task = await asked(site, PLAYLIST + "?_HLS_msn=8&_HLS_part=1", FAST)
    slow = await asked(site, PLAYLIST + "?_HLS_msn=8&_HLS_part=1", SLOW)
    later = asyncio.get_running_loop().time() + 10_000
    assert [one.is_idle(later) for one in site.listener.connections] == [False, False]
    site.site.live.room.close()
    await asyncio.gather(task, slow)
