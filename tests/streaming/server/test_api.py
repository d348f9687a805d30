"""The API: every operation by every caller, what it takes and gives, and its own description."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streaming.auth.access_rules import AccessRules
from streaming.auth.api_tokens import SCOPES, ApiToken, find_token, hash_token, new_token
from streaming.auth.view_tokens import ViewTokens
from streaming.command_messages import (
    ChangeSettings,
    ChooseOnAir,
    CommandAnswer,
    CommandRequest,
    EndSession,
    Kick,
    ListDeliveries,
    ListSessions,
    ReplayEvents,
    SetSource,
    SetWebhook,
)
from streaming.path_name import MAX_NAME_CHARS
from streaming.server.api import MOST_BODY_BYTES, OPERATIONS
from streaming.server.command_relay import CommandRelay
from streaming.server.connection import MAX_LINE_BYTES
from streaming.shelf_messages import PathState, Totals
from tests.api_fuzz import find_nothing
from tests.described import Described
from tests.streaming.auth.tokens import KEYS, token
from tests.streaming.server.conftest import Serve, Served
from tests.streaming.server.test_events import BEGIN, tell
from tests.streaming.server.test_view_access import guarded_shelf

TOKENS = {scope: new_token() for scope in SCOPES}
API_TOKENS = tuple(ApiToken(scope, hash_token(TOKENS[scope]), scope) for scope in SCOPES)
RULES = AccessRules(api_tokens=API_TOKENS, keys=KEYS)
CHANGES = {"changed": ["x"], "deferred": [], "needs_restart": []}
RESULTS = {
    "Kick": {"path": "live/a", "state_version": 8},
    "ChooseOnAir": {"path": "live/a", "state_version": 8},
    "ListSessions": {"sessions": [], "next": "live/a/rtmp-1"},
    "GetSession": {
        "path": "live/a",
        "session": "s1",
        "protocol": "rtmp",
        "role": "publisher",
        "rank": "primary",
        "is_on_air": True,
        "remote": "",
        "since_utc": 1.0,
        "received_bytes": 0,
        "webrtc": None,
    },
    "EndSession": {"path": "live/a", "session": "s1"},
    "SendMessage": {"id": "1-2", "ts": 1.0, "media_time_ms": None},
    "SetSource": CHANGES,
    "RemoveSource": CHANGES,
    "ListSources": {"sources": []},
    "GetSettings": {"path": "live/a", "table": "", "set_by_api": {}, "effective": {}},
    "ChangeSettings": CHANGES,
    "ForgetSettings": CHANGES,
    "ReloadConfig": CHANGES,
    "ListWebhooks": {"webhooks": []},
    "SetWebhook": {"name": "mine", "secret": "", "changes": CHANGES},
    "RemoveWebhook": CHANGES,
    "EnableWebhook": {"name": "mine", "disabled": False},
    "ListDeliveries": {"deliveries": []},
    "ReplayEvents": {"replayed": 1, "next": ""},
    "GetConfig": {"http": {}},
    "ValidateConfig": {"valid": True, "reason": ""},
}
BODIES: dict[str, Any] = {
    "chooseOnAir": {"rank": "backup"},
    "sendMetadata": {"data": {"score": 3}},
    "sendChat": {"text": "hello"},
    "setSource": {"source": "test:"},
    "changeSettings": {"ladder": [{"name": "360p", "height": 360}], "window_s": None},
    "setWebhook": {"url": "https://example.org/x"},
    "replayEvents": {"events": ["5-1"]},
    "validateConfig": {"toml": ""},
    "mintToken": {"path": ["live/*"]},
}


class Origin:
    """A main process that does everything it is told."""

    def __init__(self) -> None:
        self.told: list[CommandRequest] = []
        self.refusal: tuple[int, str] | None = None
        self.relay = CommandRelay(self._take)

    def _take(self, request: CommandRequest) -> None:
        self.told.append(request)
        answer = CommandAnswer(request.id, 200, RESULTS[type(request.command).__name__])
        if self.refusal is not None:
            answer = CommandAnswer(request.id, self.refusal[0], detail=self.refusal[1])
        asyncio.get_running_loop().call_soon(self.relay.receive, answer)


@pytest.fixture
def origin() -> Origin:
    return Origin()


@pytest.fixture
async def served(serve: Serve, origin: Origin) -> Served:
    return await serve(guarded_shelf(), commands=origin.relay, access=RULES)


async def call(
    served: Served, method: str, url: str, body: Any = None, **headers: str
) -> tuple[aiohttp.ClientResponse, Any]:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    target = f"http://127.0.0.1:{served.port}/api/v1{url}"
    async with served.client.request(method, target, json=body, headers=fields) as response:
        return response, json.loads(await response.read() or b"null")


def bearer(scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[scope]}"} if scope in TOKENS else {}


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


async def test_a_command_carries_what_was_asked_and_who_asked(
    served: Served, origin: Origin
) -> None:
    await call(served, "DELETE", "/publishers/live/a", **bearer("control"), If_Match='"7"')
    await call(served, "PUT", "/on-air/live%2Fa", {"rank": None}, **bearer("admin"))
    await call(served, "DELETE", "/sessions/live/a/s1", **bearer("control"))
    settings = {"source": "test:", "source_on_demand": True}
    await call(served, "PUT", "/sources/cam", settings, **bearer("admin"), If_Match="9")
    await call(
        served, "PATCH", "/settings/cam", {"window_s": 60}, **bearer("admin"), If_Match='"3"'
    )
    assert [one.command for one in origin.told] == [
        Kick("live/a"),
        ChooseOnAir("live/a", None),
        EndSession("live/a", "s1"),
        SetSource("cam", {**settings, "source_loop": True, "source_idle_s": 30.0}),
        ChangeSettings("cam", {"window_s": 60}),
    ]
    assert [one.actor for one in origin.told] == ["control", "admin", "control", "admin", "admin"]
    assert [one.if_match for one in origin.told] == [7, None, None, 9, 3]


async def test_the_etag_of_a_path_is_what_if_match_takes(serve: Serve) -> None:
    shelf = guarded_shelf()
    shelf.path_state(PathState("live/a", "live", details={"state_version": 285_688_012}))
    served = await serve(shelf, access=RULES)
    response, _ = await call(served, "GET", "/paths/live/a", **bearer("read"))
    assert response.headers["ETag"] == '"285688012"'
    document = (await call(served, "GET", "/openapi.json"))[1]["paths"]
    assert document["/api/v1/paths/{path}"]["get"]["responses"]["200"]["headers"]["ETag"]
    matched = {
        one["operationId"]
        for path in document.values()
        for one in path.values()
        if any(parameter["name"] == "If-Match" for parameter in one["parameters"])
    }
    assert matched == {
        "kickPublisher", "chooseOnAir", "endSession", "setSource", "removeSource",
        "changeSettings", "forgetSettings",
    }  # fmt: skip


async def test_sessions_come_with_the_viewers_that_have_none(
    served: Served, origin: Origin
) -> None:
    served.site.totals = Totals(
        viewers_by={"live/a": {"hls": 3, "dash": 0, "webrtc": 2}, "open/b": {"dash": 1}}
    )
    _, told = await call(served, "GET", "/sessions?limit=1&after=x&protocol=rtmp", **bearer("read"))
    assert origin.told[-1].command == ListSessions(1, "x", "", "rtmp")
    assert told["http_viewers"] == {"live/a": {"hls": 3}, "open/b": {"dash": 1}}
    assert told["next"] == "live/a/rtmp-1"
    _, told = await call(served, "GET", "/sessions?path=open/b", **bearer("read"))
    assert told["http_viewers"] == {"open/b": {"dash": 1}}


async def test_a_page_of_sessions_may_end_at_a_path_with_the_longest_name(
    served: Served, origin: Origin
) -> None:
    last = f"{'a' * MAX_NAME_CHARS}/{'s' * 64}"
    response, told = await call(served, "GET", f"/sessions?after={last}", **bearer("read"))
    assert response.status == 200, told
    assert origin.told[-1].command == ListSessions(100, last)


async def test_webhooks_are_commanded_as_asked(served: Served, origin: Origin) -> None:
    put = {"url": "https://example.org/x", "types": ["path.*"], "max_in_flight": 1}
    await call(served, "PUT", "/webhooks/mine", put, **bearer("admin"))
    asked = "?limit=5&after=17&event=5-1&outcome=given%20up"
    await call(served, "GET", f"/webhooks/mine/deliveries{asked}", **bearer("read"))
    await call(served, "GET", "/webhooks/mine/deliveries", **bearer("read"))
    for wish in ({"events": ["5-1", "5-2"]}, {"after": "0", "until": "5-9"}):
        await call(served, "POST", "/webhooks/mine/replay", wish, **bearer("control"))
    assert [one.command for one in origin.told] == [
        SetWebhook("mine", {**put, "types": ("path.*",)}),
        ListDeliveries("mine", 5, 17, "5-1", "given up"),
        ListDeliveries("mine", 100),
        ReplayEvents("mine", ("5-1", "5-2")),
        ReplayEvents("mine", (), "0", "5-9"),
    ]


async def test_a_refusal_of_the_origin_is_the_answer(served: Served, origin: Origin) -> None:
    origin.refusal = 412, "live/a is at state_version 9, not 7"
    response, told = await call(
        served, "DELETE", "/publishers/live/a", **bearer("control"), If_Match="7"
    )
    assert (response.status, told["detail"]) == (412, origin.refusal[1])
    assert told["title"] == "Changed meanwhile"


@pytest.mark.parametrize(
    ("method", "url", "body", "headers", "expected"),
    [
        ("PUT", "/on-air/live/a", {"rank": "third"}, {}, 400),
        ("PUT", "/on-air/live/a", {}, {}, 400),
        ("PUT", "/on-air/live/a", [1], {}, 400),
        ("PUT", "/on-air/live/a", {"rank": None, "more": 1}, {}, 400),
        ("PUT", "/on-air/live/a", {"rank": None}, {"Content-Type": "text/plain"}, 415),
        ("PUT", "/sources/a", {"source": "x" * MOST_BODY_BYTES}, {}, 413),
        ("DELETE", "/publishers/live/a", None, {"If-Match": "*"}, 400),
        ("DELETE", "/publishers/live%2F..", None, {}, 400),
        ("DELETE", "/publishers/static/a", None, {}, 400),
        ("POST", "/publishers/live/a", None, {}, 405),
        ("GET", "/nothing", None, {}, 404),
        ("GET", "/paths?limit=0", None, {}, 400),
        ("GET", "/paths?limit=many", None, {}, 400),
        ("GET", "/webhooks/mine/deliveries?outcome=lost", None, {}, 400),
        ("GET", "/webhooks/mine/deliveries?after=x", None, {}, 400),
        ("GET", "/webhooks/mine/deliveries?event=x", None, {}, 400),
        ("GET", "/webhooks/mine%20/deliveries", None, {}, 400),
        ("PUT", "/webhooks/mine", {}, {}, 400),
        ("PUT", "/webhooks/mine", {"url": "ftp://x"}, {}, 400),
        ("POST", "/webhooks/mine/replay", {"events": ["1"]}, {}, 400),
        ("GET", "/sessions?protocol=smoke", None, {}, 400),
        ("GET", "/sessions?path=..", None, {}, 400),
        ("POST", "/tokens", {"path": []}, {}, 400),
        ("POST", "/tokens", {"path": ["a"], "ip": "here"}, {}, 422),
        ("POST", "/tokens", {"path": ["a"], "key": "other"}, {}, 422),
    ],
)
async def test_what_cannot_be_understood_is_a_problem(
    served: Served, method: str, url: str, body: Any, headers: dict[str, str], expected: int
) -> None:
    response, told = await call(served, method, url, body, **headers, **bearer("admin"))
    assert response.status == expected, told
    assert told["status"] == expected


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /api/v1/paths?after=" + "x" * MAX_LINE_BYTES + " HTTP/1.1",
        "GET /api/v1/paths HTTP/one",
        "GET /t/token/../api/v1/paths HTTP/1.1",
    ],
    ids=["endless", "no HTTP", "two meanings"],
)
async def test_what_is_no_request_is_a_problem_too_and_is_not_told_back(
    served: Served, request_line: str
) -> None:
    answer = await served.raw(f"{request_line}\r\nHost: x\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] == b"400"
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["status"] == 400
    assert b"xxx" not in body


async def test_a_mistake_of_ours_is_a_problem_too_and_tells_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(served.site.api, "_view", broken)
    response, told = await call(served, "GET", "/paths", **bearer("read"))
    assert (response.status, response.content_type) == (500, "application/problem+json")
    assert "mistake" not in json.dumps(told)


async def test_paths_come_a_page_at_a_time(served: Served) -> None:
    _, first = await call(served, "GET", "/paths?limit=1")
    _, second = await call(served, "GET", f"/paths?limit=1&after={first['next']}")
    assert [one["path"] for one in first["paths"] + second["paths"]] == ["live/a", "open/b"]
    assert "next" not in second


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


async def test_options_tell_what_is_possible_and_browsers_may_send_tokens(served: Served) -> None:
    target = f"http://127.0.0.1:{served.port}/api/v1/publishers/live/a"
    headers = {"Origin": "https://x", "Access-Control-Request-Method": "DELETE"}
    async with served.client.options(target, headers=headers) as response:
        assert response.headers["Allow"] == "DELETE, OPTIONS"
        assert response.headers["Access-Control-Allow-Methods"] == "DELETE, OPTIONS"
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("url", ["/events", "/openapi.json", "/paths/live/a"])
async def test_options_of_what_is_only_read_tell_that_it_can_be_read(
    served: Served, url: str
) -> None:
    async with served.client.options(f"http://127.0.0.1:{served.port}/api/v1{url}") as response:
        allowed = response.headers["Allow"].split(", ")
    assert sorted(allowed) == ["GET", "HEAD", "OPTIONS"]


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


@pytest.mark.parametrize("query", ["?after=0&wait=0", "?wait=0", "?after=x&wait=0", "?wait=x"])
async def test_events_are_answered_as_the_document_describes_them(
    served: Served, query: str
) -> None:
    served.site.followers.begin(BEGIN)
    tell(served, 1, 2)
    document = (await call(served, "GET", "/openapi.json"))[1]
    described = Described(document)
    for who in ("nobody", "read"):
        response, told = await call(served, "GET", f"/events{query}", **bearer(who))
        described.check("GET", f"/api/v1/events{query}", response.status, told)
    described_types = document["paths"]["/api/v1/events"]["get"]["responses"]["200"]["content"]
    target = f"http://127.0.0.1:{served.port}/api/v1/events"
    async with served.client.get(target, headers=bearer("read")) as response:
        assert response.content_type in described_types


async def test_no_more_and_no_less_than_what_can_be_asked_for_is_described(served: Served) -> None:
    document = (await call(served, "GET", "/openapi.json"))[1]
    described = {
        (method.upper(), template)
        for template, methods in document["paths"].items()
        for method in methods
    }
    operations = {(one.method, f"/api/v1{one.template}") for one in OPERATIONS}
    assert described == operations | {("GET", "/api/v1/events")}
    assert document["openapi"] == "3.1.0"


async def test_the_document_says_who_needs_a_token_and_of_what_scope(served: Served) -> None:
    document = (await call(served, "GET", "/openapi.json"))[1]["paths"]
    for one in OPERATIONS:
        described = document[f"/api/v1{one.template}"][one.method.lower()]
        needed = [{"token": []}] if one.scope else [{}, {"token": []}]
        assert (described["security"], described.get("x-scope")) == (needed, one.scope)


def test_the_documentation_lists_all_operations_with_their_scopes() -> None:
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
    listed = {
        (method, re.sub(r"\{\w+\}", "{}", place)): who
        for line in text.splitlines()
        if line.startswith("| `")
        for who in line.rstrip(" |").rpartition("| ")[2:]
        for method, place in re.findall(r"`(GET|PUT|POST|PATCH|DELETE) ([^` ?]+)", line)
    }
    assert listed.pop(("GET", "/events"))
    assert listed.keys() == {
        (one.method, re.sub(r"\{\w+\}", "{}", one.template)) for one in OPERATIONS
    }
    for one in OPERATIONS:
        who = listed[one.method, re.sub(r"\{\w+\}", "{}", one.template)]
        assert who.startswith(one.scope or "everyone") or (one.name, who[:7]) == (
            "sendChat", "control",
        ), one.name  # fmt: skip


@pytest.mark.slow
async def test_schemathesis_finds_nothing(served: Served, tmp_path: Path) -> None:
    served.site.followers.begin(BEGIN)
    tell(served, 1, 2)
    document = f"http://127.0.0.1:{served.port}/api/v1/openapi.json"
    options = ["--phases", "examples,coverage,fuzzing", "--max-examples", "10"]
    await find_nothing(document, TOKENS["admin"], tmp_path, options)
