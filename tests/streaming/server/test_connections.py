"""Clients that dawdle, flood or talk nonsense, and the end of a process."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from streaming.server.connection import KEEPALIVE_S, REQUEST_S, WRITE_STALL_S, Connection
from tests.streaming.server.conftest import SEGMENT, Serve, Served, media, until

BAD = [
    b"NONSENSE\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /live/a/720p/7.m4s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(500)) + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]


async def connection_of(served: Served) -> Connection:
    """The server's side of the only open connection."""
    await until(lambda: bool(served.listener.connections))
    return served.listener.connections[0]


@pytest.mark.parametrize("request_bytes", BAD, ids=range(len(BAD)))
async def test_nonsense_is_400_in_a_line_and_the_connection_ends(
    served: Served, request_bytes: bytes
) -> None:
    answer = await served.raw(request_bytes)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert len(answer) < 1_000
    assert b"Traceback" not in answer


async def test_nonsense_leaves_the_others_alone(served: Served) -> None:
    for request in BAD:
        await served.raw(request)
    _, body = await served.get("/live/a/720p/7.m4s")
    assert body == SEGMENT


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nabc",
    ],
)
async def test_a_broken_body_is_no_news_for_the_log(
    served: Served, caplog: pytest.LogCaptureFixture, request_bytes: bytes
) -> None:
    answer = await served.raw(request_bytes)
    assert answer.startswith((b"HTTP/1.1 405", b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert caplog.records == []


async def test_a_compressed_body_is_thrown_away_as_it_is(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zlib.decompressobj", None)
    bomb = gzip.compress(bytes(1_000_000))
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}"
    answer = await served.raw(f"{head}\r\n\r\n".encode() + bomb)
    assert answer.startswith(b"HTTP/1.1 405")


@pytest.mark.parametrize("version", [b"2.0", b"1.2", b"0.9", b"3.7"])
async def test_versions_that_are_not_spoken_here_are_said_so_in_one_that_is(
    served: Served, version: bytes
) -> None:
    answer = await served.raw(b"GET /live/a/index.m3u8 HTTP/" + version + b"\r\nHost: x\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 505", b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b"EXTM3U" not in answer


async def test_half_a_request_runs_out_of_time(served: Served) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    connection = await connection_of(served)
    now = asyncio.get_running_loop().time()
    assert not connection.is_dawdling(now + REQUEST_S + 1)
    writer.write(b"GET / HTTP/1.1\r\nHost:")
    await until(lambda: connection.waits_for_head)
    assert not connection.is_dawdling(now + REQUEST_S - 1)
    assert connection.is_dawdling(now + REQUEST_S + 1)
    writer.close()


async def test_trickling_more_of_the_request_wins_no_time(served: Served) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    connection = await connection_of(served)
    connection.data_received(b"GET / HTTP/1.1\r\n")
    began = asyncio.get_running_loop().time()
    for _ in range(5):
        connection.data_received(b"X: y\r\n")
    assert connection.is_dawdling(began + REQUEST_S + 0.1)
    writer.close()


async def test_a_client_that_takes_nothing_is_cut_and_one_that_takes_something_is_not(
    served: Served,
) -> None:
    served.shelf.put(media("/live/a/720p/8.m4s", bytes(20_000_000)))
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
    writer.write(b"GET /live/a/720p/8.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
    connection = await connection_of(served)
    await until(lambda: connection.unsent_bytes > 0)
    while True:  # until the kernel's buffers are full and nothing moves any more
        before = connection.unsent_bytes
        await asyncio.sleep(0.05)
        if connection.unsent_bytes == before:
            break
    assert not connection.is_dawdling(1_000.0)
    assert not connection.is_dawdling(1_000.0 + WRITE_STALL_S - 1)
    assert connection.is_dawdling(1_000.0 + WRITE_STALL_S + 1)
    await reader.readexactly(10_000_000)
    assert not connection.is_dawdling(1_000.0 + WRITE_STALL_S + 2)
    writer.transport.abort()


async def test_connections_above_the_limit_wait_and_are_served_later(serve: Serve) -> None:
    served = await serve(max_connections=2)
    first = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
    await until(lambda: not served.listener.accepts)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    for _, other in first:
        other.close()
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 200")
    writer.close()


async def test_draining_finishes_a_running_response(served: Served) -> None:
    body = bytes(8_000_000)
    served.shelf.put(media("/live/a/720p/8.m4s", body))
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
    writer.write(b"GET /live/a/720p/8.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    draining = asyncio.create_task(served.listener.drain(10.0))
    assert await reader.readexactly(len(body)) == body
    await draining
    assert await reader.read() == b""
    writer.close()


async def test_draining_accepts_nobody_new(served: Served) -> None:
    await served.listener.drain(1.0)
    assert not served.listener.accepts


async def test_draining_cuts_what_takes_too_long(served: Served) -> None:
    served.shelf.put(media("/live/a/720p/8.m4s", bytes(20_000_000)))
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
    writer.write(b"GET /live/a/720p/8.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.wait_for(served.listener.drain(0.05), 5)
    writer.transport.abort()


@pytest.mark.parametrize("asks", [b"", b"GET /live/a/index.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_a_connection_on_which_nothing_is_asked_is_closed(
    served: Served, asks: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    connection = await connection_of(served)
    writer.write(asks)
    if asks:
        await reader.readuntil(b"m4s\n")
    await until(lambda: connection.unsent_bytes == 0)
    now = asyncio.get_running_loop().time()
    assert not connection.is_idle(now + KEEPALIVE_S - 5)
    assert connection.is_idle(now + KEEPALIVE_S + 1)
    connection.force_close()
    async with asyncio.timeout(10):
        await reader.read()
    writer.close()
