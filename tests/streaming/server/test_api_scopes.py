"""Who may do what by the API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streaming.auth.access_rules import AccessRules
from streaming.auth.api_tokens import SCOPES, find_token, hash_token
from streaming.auth.view_tokens import ViewTokens
from streaming.server.api import OPERATIONS
from tests.streaming.auth.tokens import KEYS, token
from tests.streaming.server.api_origin import (
    API_TOKENS,
    BODIES,
    RULES,
    TOKENS,
    Origin,
    bearer,
    call,
)
from tests.streaming.server.api_origin import origin as origin
from tests.streaming.server.api_origin import served as served
from tests.streaming.server.conftest import Serve, Served
from tests.streaming.server.guarded_site import guarded_shelf


@pytest.mark.parametrize("caller", ["nobody", "read", "control", "admin"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
async def test_every_operation_is_for_those_with_its_scope(
    served: Served, origin: Origin, operation: Any, caller: str
) -> None:
    url = operation.template.format(path="live/a", session="s1", webhook="mine")
    body = BODIES.get(operation.name)
    response, told = await call(served, operation.method, url, body, **bearer(caller))
    rank = ["nobody", *SCOPES].index(caller)
    needed = 0 if operation.scope is None else 1 + SCOPES.index(operation.scope)
    expected = 200 if rank >= needed else 401 if caller == "nobody" else 403
    assert response.status == expected, told
    if expected != 200:
        assert response.content_type == "application/problem+json"
        assert told["status"] == expected
        assert origin.told == []


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Authorization": "Bearer wrong"}, ""),
        ({"Authorization": "Bearer "}, ""),
        ({"Authorization": f"Basic {TOKENS['admin']}"}, ""),
        ({"Authorization": f"Bearer {hash_token(TOKENS['admin'])}"}, ""),
        ({"Authorization": f"Bearer {token()}"}, ""),
        ({}, f"?token={TOKENS['admin']}"),
        ({}, f"?key={TOKENS['admin']}"),
        ({"X-Token": TOKENS["admin"]}, ""),
    ],
    ids=["wrong", "empty", "basic", "hash", "viewing", "query", "key", "field"],
)
async def test_a_token_of_the_api_in_the_wrong_place_or_of_another_kind_is_none(
    served: Served, headers: dict[str, str], query: str
) -> None:
    response, told = await call(served, "GET", "/config" + query, **headers)
    assert response.status == 401
    assert TOKENS["admin"] not in json.dumps(told)
    prefixed = f"http://127.0.0.1:{served.port}/t/{TOKENS['admin']}/api/v1/config"
    async with served.client.get(prefixed) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"X_Forwarded_For": "10.0.0.1"}, 401),
        ({"Via": "1.1 nginx"}, 401),
        ({"Origin": "https://evil.example"}, 401),
        ({"Origin": "null"}, 401),
        ({"Sec_Fetch_Site": "cross-site"}, 401),
        ({"Host": "rebound.example"}, 401),
    ],
)
async def test_without_tokens_programs_of_this_machine_may_do_everything_and_pages_nothing(
    serve: Serve, origin: Origin, headers: dict[str, str], expected: int
) -> None:
    served = await serve(commands=origin.relay)
    response, _ = await call(served, "POST", "/config/reload", **headers)
    assert response.status == expected


async def test_what_is_not_public_needs_the_scope_read_or_a_viewing_token(serve: Serve) -> None:
    views = (("live/*", "token"), ("open/*", "open"))
    rules = AccessRules(views=views, api_public=False, api_tokens=API_TOKENS, keys=KEYS)
    served = await serve(guarded_shelf(), access=rules)
    for url in ("/paths", "/server", "/events?wait=0"):
        response, _ = await call(served, "GET", url)
        assert response.status == 401
        # RFC 9110 15.5.2: a 401 has to say how.
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="headwater", scope="read"'
    assert (await call(served, "GET", "/paths/open/b"))[0].status == 404
    assert len((await call(served, "GET", "/paths", **bearer("read")))[1]["paths"]) == 2


@pytest.mark.parametrize("public", [True, False])
async def test_callers_learn_what_they_may_do_and_no_more(serve: Serve, public: bool) -> None:
    rules = AccessRules(api_public=public, api_tokens=API_TOKENS)
    served = await serve(access=rules)
    for scope in SCOPES:
        _, told = await call(served, "GET", "/caller", **bearer(scope))
        assert told == {"scope": scope, "name": scope}
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        response, told = await call(served, "GET", "/caller", **headers)
        assert (response.status, told) == (200, {"scope": None, "name": ""})


async def test_a_minted_token_opens_its_path(served: Served) -> None:
    wish = {"path": ["live/*"], "expires_s": 60, "max_sessions": 2}
    _, made = await call(served, "POST", "/tokens", wish, **bearer("admin"))
    grant = ViewTokens(RULES).verify(made["token"], made["expires_utc"] - 60)
    assert (grant.covers("live/a"), grant.max_sessions) == (True, 2)
    assert made["prefix"] == f"/t/{made['token']}"


def test_tokens_are_known_by_their_hash_alone() -> None:
    assert find_token(API_TOKENS, TOKENS["control"]) == API_TOKENS[1]
    for wrong in ("", API_TOKENS[0].hash, "ü" * 9, TOKENS["read"] + " "):
        assert find_token(API_TOKENS, wrong) is None


def test_a_token_is_compared_in_constant_time_with_all_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[str] = []

    def compare(one: str, other: str) -> bool:
        compared.append(one)
        return one == API_TOKENS[0].hash

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert find_token(API_TOKENS, "whatever") == API_TOKENS[0], "nothing else decides"
    assert compared == [one.hash for one in API_TOKENS], "a match does not end it sooner"
