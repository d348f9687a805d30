"""Metadata and chat over HTTP and WebSocket: who may send what, and how often."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from streaming.auth.access_rules import AccessRules
from streaming.command_messages import SendMessage
from streaming.message_limits import (
    MOST_CHAT_CHARS,
    MOST_METADATA_DEPTH,
    MOST_SENDER_CHARS,
    VIEWER_BURST,
)
from streaming.server.api import MOST_OPEN_BODY_BYTES
from tests.streaming.auth.tokens import EDDSA, KEYS, token
from tests.streaming.events.happenings import EPOCH
from tests.streaming.server.api_origin import API_TOKENS, Origin, bearer, call
from tests.streaming.server.conftest import Serve, Served
from tests.streaming.server.guarded_site import guarded_shelf
from tests.streaming.server.test_events import BEGIN, socket

RULES = AccessRules(
    views=(("live/*", "token"), ("open/*", "open")), api_tokens=API_TOKENS, keys=KEYS
)
SENT = {"id": "1-2", "ts": 1.0, "media_time_ms": None}


@pytest.fixture
def origin() -> Origin:
    return Origin()


@pytest.fixture
async def served(serve: Serve, origin: Origin) -> Served:
    served = await serve(guarded_shelf(), commands=origin.relay, access=RULES)
    served.site.followers.begin(BEGIN)
    return served


def viewing(path: str = "live/a") -> dict[str, str]:
    return {"Authorization": f"Bearer {token(EDDSA, time.time(), path=[path])}"}


async def test_metadata_and_chat_of_control_are_passed_on(served: Served, origin: Origin) -> None:
    wish = {"data": {"score": [3, 1]}}
    response, told = await call(served, "POST", "/paths/live/a/metadata", wish, **bearer("control"))
    assert (response.status, told) == (200, SENT)
    wish = {"text": "what a goal", "sender": "desk"}
    await call(served, "POST", "/paths/live%2Fa/chat", wish, **bearer("admin"))
    assert [one.command for one in origin.told] == [
        SendMessage("live/a", "metadata", b'{"score":[3,1]}'),
        SendMessage("live/a", "chat", text="what a goal", sender="desk"),
    ]


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("open/b", {}, 200),
        ("live/a", {}, 401),
        ("live/a", viewing(), 200),
        ("live/a", viewing("live/b"), 403),
        ("live/a", {"Authorization": "Bearer nonsense"}, 401),
        ("open/b", bearer("read"), 200),
    ],
    ids=["open", "none", "token", "of another", "nonsense", "read"],
)
async def test_viewers_chat_where_they_may_view_and_as_viewers(
    served: Served, origin: Origin, path: str, headers: dict[str, str], expected: int
) -> None:
    response, told = await call(served, "POST", f"/paths/{path}/chat", {"text": "hi"}, **headers)
    assert response.status == expected, told
    sent = [SendMessage(path, "chat", text="hi", by_viewer=True)] if expected == 200 else []
    assert [one.command for one in origin.told] == sent
    if expected == 401:
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="headwater"'


async def test_viewers_send_no_metadata(served: Served, origin: Origin) -> None:
    response, _ = await call(served, "POST", "/paths/live/a/metadata", {"data": {}}, **viewing())
    assert response.status == 401
    response, _ = await call(
        served, "POST", "/paths/live/a/metadata", {"data": {}}, **bearer("read")
    )
    assert response.status == 403
    assert origin.told == []


async def test_a_viewer_has_a_few_messages_at_once_and_then_has_to_wait(served: Served) -> None:
    for _ in range(int(VIEWER_BURST)):
        response, _ = await call(served, "POST", "/paths/open/b/chat", {"text": "hi"})
        assert response.status == 200
    response, told = await call(served, "POST", "/paths/open/b/chat", {"text": "hi"})
    assert (response.status, told["title"]) == (429, "Too many messages")
    assert response.headers["Retry-After"] == "2"
    response, _ = await call(served, "POST", "/paths/open/b/chat", {"text": "x"}, **bearer("admin"))
    assert response.status == 200


@pytest.mark.parametrize(
    ("kind", "wish"),
    [
        ("chat", {"text": ""}),
        ("chat", {"text": "x" * (MOST_CHAT_CHARS + 1)}),
        ("chat", {"text": "hi", "sender": "x" * 41}),
        ("chat", {"text": "hi", "by": "control"}),
        ("metadata", {"data": [1]}),
        ("metadata", {}),
    ],
)
async def test_what_is_no_message_is_a_problem(
    served: Served, origin: Origin, kind: str, wish: dict[str, Any]
) -> None:
    response, told = await call(served, "POST", f"/paths/open/b/{kind}", wish, **bearer("control"))
    assert response.status == 400, told
    assert origin.told == []


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"data":' * 50_000, b'{"data":{"a":"\\ud800"}}'],
    ids=["brackets", "objects", "surrogate"],
)
async def test_a_body_that_is_made_to_hurt_costs_its_sender_a_400(
    served: Served, body: bytes
) -> None:
    url = f"http://127.0.0.1:{served.port}/api/v1/paths/open/b/metadata"
    fields = {"Content-Type": "application/json", **bearer("control")}
    async with served.client.post(url, data=body, headers=fields) as response:
        assert response.status == 400


async def test_a_strangers_body_is_read_no_further_than_a_line_of_chat_can_be(
    served: Served, origin: Origin
) -> None:
    longest = {"text": "\U0001f600" * MOST_CHAT_CHARS, "sender": "\x00" * MOST_SENDER_CHARS}
    response, told = await call(served, "POST", "/paths/open/b/chat", longest)
    assert response.status == 200, told
    url = f"http://127.0.0.1:{served.port}/api/v1/paths/open/b/chat"
    body = b'{"text":"hi"}' + b" " * MOST_OPEN_BODY_BYTES
    for headers, expected in (({}, 413), (bearer("control"), 200)):
        fields = {"Content-Type": "application/json", **headers}
        async with served.client.post(url, data=body, headers=fields) as response:
            assert response.status == expected
    assert len(origin.told) == 2


async def test_a_refusal_of_the_path_is_the_answer(served: Served, origin: Origin) -> None:
    origin.refusal = 403, "viewers may not send chat to open/b"
    response, told = await call(served, "POST", "/paths/open/b/chat", {"text": "hi"})
    assert (response.status, told["detail"]) == origin.refusal


# -- by WebSocket --------------------------------------------------------------------------------


async def test_a_socket_sends_metadata_and_chat_and_is_told_their_events(
    serve: Serve, origin: Origin
) -> None:
    served = await serve(guarded_shelf(), commands=origin.relay, access=AccessRules(keys=KEYS))
    served.site.followers.begin(BEGIN)
    async with socket(served, f"?after={EPOCH}-0") as speaking:
        await speaking.send_json(
            {"type": "send", "id": 1, "path": "open/b", "metadata": {"score": 3}}
        )
        assert await speaking.receive_json() == {
            "type": "answer", "id": 1, "event": "1-2", "media_time_ms": None,
        }  # fmt: skip
        await speaking.send_json(
            {"type": "send", "id": 2, "path": "open/b", "chat": "hi", "sender": "Ann"}
        )
        assert (await speaking.receive_json())["id"] == 2
    assert [one.command for one in origin.told] == [  # a program on this machine may everything
        SendMessage("open/b", "metadata", b'{"score":3}'),
        SendMessage("open/b", "chat", text="hi", sender="Ann"),
    ]


def nested(deep: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for _ in range(deep - 1):
        data = {"a": data}
    return data


async def test_metadata_are_no_deeper_than_whoever_reads_them_can_go(
    served: Served, origin: Origin
) -> None:
    place = "/paths/open/b/metadata"
    for data in (
        nested(MOST_METADATA_DEPTH + 1),
        nested(700),
        {"a": json.loads("[" * 40 + "]" * 40)},
    ):
        response, told = await call(served, "POST", place, {"data": data}, **bearer("control"))
        assert (response.status, "deep" in told["detail"]) == (400, True)
    assert origin.told == []
    data = nested(MOST_METADATA_DEPTH)
    response, _ = await call(served, "POST", place, {"data": data}, **bearer("control"))
    assert response.status == 200


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ({"path": "open/b", "metadata": nested(MOST_METADATA_DEPTH + 1)}, 400),
        ({"path": "open/b"}, 400),
        ({"path": "open/b", "chat": "hi", "metadata": {}}, 400),
        ({"path": "a/../b", "chat": "hi"}, 400),
        ({"path": "open/b", "chat": "hi"}, 404),
    ],
)
async def test_a_send_that_cannot_be_is_an_error_with_its_id(
    serve: Serve, origin: Origin, command: dict[str, Any], status: int
) -> None:
    origin.refusal = 404, "there is no path open/b"
    served = await serve(guarded_shelf(), commands=origin.relay)
    served.site.followers.begin(BEGIN)
    async with socket(served, f"?after={EPOCH}-0") as speaking:
        await speaking.send_json({"type": "send", "id": 7, **command})
        told = await speaking.receive_json()
        assert (told["type"], told["id"], told["status"]) == ("error", 7, status)


async def test_a_viewers_socket_chats_as_a_viewer(serve: Serve, origin: Origin) -> None:
    rules = AccessRules(api_tokens=API_TOKENS, keys=KEYS)
    served = await serve(guarded_shelf(), commands=origin.relay, access=rules)
    served.site.followers.begin(BEGIN)
    async with socket(served, f"?after={EPOCH}-0") as speaking:
        for number in range(int(VIEWER_BURST) + 1):
            await speaking.send_json({"type": "send", "id": number, "path": "open/b", "chat": "x"})
        told = [await speaking.receive_json() for _ in range(int(VIEWER_BURST) + 1)]
    assert [one["type"] for one in told] == ["answer"] * int(VIEWER_BURST) + ["error"]
    assert told[-1]["status"] == 429
    assert origin.told[0].command == SendMessage("open/b", "chat", text="x", by_viewer=True)


async def test_a_token_that_is_taken_back_ends_its_socket_and_what_it_may_send(
    served: Served, origin: Origin
) -> None:
    send = {"type": "send", "id": 1, "path": "open/b", "metadata": {"score": 3}}
    async with socket(served, f"?after={EPOCH}-0", headers=bearer("control")) as speaking:
        await speaking.send_json(send)
        assert (await speaking.receive_json())["type"] == "answer"
        served.site.apply(RULES)  # as before: nobody is disturbed
        await speaking.send_json({"type": "ping", "id": 2})
        assert (await speaking.receive_json())["id"] == 2
        served.site.apply(msgspec.structs.replace(RULES, api_tokens=API_TOKENS[:1]))
        message = await speaking.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)
    with pytest.raises(WSServerHandshakeError) as refused:
        await socket(served, f"?after={EPOCH}-0", headers=bearer("control"))
    assert refused.value.status == 401
    assert len(origin.told) == 1


async def test_a_message_of_brackets_alone_is_an_error(served: Served) -> None:
    async with socket(served, f"?after={EPOCH}-0", headers=bearer("read")) as speaking:
        await speaking.send_str('{"type":"send","path":"a","metadata":' + '{"a":' * 3_000)
        assert json.loads(await speaking.receive_str())["status"] == 400
