"""Viewers whom the authorization hook lets in, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import msgspec
import pytest

from streaming.auth.access_rules import AccessRules
from streaming.auth.api_tokens import ApiToken, hash_token, new_token
from streaming.auth.hook import HookRules
from tests.streaming.auth.hook_server import HookServer, hook_server
from tests.streaming.server.conftest import PLAYLIST, Serve
from tests.streaming.server.guarded_site import PLAYLIST_URL, fresh, guarded_shelf
from tests.streaming.server.test_view_access import KEYS

ACTIONS = ("publish", "whip", "read", "whep")


@pytest.fixture
async def server() -> AsyncIterator[HookServer]:
    async with hook_server() as running:
        yield running


def rules(server: HookServer, view: str) -> AccessRules:
    hook = HookRules(server.url, ACTIONS, 2.0)
    return AccessRules(views=(("live/*", view),), keys=KEYS, hook=hook)


@pytest.mark.parametrize("prefix", ["", "/t/a-session-of-theirs"])
async def test_the_hook_alone_may_decide_about_viewers(
    serve: Serve, server: HookServer, prefix: str
) -> None:
    served = await serve(guarded_shelf(), access=rules(server, "hook"))
    for _ in range(4):
        response, body = await served.get(prefix + PLAYLIST_URL)
        assert (response.status, body) == (200, PLAYLIST)
    assert [one["credential"] for one in server.heard] == [prefix.removeprefix("/t/")]
    assert served.site.counters.fast_requests == 3
    server.body = b'{"allow": false, "reason": "sold out"}'
    response, body = await served.get("/t/another" + PLAYLIST_URL)
    assert (response.status, json.loads(body)["detail"]) == (403, "sold out.")


async def test_a_hook_that_is_away_is_no_fault_of_the_viewers_token(
    serve: Serve, server: HookServer
) -> None:
    served = await serve(guarded_shelf(), access=rules(server, "hook"))
    server.status = 500
    response, body = await served.get("/t/a-session" + PLAYLIST_URL)
    assert (response.status, json.loads(body)["title"]) == (503, "Busy")
    assert "WWW-Authenticate" not in response.headers
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("place", ["header", "query", "prefix"])
async def test_a_token_of_the_api_is_kept_from_the_hook(
    serve: Serve, server: HookServer, place: str
) -> None:
    secret = new_token()
    token = ApiToken("desk", hash_token(secret), "admin")
    served = await serve(
        guarded_shelf(), access=msgspec.structs.replace(rules(server, "hook"), api_tokens=(token,))
    )
    urls = {
        "header": PLAYLIST_URL,
        "query": f"{PLAYLIST_URL}?token={secret}",
        "prefix": f"/t/{secret}{PLAYLIST_URL}",
    }
    headers = {"Authorization": f"Bearer {secret}"} if place == "header" else {}
    response, body = await served.get(urls[place], **headers)
    assert response.status == 401
    assert "token of the API" in json.loads(body)["detail"]
    assert server.heard == []


async def test_beside_tokens_both_have_to_agree(serve: Serve, server: HookServer) -> None:
    served = await serve(guarded_shelf(), access=rules(server, "token"))
    assert (await served.get(PLAYLIST_URL))[0].status == 401
    assert server.heard == []
    assert (await served.get(f"/t/{fresh()}{PLAYLIST_URL}"))[0].status == 200
    server.status = 403
    assert (await served.get(f"/t/{fresh(path='live/a')}{PLAYLIST_URL}"))[0].status == 403
    assert [one["action"] for one in server.heard] == ["read", "read"]
