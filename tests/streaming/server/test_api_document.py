"""The OpenAPI document and docs/api.md say what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streaming.server.api import OPERATIONS
from tests.api_fuzz import find_nothing
from tests.described import Described
from tests.streaming.server.api_origin import TOKENS, bearer, call
from tests.streaming.server.api_origin import origin as origin
from tests.streaming.server.api_origin import served as served
from tests.streaming.server.conftest import Served
from tests.streaming.server.test_events import BEGIN, tell


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
