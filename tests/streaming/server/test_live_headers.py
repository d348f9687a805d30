"""Header fields of requests that wait: origins, validators, HEAD, compression, old versions."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from tests.streaming.server.conftest import Serve, Served, until
from tests.streaming.server.live_site import FAST, FOLDER, PLAYLIST, TARGET, LiveShelf, asked

NEXT = PLAYLIST + "?_HLS_msn=8&_HLS_part=1"


@pytest.fixture
def growing() -> LiveShelf:
    return LiveShelf()


@pytest.fixture
async def site(serve: Serve, growing: LiveShelf) -> Served:
    return await serve(growing.shelf)


@pytest.mark.parametrize("ends", ["it comes", "it is late", "the process ends"])
async def test_where_origins_are_told_apart_each_answer_to_a_wait_names_the_one_that_asked(
    serve: Serve, growing: LiveShelf, ends: str
) -> None:
    site = await serve(growing.shelf, allow_origins=("https://a.example",))
    task = await asked(site, NEXT, {"Origin": "https://a.example"})
    match ends:
        case "it comes":
            site.site.live.put(growing.playlist(7, 2))
        case "it is late":
            site.site.live.room.expire(asyncio.get_running_loop().time() + 3 * TARGET)
        case _:
            site.site.draining = True
    response, _ = await task
    assert response.status == (200 if ends == "it comes" else 503)
    assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "Origin" in response.headers["Vary"]


@pytest.mark.parametrize("url", [PLAYLIST + "?_HLS_part=1", FOLDER + "8.7.m4s", FOLDER + "8.m4s"])
async def test_every_other_answer_may_be_read_by_pages_too(site: Served, url: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {url} HTTP/1.1\r\nHost: x\r\nOrigin: https://b.example\r\n\r\n".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert b"\r\nAccess-Control-Allow-Origin: *\r\n" in head
    writer.close()


async def test_a_known_version_is_not_modified_once_it_is_what_was_waited_for(
    site: Served, growing: LiveShelf
) -> None:
    first, _ = await site.get(PLAYLIST)
    task = await asked(site, NEXT, {"If_None_Match": first.headers["ETag"]})
    site.site.live.put(growing.playlist(7, 2))
    response, body = await task
    assert (response.status, body[:7]) == (200, b"#EXTM3U")
    again, nothing = await site.get(NEXT, If_None_Match=response.headers["ETag"])
    assert (again.status, nothing) == (304, b"")
    assert again.headers["Cache-Control"] == f"public, max-age={6 * TARGET}"


async def test_head_waits_like_get(site: Served, growing: LiveShelf) -> None:
    task = asyncio.create_task(site.ask("HEAD", NEXT))
    await until(lambda: len(site.site.live.room) == 1)
    site.site.live.put(growing.playlist(7, 2))
    response, body = await task
    got, text = await site.get(NEXT)
    assert body == b""
    assert response.headers["Content-Length"] == str(len(text))
    assert response.headers["ETag"] == got.headers["ETag"]


@pytest.mark.parametrize("field", [FAST, {"X_Odd": "1"}])
async def test_what_was_waited_for_comes_compressed_to_those_who_take_it(
    site: Served, growing: LiveShelf, field: dict[str, str]
) -> None:
    task = await asked(site, NEXT, {"Accept_Encoding": "gzip", **field})
    site.site.live.put(growing.playlist(7, 2))
    response, body = await task
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Vary"] == "Accept-Encoding"
    assert b"7 and 2 parts" in gzip.decompress(body)


async def test_directives_mean_nothing_where_there_are_no_parts(served: Served) -> None:
    for query in ("_HLS_part=1", "_HLS_msn=999999", "_HLS_skip=YES", "_HLS_msn=x"):
        response, _ = await served.get(f"/live/a/index.m3u8?{query}")
        assert response.status == 200
        assert response.headers["Cache-Control"] == "public, max-age=1"


async def test_what_players_report_beside_directives_changes_nothing(
    site: Served, growing: LiveShelf
) -> None:
    task = await asked(site, NEXT + "&CMCD=br%3D300%2Csid%3D%22a%22", FAST)
    site.site.live.put(growing.playlist(7, 2))
    assert b"7 and 2 parts" in (await task)[1]


@pytest.mark.parametrize("query", ["_HLS_msn=0007", "%5FHLS_msn=%37", "_HLS_msn=7&_HLS_part=000"])
async def test_numbers_may_be_written_in_other_ways(site: Served, query: str) -> None:
    response, _ = await site.get(f"{PLAYLIST}?{query}")
    assert response.status == 200


@pytest.mark.parametrize("query", ["_HLS_msn=%D9%A7", "_HLS_msn=" + "9" * 4_000, "_HLS_msn="])
async def test_what_is_no_number_is_a_bad_request(site: Served, query: str) -> None:
    response, _ = await site.get(f"{PLAYLIST}?{query}")
    assert response.status == 400


async def test_an_old_client_may_wait_too(site: Served, growing: LiveShelf) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {NEXT} HTTP/1.0\r\n\r\n".encode())
    await until(lambda: len(site.site.live.room) == 1)
    site.site.live.put(growing.playlist(7, 2))
    answer = await asyncio.wait_for(reader.read(), 10)
    assert b"7 and 2 parts" in answer
    assert b"chunked" not in answer
    writer.close()


async def test_one_that_closes_while_many_wait_is_forgotten_alone(
    site: Served, growing: LiveShelf
) -> None:
    tasks = [await asked(site, NEXT, FAST) for _ in range(3)]
    tasks[1].cancel()
    await until(lambda: len(site.site.live.room) == 2)
    site.site.live.put(growing.playlist(7, 2))
    for task in (tasks[0], tasks[2]):
        assert b"7 and 2 parts" in (await task)[1]
