"""The short way for plain requests: the same answers, and never another idea of a request's end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from streaming.server.connection import DeliveryServer
from streaming.server.fast_path import (
    MAX_KNOWN,
    PlainFields,
    ends_where_it_seems,
    parse_plain_fields,
)
from tests.streaming.server.conftest import (
    PLAYLIST,
    SEGMENT,
    Serve,
    Served,
    media,
    playlist,
    until,
)

SEGMENT_URL = "/live/a/720p/7.m4s"
PLAYLIST_URL = "/live/a/index.m3u8"
PLAIN = b"Host: x\r\nUser-Agent: a\r\nAccept: */*\r\n\r\n"


class Client:
    """One kept-alive connection that asks and reads byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes) -> tuple[dict[str, str], bytes]:
        """Header fields (":status" among them) and body of the answer to `request`."""
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> tuple[dict[str, str], bytes]:
        """The next answer."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.rstrip().split("\r\n")
            fields = dict(line.split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(fields["Content-Length"]))
        return {":status": first, **fields}, body


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    """A connection to the default site."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    yield Client(reader, writer)
    writer.close()


def get(url: str, fields: bytes = PLAIN) -> bytes:
    return b"GET " + url.encode() + b" HTTP/1.1\r\n" + fields


@pytest.mark.parametrize("encoding", [b"", b"Accept-Encoding: gzip, br\r\n"])
@pytest.mark.parametrize("url", [SEGMENT_URL, PLAYLIST_URL, PLAYLIST_URL + "?CMCD=a%2Cb"])
async def test_the_short_way_gives_the_answer_of_the_long_way(
    served: Served, client: Client, url: str, encoding: bytes
) -> None:
    fast, fast_body = await client.ask(get(url, encoding + PLAIN))
    assert served.site.counters.fast_requests == 1
    slow, slow_body = await client.ask(get(url, encoding + b"X-Odd: 1\r\n" + PLAIN))
    assert served.site.counters.fast_requests == 1
    fast.pop("Date"), slow.pop("Date")
    assert (fast, fast_body) == (slow, slow_body)


@pytest.mark.parametrize(
    "fields",
    [
        b"Host: x\r\nRange: bytes=0-1\r\n\r\n",
        b'Host: x\r\nIf-None-Match: "a"\r\n\r\n',
        b"Host: x\r\nConnection: close\r\n\r\n",
        b"Host: x\r\nContent-Length: 0\r\n\r\n",
        b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"Host: x\r\nUpgrade: websocket\r\n\r\n",
        b"Host: x\r\nHost: y\r\n\r\n",
        b"Accept: */*\r\n\r\n",
        b"Host: x\nAccept: */*\r\n\r\n",
        b"Host: x\r\n Folded: 1\r\n\r\n",
        b"Host : x\r\n\r\n",
        b"Host: x\r\nAccept: \x00\r\n\r\n",
        b"Host: x\r\nAccept: \xe4\r\n\r\n",
        b"Host: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"Host: x\r\n",
        b"\r\n",
        b"",
    ],
)
def test_anything_special_or_odd_is_left_to_aiohttp(fields: bytes) -> None:
    assert parse_plain_fields(fields) is None


@pytest.mark.parametrize(
    "line",
    [
        "GET /live/%61/720p/7.m4s HTTP/1.1",
        "GET /live/a/720p/../720p/7.m4s HTTP/1.1",
        "GET /live/a/720p/7.m4s#x HTTP/1.1",
        "GET /live/a/720p/7.m4s HTTP/1.0",
        "GET  /live/a/720p/7.m4s HTTP/1.1",
        "GET /live/a/720p/7.m4s  HTTP/1.1",
        "GET /live/a/720p/8.m4s HTTP/1.1",
        "HEAD /live/a/720p/7.m4s HTTP/1.1",
    ],
)
async def test_other_request_lines_are_left_to_aiohttp(served: Served, line: str) -> None:
    await served.raw(line.encode() + b"\r\n" + PLAIN)
    assert served.site.counters.fast_requests == 0


async def test_a_request_in_two_pieces_is_answered_once(served: Served, client: Client) -> None:
    whole = get(SEGMENT_URL)
    client.writer.write(whole[:30])
    await until(lambda: any(one.waits_for_head for one in served.listener.connections))
    _, body = await client.ask(whole[30:])
    assert body == SEGMENT
    assert served.site.counters.requests == {"media 2xx": 1}


async def test_what_looks_like_a_request_inside_a_body_is_no_request(
    served: Served, client: Client
) -> None:
    inner = get(SEGMENT_URL)
    client.writer.write(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (len(inner) + 1)
    )
    first, _ = await client.answer()
    assert first[":status"].startswith("HTTP/1.1 405")
    client.writer.write(inner)
    client.writer.write(b"x" + get(PLAYLIST_URL))
    _, body = await client.answer()
    assert body == PLAYLIST
    assert served.site.counters.fast_requests == 0


async def test_half_a_request_behind_a_running_one_keeps_the_next_off_the_short_way(
    served: Served, client: Client
) -> None:
    half = b"GET /none HTTP/1.1\r\nX-A: "
    first, _ = await client.ask(get(PLAYLIST_URL) + half)
    assert first[":status"] == "HTTP/1.1 200 OK"
    second, _ = await client.ask(get(SEGMENT_URL))
    assert second[":status"].startswith("HTTP/1.1 404")
    assert served.site.counters.fast_requests == 0


async def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    client.writer.write(get(SEGMENT_URL) + get(PLAYLIST_URL))
    assert (await client.answer())[1] == SEGMENT
    assert (await client.answer())[1] == PLAYLIST


async def test_a_client_that_does_not_read_gets_no_second_answer_into_memory(
    served: Served,
) -> None:
    served.shelf.put(media("/live/a/720p/8.m4s", bytes(8_000_000)))
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
    for _ in range(20):
        writer.write(get("/live/a/720p/8.m4s"))
        await asyncio.sleep(0.005)
    await until(lambda: bool(served.listener.connections))
    assert served.listener.connections[0].unsent_bytes < 20_000_000
    writer.transport.abort()
    del reader


async def test_a_client_that_closes_its_half_gets_its_answer(served: Served) -> None:
    served.shelf.put(media("/live/a/720p/8.m4s", bytes(4_000_000)))
    answer = await served.raw(get("/live/a/720p/8.m4s"))
    assert len(answer) > 4_000_000


async def test_there_is_no_short_way_where_web_origins_are_told_apart_or_when_draining(
    serve: Serve, served: Served
) -> None:
    apart = await serve(allow_origins=("https://a.example",))
    served.site.draining = True
    for site in (apart, served):
        assert (await site.raw(get(SEGMENT_URL))).endswith(SEGMENT)
        assert site.site.counters.fast_requests == 0


async def test_viewers_on_the_short_way_are_counted(served: Served, client: Client) -> None:
    await client.ask(get(PLAYLIST_URL))
    await client.ask(get(SEGMENT_URL))
    assert served.site.viewers.counts() == {"live/a": 1}


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", False),
        (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\ncontent-LENGTH: 5\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n", False),
    ],
)
def test_where_a_request_ends_is_known_only_without_a_body(data: bytes, known: bool) -> None:
    assert ends_where_it_seems(data) is known


async def test_everyone_who_asks_for_the_same_is_sent_the_same_bytes_until_it_changes(
    served: Served,
) -> None:
    fast_path = served.site.fast_path
    line = f"GET {PLAYLIST_URL} HTTP/1.1".encode()
    answers = []
    for text in (PLAYLIST, PLAYLIST + b"#"):
        served.shelf.put(playlist(PLAYLIST_URL, text))
        for fields in (PLAIN, b"Host: y\r\n\r\n"):
            _, plain = fast_path.know_fields(fields)
            assert plain is not None
            answer = fast_path.answer(line, plain, 1)
            assert isinstance(answer, list)
            answers.append(b"".join(answer) and answer[0])
    assert answers[0] is answers[1]
    assert answers[2] is answers[3]
    assert answers[1].endswith(PLAYLIST)
    assert answers[2].endswith(PLAYLIST + b"#")


async def test_what_is_remembered_of_requests_is_bounded(served: Served) -> None:
    fast_path = served.site.fast_path
    plain = PlainFields(gzip=False, user_agent=b"")
    for number in range(3 * MAX_KNOWN):
        fast_path.know_fields(b"Host: x%d\r\n\r\n" % number)
        fast_path.answer(b"GET %s?a=%d HTTP/1.1" % (PLAYLIST_URL.encode(), number), plain, 1)
    sizes = [len(kept) for kept in (fast_path._lines, fast_path._known_fields, fast_path._kept)]
    assert max(sizes) <= MAX_KNOWN


class Wire(asyncio.Transport):
    """A transport that keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        pass


async def test_a_request_that_comes_with_its_connection_takes_the_short_way(served: Served) -> None:
    connection = DeliveryServer(served.site.answer, served.site.fast_path)()
    wire = Wire()
    connection.connection_made(wire)
    connection.data_received(get(PLAYLIST_URL))
    assert wire.sent.endswith(PLAYLIST)
    await asyncio.sleep(0)
    connection.data_received(get(SEGMENT_URL))
    assert wire.sent.endswith(SEGMENT)
    assert served.site.counters.fast_requests == 2
    connection.connection_lost(None)
