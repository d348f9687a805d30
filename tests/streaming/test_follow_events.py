"""Following a server's log as the command does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import streaming.follow_events as follow_events
from streaming.auth.access_rules import AccessRules
from streaming.auth.api_tokens import ApiToken, hash_token, new_token
from streaming.errors import RemoteError
from streaming.events.event_messages import EventsTold
from streaming.events.sse_reader import SseReader
from streaming.follow_events import follow_log, read_log
from tests.streaming.events.happenings import EPOCH, happening
from tests.streaming.server.conftest import Serve, Served, pages, serve  # noqa: F401
from tests.streaming.server.test_events import BEGIN, number_of, tell


@pytest.fixture
async def told(serve: Serve) -> Served:  # noqa: F811
    served = await serve()
    served.site.followers.begin(BEGIN)
    tell(served, 1, 2, 3, 4, 5)
    return served


def url(served: Served) -> str:
    return f"http://127.0.0.1:{served.port}"


def taken(events: Iterator[dict[str, Any]], count: int) -> list[int]:
    return [number_of(next(events)) for _ in range(count)]


def test_a_stream_is_read_in_whatever_pieces_it_comes() -> None:
    text = (
        b": hello\r\nretry: 1\n\nid: 1-1\ndata: a\ndata: b\n\nevent: reset\ndata:c\n\nid: 1-3\n\n"
    )
    for size in (1, 3, 1_000):
        reader = SseReader()
        messages = []
        for at in range(0, len(text), size):
            messages += reader.push(text[at : at + size])
        assert [(m.name, m.data, m.last_id) for m in messages] == [
            ("message", "a\nb", "1-1"), ("reset", "c", "1-1"),
        ]  # fmt: skip
        assert reader.last_id == "1-3"


async def test_the_log_is_read(told: Served) -> None:
    events = await asyncio.to_thread(read_log, url(told), f"{EPOCH}-3")
    assert [number_of(event) for event in events] == [4, 5]
    assert await asyncio.to_thread(read_log, url(told), f"{EPOCH}-5") == []


async def test_a_server_that_is_not_there_is_said_so(told: Served) -> None:
    with pytest.raises(RemoteError, match="refused"):
        await asyncio.to_thread(read_log, "http://127.0.0.1:1", "0")
    with pytest.raises(RemoteError) as refused:
        await asyncio.to_thread(read_log, url(told), "0", ["a"] * 17)
    assert refused.value.http_status == 400


async def test_following_goes_on_over_lost_connections(
    told: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_events, "FIRST_DELAY_S", 0.01)
    events = follow_log(url(told), f"{EPOCH}-2")
    assert await asyncio.to_thread(taken, events, 3) == [3, 4, 5]
    for connection in list(told.listener.connections):
        connection.abort()
    tell(told, 6, 7)
    assert await asyncio.to_thread(taken, events, 2) == [6, 7]
    events.close()  # type: ignore[attr-defined]


async def test_the_command_prints_the_log(told: Served) -> None:
    told.site.followers.told(EventsTold((happening(6, "path.state", state="live").body,)))
    arguments = ["events", "--url", url(told), "--after", f"{EPOCH}-4"]
    lines = [json.loads(line) for line in (await command(*arguments, "--json")).splitlines()]
    assert [number_of(event) for event in lines] == [5, 6]
    for_people = await command(*arguments)
    assert "path.state" in for_people
    assert "state=live" in for_people


@pytest.mark.parametrize("follow", [False, True], ids=["once", "for ever"])
async def test_the_command_shows_its_token_where_events_are_for_those_who_have_one(
    serve: Serve,  # noqa: F811
    follow: bool,
) -> None:
    token = new_token()
    api_tokens = (ApiToken("desk", hash_token(token), "read"),)
    served = await serve(access=AccessRules(api_public=False, api_tokens=api_tokens))
    served.site.followers.begin(BEGIN)
    tell(served, 1, 2)
    arguments = ["events", "--url", url(served), "--after", f"{EPOCH}-0", "--json"]
    arguments += ["--follow"] if follow else []
    status, _, told = await run(*arguments)
    assert status == 3
    assert "Events are for callers with the scope read." in told
    assert "{" not in told, "the reason, and not a document"
    async with following(*arguments, "--token", token) as lines:
        assert [number_of(json.loads(await lines.readline())) for _ in range(2)] == [1, 2]
    async with following(*arguments, HEADWATER_TOKEN=token) as lines:
        assert number_of(json.loads(await lines.readline())) == 1


@contextlib.asynccontextmanager
async def following(*arguments: str, **environment: str) -> AsyncIterator[asyncio.StreamReader]:
    """What a command prints, which is ended when enough was read."""
    process = await start(*arguments, **environment)
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from streaming.__main__ import main; main()", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )  # fmt: skip


async def run(*arguments: str) -> tuple[int | None, str, str]:
    """Exit status, output and complaints of a command."""
    process = await start(*arguments)
    output, complaints = await process.communicate()
    return process.returncode, output.decode(), complaints.decode()


async def command(*arguments: str) -> str:
    status, output, _ = await run(*arguments)
    assert status == 0
    return output
