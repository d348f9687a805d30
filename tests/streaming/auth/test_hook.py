"""The authorization hook: a real HTTP server that says yes, no, nonsense, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from streaming.auth.hook import REFUSED_S, AuthHook, HookRules, Question, Verdict
from streaming.config import Config
from streaming.config_access import AuthHookConfig
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.ingest.source import PublishRequest
from tests.streaming.auth.hook_server import HookServer, hook_server
from tests.streaming.server.conftest import until
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import Scene

QUESTION = Question("publish", "live/a", "rtmp", "10.0.0.1", "the key")
ACTIONS = ("publish", "whip", "read", "whep")


@pytest.fixture
async def server() -> AsyncIterator[HookServer]:
    async with hook_server() as running:
        yield running


class Asker:
    """A hook with the test's own clock."""

    def __init__(self, server: HookServer, **rules: Any) -> None:
        self.now = 0.0
        wished = {"url": server.url, "actions": ACTIONS, "timeout_s": 2.0, **rules}
        self.hook = AuthHook(HookRules(**wished), lambda: self.now)

    async def ask(self, question: Question = QUESTION) -> Verdict:
        return await self.hook.ask(question)


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b"", Verdict()),
        (204, b"", Verdict()),
        (200, b'{"allow": true}', Verdict()),
        (200, b'{"allow": false, "reason": "unpaid"}', Verdict(403, "unpaid")),
        (200, b'{"allow": 1}', Verdict(403, "not allowed")),
        (403, b'{"reason": "no\\r\\nsplit"}', Verdict(403, "nosplit")),
        (401, b'{"detail": "who are you?"}', Verdict(401, "who are you?")),
        (402, b"pay", Verdict(403, "not allowed")),
        (403, b'{"reason": "' + b"x" * 500 + b'"}', Verdict(403, "x" * 200)),
    ],
)
async def test_what_the_answers_mean(
    server: HookServer, status: int, body: bytes, verdict: Verdict
) -> None:
    server.status, server.body = status, body
    assert await Asker(server).ask() == verdict


async def test_the_hook_is_told_who_wants_what_and_who_asks(server: HookServer) -> None:
    await Asker(server, secret="hush").ask()
    assert server.heard == [
        {"action": "publish", "path": "live/a", "protocol": "rtmp", "address": "10.0.0.1",
         "credential": "the key"}
    ]  # fmt: skip
    assert "Authorization: Bearer hush" in server.heads[0]


@pytest.mark.parametrize("trouble", ["500", "404", "redirect", "silent", "away", "no HTTP"])
@pytest.mark.parametrize("fail_open", [(), ("publish",), ("read",)])
async def test_without_an_answer_each_action_is_open_or_closed_as_configured(
    server: HookServer, trouble: str, fail_open: tuple[str, ...]
) -> None:
    asker = Asker(server, fail_open=fail_open, timeout_s=0.2 if trouble == "silent" else 2.0)
    match trouble:
        case "500" | "404":
            server.status = int(trouble)
        case "redirect":
            server.status, server.extra = 302, f"Location: {server.url}/else\r\n"
        case "silent":
            server.silent = True
        case "away":
            asker = Asker(server, url="http://127.0.0.1:9/", fail_open=fail_open)
        case _:
            server.status = -1
    verdict = await asker.ask()
    assert verdict.status == (0 if "publish" in fail_open else 503)
    assert len(server.heard) <= 1  # a redirect is not followed


@pytest.mark.parametrize("open_action", ACTIONS)
async def test_each_action_is_open_or_closed_by_itself(
    server: HookServer, open_action: str
) -> None:
    asker = Asker(server, url="http://127.0.0.1:9/", fail_open=(open_action,))
    told = {each: await asker.ask(replace(QUESTION, action=each)) for each in ACTIONS}
    assert [each for each, verdict in told.items() if not verdict.status] == [open_action]
    assert Config().auth_hook.fail_open == ()
    assert Config().auth_hook.timeout_s == 3.0


async def test_verdicts_are_remembered_for_a_while_and_failures_are_not(server: HookServer) -> None:
    asker = Asker(server)
    for _ in range(3):
        await asker.ask()
    assert asker.hook.asked == 1
    asker.now += asker.hook.rules.cache_s
    server.status = 403
    assert (await asker.ask()).status == 403
    asker.now += REFUSED_S
    server.status = 500
    assert [(await asker.ask()).status for _ in range(2)] == [503, 503]
    assert asker.hook.asked == 4


async def test_those_who_ask_the_same_at_once_are_asked_about_once(server: HookServer) -> None:
    asker = Asker(server)
    await asyncio.gather(*(asker.ask() for _ in range(20)))
    assert asker.hook.asked == 1


async def test_its_reason_reaches_the_publisher(server: HookServer) -> None:
    server.body = b'{"allow": false, "reason": "your plan has one stream"}'
    scene = Scene(auth_hook=AuthHookConfig(url=server.url), paths={"*": PathConfig(ladder="copy")})
    for protocol, action in (("rtmp", "publish"), ("whip", "whip")):
        request = PublishRequest("live/a", "k", "[2001:db8::1]:5", protocol)
        with pytest.raises(PublishRejected, match="your plan has one stream") as refused:
            await scene.registry.publish(request, FakePublisher())
        assert refused.value.http_status == 403
        assert (server.heard[-1]["action"], server.heard[-1]["address"]) == (action, "2001:db8::1")
    await scene.registry.close()


async def test_a_wrong_key_is_refused_before_the_hook_is_asked(server: HookServer) -> None:
    scene = Scene(
        auth_hook=AuthHookConfig(url=server.url), paths={"*": PathConfig(publish_key="k")}
    )
    with pytest.raises(PublishRejected, match="wrong or missing"):
        await scene.registry.publish(
            PublishRequest("live/a", "x", "10.0.0.1:1", "rtmp"), FakePublisher()
        )
    assert server.heard == []
    await scene.registry.close()


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (PathConfig(publish_key="k"), "wrong or missing"),
        (PathConfig(source="test:", source_on_demand=True), "pulls its own source"),
        (PathConfig(ladder="copy", window_s=60.0), None),
    ],
    ids=["another key", "a source", "another window"],
)
async def test_a_publisher_is_let_in_by_what_holds_when_the_hook_has_answered(
    server: HookServer, now: PathConfig, told: str | None
) -> None:
    hook = AuthHookConfig(url=server.url)
    scene = Scene(auth_hook=hook, paths={"live/*": PathConfig(ladder="copy")})
    server.may_answer.clear()
    asked = PublishRequest("live/a", "old", "10.0.0.1:1", "rtmp")
    waits = asyncio.create_task(scene.registry.publish(asked, FakePublisher()))
    await until(lambda: bool(server.heard))
    scene.registry.apply(Config(auth_hook=hook, paths={"live/a": now}))
    server.may_answer.set()
    if told is None:
        await waits
        entry = scene.registry.spoken("live/a")
        assert entry is not None
        assert entry.path.config == now
    else:
        with pytest.raises(PublishRejected, match=told):
            await waits
    await scene.registry.close()


async def test_a_hook_that_is_configured_while_a_publisher_waits_is_asked(
    server: HookServer,
) -> None:
    server.body = b'{"allow": false, "reason": "not you"}'
    async with hook_server() as other:
        old = AuthHookConfig(url=other.url)
        scene = Scene(auth_hook=old, paths={"*": PathConfig(ladder="copy")})
        other.may_answer.clear()
        asked = PublishRequest("live/a", "old", "10.0.0.1:1", "rtmp")
        waits = asyncio.create_task(scene.registry.publish(asked, FakePublisher()))
        await until(lambda: bool(other.heard))
        new = AuthHookConfig(url=server.url)
        scene.registry.apply(Config(auth_hook=new, paths={"*": PathConfig(ladder="copy")}))
        other.may_answer.set()
        with pytest.raises(PublishRejected, match="not you"):
            await waits
        await scene.registry.close()


def test_by_default_nobody_is_asked() -> None:
    assert Config().auth_hook.url == ""
    assert not AuthHook(HookRules()).wants("publish")
