"""The API: every operation by every caller, what it takes and gives, and its own description."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streaming.command_messages import (
    ChangeSettings,
    ChooseOnAir,
    EndSession,
    Kick,
    ListDeliveries,
    ListSessions,
    ReplayEvents,
    SetSource,
    SetWebhook,
)
from streaming.path_name import MAX_NAME_CHARS
from streaming.server.api import MOST_BODY_BYTES
from streaming.server.connection import MAX_LINE_BYTES
from streaming.shelf_messages import PathState, Totals
from tests.streaming.server.api_origin import RULES, Origin, bearer, call
from tests.streaming.server.api_origin import origin as origin
from tests.streaming.server.api_origin import served as served
from tests.streaming.server.conftest import Serve, Served
from tests.streaming.server.guarded_site import guarded_shelf


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
