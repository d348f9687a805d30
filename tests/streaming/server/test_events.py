"""The events' URL: streams, sockets and long-polls of the same log."""

from __future__ import annotations

import asyncio
import fcntl
import json
import struct
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from streaming.events.event_messages import EventsBegin, EventsTold
from streaming.server.unsent import MOST_UNSENT_BYTES, SOCKET_BYTES
from tests.streaming.events.happenings import EPOCH, happening
from tests.streaming.server.conftest import Serve, Served, until

URL = "/api/v1/events"
BEGIN = EventsBegin(EPOCH, f"{EPOCH}-0", {}, 1_000, 1 << 24, 1e9)


def tell(served: Served, *counts: int, **data: Any) -> None:
    bodies = tuple(happening(n, data.get("kind", "test.tick"), data.get("path", "live/a"),
                             text=data.get("text", "")).body for n in counts)  # fmt: skip
    served.site.followers.told(EventsTold(bodies))


@pytest.fixture
async def told(serve: Serve) -> Served:
    """A site whose log has the events 1 to 5."""
    served = await serve()
    served.site.followers.begin(BEGIN)
    tell(served, 1, 2, 3, 4, 5)
    return served


class Stream:
    """A client of Server-Sent Events, by the letter of the specification."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.comments: list[str] = []
        self.retry_ms = 0
        self.last_id = ""

    async def next(self) -> tuple[str, dict[str, Any]]:
        """The next event's name and data."""
        kind, data = "message", ""
        while True:
            line = (await self.response.content.readline()).decode()
            assert line, "the stream has ended"
            field, _, value = line.rstrip("\n").partition(":")
            value = value.removeprefix(" ")
            if line == "\n":
                if data:
                    return kind, json.loads(data)
                kind = "message"
            elif not field:
                self.comments.append(value)
            elif field == "retry":
                self.retry_ms = int(value)
            elif field == "id":
                self.last_id = value
            elif field == "event":
                kind = value
            elif field == "data":
                data += value

    async def numbers(self, count: int) -> list[int]:
        return [number_of((await self.next())[1]) for _ in range(count)]


def number_of(event: dict[str, Any]) -> int:
    return int(event["id"].split("-")[1])


@asynccontextmanager
async def stream(served: Served, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    async with served.client.get(
        f"http://127.0.0.1:{served.port}{URL}{query}", headers=headers
    ) as response:
        yield Stream(response)


def socket(served: Served, query: str = "", **options: Any) -> Any:
    return served.client.ws_connect(f"ws://127.0.0.1:{served.port}{URL}{query}", **options)


# -- streams ---------------------------------------------------------------------------------


async def test_a_stream_resumes_after_an_id_and_goes_on(told: Served) -> None:
    async with stream(told, f"?after={EPOCH}-2") as following:
        assert following.response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert following.response.headers["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in following.response.headers
        assert await following.numbers(3) == [3, 4, 5]
        tell(told, 6)
        name, event = await following.next()
        assert (name, event["id"], event["type"]) == ("message", f"{EPOCH}-6", "test.tick")
        assert following.last_id == event["id"]
        assert following.comments == ["hello"]
        assert following.retry_ms == 2_000


async def test_the_header_of_a_browser_wins_over_its_url(told: Served) -> None:
    async with stream(told, f"?after={EPOCH}-1", **{"Last-Event-ID": f"{EPOCH}-4"}) as following:
        assert await following.numbers(1) == [5]


@pytest.mark.parametrize("after", [f"{EPOCH - 9}-3", "rubbish", f"{EPOCH}-0-0"])
async def test_an_unknown_id_is_answered_by_a_reset_with_the_states(
    told: Served, after: str
) -> None:
    tell(told, 6, kind="path.state")
    async with stream(told, f"?after={after}") as following:
        name, event = await following.next()
        assert (name, event["type"], event["id"]) == ("reset", "reset", f"{EPOCH}-6")
        assert list(event["data"]["paths"]) == ["live/a"]
        tell(told, 7)
        assert await following.numbers(1) == [7]


async def test_a_stream_is_filtered_by_path_and_type(told: Served) -> None:
    async with stream(told, f"?after={EPOCH}-5&path=vod/*,live/b&type=test.*") as following:
        tell(told, 6)
        tell(told, 7, path="live/b")
        tell(told, 8, path="live/b", kind="other.tick")
        tell(told, 9, path="vod/x")
        assert await following.numbers(2) == [7, 9]


async def test_a_silent_stream_has_heartbeats_that_carry_the_position(told: Served) -> None:
    async with stream(told, f"?after={EPOCH}-5&type=nothing&heartbeat=1") as following:
        tell(told, 6)
        waiting = asyncio.create_task(following.next())
        await until(lambda: "heartbeat" in following.comments and following.last_id != "")
        assert following.last_id == f"{EPOCH}-6"
        waiting.cancel()


async def test_a_stream_ends_when_the_process_drains(told: Served) -> None:
    async with stream(told, f"?after={EPOCH}-5") as following:
        await following.response.content.readline()
        told.site.draining = True
        assert (await following.response.content.read()).endswith(b"\n\n")


async def test_a_client_that_has_gone_is_no_follower(told: Served) -> None:
    async with stream(told) as following:
        await following.next()
        assert len(told.site.followers) == 1
    await until(lambda: len(told.site.followers) == 0)


async def test_a_log_that_begins_anew_resets_who_is_not_in_it(told: Served) -> None:
    async with stream(told, f"?after={EPOCH}-5") as following:
        await following.response.content.readline()
        later = EventsBegin(EPOCH, f"{EPOCH}-900", {"live/z": {"state": "live"}}, 9, 1 << 20, 1e9)
        told.site.followers.begin(later)
        name, event = await following.next()
        assert (name, event["data"]["paths"]) == ("reset", {"live/z": {"state": "live"}})


# -- long-polls ------------------------------------------------------------------------------


async def test_a_long_poll_gets_what_there_is_at_once(told: Served) -> None:
    response, body = await told.get(f"{URL}?after={EPOCH}-3&wait=25")
    assert [number_of(event) for event in json.loads(body)] == [4, 5]
    assert response.headers["ETag"] == f'W/"{EPOCH}-5"'
    assert response.headers["Content-Type"] == "application/json"


async def test_a_long_poll_waits_for_the_next_event(told: Served) -> None:
    asked = asyncio.create_task(told.get(f"{URL}?after={EPOCH}-5&wait=25"))
    await until(lambda: len(told.site.followers) == 1)
    tell(told, 6)
    _, body = await asked
    assert [number_of(event) for event in json.loads(body)] == [6]


async def test_a_long_poll_in_which_nothing_comes_is_204_and_its_etag_goes_on(told: Served) -> None:
    asked = asyncio.create_task(told.get(f"{URL}?after={EPOCH}-5&type=nothing&wait=0.6"))
    await until(lambda: len(told.site.followers) == 1)
    tell(told, 6)
    response, body = await asked
    assert (response.status, body) == (204, b"")
    etag = response.headers["ETag"]
    assert etag == f'W/"{EPOCH}-6"'
    response, _ = await told.get(f"{URL}?wait=0", If_None_Match=etag)
    assert response.status == 304
    tell(told, 7)
    _, body = await told.get(f"{URL}?wait=0", If_None_Match=etag)
    assert [number_of(event) for event in json.loads(body)] == [7]


async def test_json_is_given_to_who_accepts_json(told: Served) -> None:
    _, body = await told.get(f"{URL}?after=0", Accept="application/json")
    assert [number_of(event) for event in json.loads(body)] == [1, 2, 3, 4, 5]
    _, body = await told.get(URL, Accept="application/json")
    assert [event["type"] for event in json.loads(body)] == ["reset"]


@pytest.mark.parametrize("query", ["wait=x", "wait=nan", "heartbeat=no", "path=" + "a," * 17])
async def test_what_cannot_be_meant_is_a_problem(told: Served, query: str) -> None:
    response, body = await told.get(f"{URL}?{query}")
    assert response.status == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == 400


async def test_the_log_is_only_read_here(told: Served) -> None:
    response, _ = await told.ask("POST", URL)
    assert response.status == 405
    response, _ = await told.ask("HEAD", URL)
    assert response.status == 200
    response, _ = await told.ask("OPTIONS", URL)
    assert response.status == 204


# -- sockets ---------------------------------------------------------------------------------


async def test_a_socket_is_told_the_same_events(told: Served) -> None:
    async with socket(told, f"?after={EPOCH}-3") as following:
        assert [number_of(event) for event in await following.receive_json()] == [4, 5]
        tell(told, 6)
        (event,) = await following.receive_json()
        assert event == json.loads(happening(6, text="").body)


@pytest.mark.parametrize("compress", [0, 15])
async def test_messages_are_deflated_where_that_was_agreed(told: Served, compress: int) -> None:
    async with socket(told, "?after=0", compress=compress) as following:
        assert following.compress == compress
        assert len(await following.receive_json()) == 5
        for number in range(6, 60):
            tell(told, number, text="x" * 2_000)
        got = []
        while len(got) < 54:
            got += await following.receive_json()
        assert [number_of(event) for event in got] == list(range(6, 60))
        assert {event["data"]["text"] for event in got} == {"x" * 2_000}


async def test_a_socket_subscribes_and_unsubscribes(told: Served) -> None:
    async with socket(told, f"?after={EPOCH}-5&path=none") as following:
        await following.send_json(
            {"type": "subscribe", "id": 1, "name": "a", "paths": ["vod/*"], "types": ["test.*"]}
        )
        answer = await following.receive_json()
        assert answer == {
            "type": "answer", "id": 1, "position": f"{EPOCH}-5", "paths": {},
        }  # fmt: skip
        tell(told, 6)
        tell(told, 7, path="vod/x")
        assert [number_of(e) for e in await following.receive_json()] == [7]
        await following.send_json({"type": "unsubscribe", "id": 2, "name": "a"})
        assert (await following.receive_json())["id"] == 2
        tell(told, 8, path="vod/x")
        await following.send_json({"type": "ping", "id": 3})
        answer = await following.receive_json()
        assert (answer["type"], answer["id"]) == ("answer", 3)


async def test_a_command_that_is_none_is_an_error_and_too_many_end_the_connection(
    told: Served,
) -> None:
    async with socket(told, f"?after={EPOCH}-5") as following:
        await following.send_str('{"type": "dance"}')
        assert (await following.receive_json())["type"] == "error"
        await following.send_json({"type": "subscribe", "id": 9, "paths": ["a"] * 17})
        assert (await following.receive_json())["id"] == 9
        for _ in range(200):
            await following.send_json({"type": "ping"})
        async for _ in following:
            pass
        assert following.close_code == 1008


async def test_a_foreign_page_may_not_connect(serve: Serve) -> None:
    served = await serve(allow_origins=("https://ours.example",))
    served.site.followers.begin(BEGIN)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await socket(served, headers={"Origin": "https://theirs.example"})
    assert refused.value.status == 403
    async with socket(served, headers={"Origin": "https://ours.example"}) as following:
        assert (await following.receive_json())[0]["type"] == "reset"


async def test_a_silent_socket_has_heartbeats(told: Served) -> None:
    async with socket(told, f"?after={EPOCH}-5&heartbeat=1") as following:
        assert await following.receive_json() == {"type": "heartbeat", "position": f"{EPOCH}-5"}


async def test_a_socket_ends_when_the_process_drains(told: Served) -> None:
    async with socket(told, f"?after={EPOCH}-5") as following:
        told.site.draining = True
        message = await following.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)


@pytest.mark.parametrize("way", ["stream", "socket"])
async def test_who_does_not_read_costs_a_bounded_buffer_and_is_told_a_reset(
    told: Served, way: str
) -> None:
    reader, writer = await follow_raw(told, way)
    (connection,) = told.listener.connections
    for number in range(6, 4_006):  # 16 MB, and the log keeps 1,000 events
        tell(told, number, text="x" * 4_000)
        if number % 10 == 0:
            await asyncio.sleep(0)
            transport = connection.transport
            assert transport is not None
            descriptor = transport.get_extra_info("socket").fileno()
            in_kernel = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))[0]
            assert in_kernel <= 4 * SOCKET_BYTES  # of twice that, Linux takes a little more
            assert connection.unsent_bytes <= 2 * MOST_UNSENT_BYTES + 8_192
            assert in_kernel + connection.unsent_bytes <= 256 * 1024
    assert b'"type":"reset"' in await read_until(reader, b'"type":"reset"')
    writer.close()


async def follow_raw(told: Served, way: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A follower that reads when it is told to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", told.port, limit=1 << 16)
    upgrade = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    writer.write(
        f"GET {URL}?after={EPOCH}-5 HTTP/1.1\r\nHost: a\r\n"
        f"{upgrade if way == 'socket' else ''}\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_answers_wait_for_who_does_not_read_them(serve: Serve) -> None:
    served = await serve()
    paths = {f"live/{n}": {"reason": "x" * 200} for n in range(500)}
    begin = EventsBegin(EPOCH, f"{EPOCH}-0", paths, 1_000, 1 << 24, 1e9)
    served.site.followers.begin(begin)
    reader, writer = await follow_raw(served, "socket")
    (connection,) = served.listener.connections
    command = b'{"type":"subscribe","id":1}'
    masked = bytes([0x81, 0x80 | len(command), 0, 0, 0, 0]) + command
    for _ in range(60):
        writer.write(masked)
        await asyncio.sleep(0)
    await until(lambda: connection.unsent_bytes > MOST_UNSENT_BYTES)
    for _ in range(100):
        await asyncio.sleep(0)
        assert connection.unsent_bytes <= 4 * MOST_UNSENT_BYTES
    told = bytearray()
    async with asyncio.timeout(20):
        while told.count(b'"answer"') < 60:
            told += await reader.read(1 << 20)
    writer.close()


async def read_until(reader: asyncio.StreamReader, wanted: bytes) -> bytes:
    tail = b""
    async with asyncio.timeout(20):
        while wanted not in tail:
            data = await reader.read(65_536)
            assert data, "closed"
            tail = tail[-64:] + data
    return tail
