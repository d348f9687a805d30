"""The cache of deploy/ before the origin: one request upstream for many, and nothing mixed up."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiohttp import web

from tests.interop.edge_room import Edge, edge
from tests.interop.fake_origin import (
    PROMPT_S,
    FakeOrigin,
    answers,
    fake_origin,
    growing,
    held,
    next_chunk,
)
from tests.interop.origin_process import free_ports

pytestmark = pytest.mark.slow

PLAYLIST = "/live/foo/720p/index.m3u8"
PART_REQUEST = f"{PLAYLIST}?_HLS_msn=41&_HLS_part=2"
SEGMENT = "/live/foo/720p/41.m4s"


@dataclass(frozen=True)
class Varnish:
    """A cache that is already running, and where it looks for its origin."""

    edge: Edge
    origin_port: int


@pytest.fixture(scope="module")
def varnish(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Varnish]:
    """Started once: Varnish compiles its configuration."""
    origin_port = free_ports(1)[0]
    with edge("varnish", tmp_path_factory.mktemp("cache"), origin_port) as one:
        yield Varnish(one, origin_port)


@pytest_asyncio.fixture
async def origin(varnish: Varnish) -> AsyncIterator[FakeOrigin]:
    """An origin that answers as the test says."""
    async with fake_origin(varnish.origin_port) as one:
        yield one


@pytest.fixture
def cache(varnish: Varnish, origin: FakeOrigin) -> Edge:
    """Varnish before `origin`, with nothing stored."""
    varnish.edge.forget()
    return varnish.edge


async def test_many_who_wait_for_the_same_are_one_request_upstream(
    cache: Edge, origin: FakeOrigin
) -> None:
    targets = [PART_REQUEST, "/live/foo/720p/41.2.m4s"]
    finished = asyncio.Event()
    for target in targets:
        origin.on(target, held(finished, answers(target.encode(), "public, max-age=6")))
    async with cache.client() as client:
        waiting = [asyncio.create_task(client.get(t)) for _ in range(60) for t in targets]
        for target in targets:
            await origin.wait_asked(target)
        # Time for the others to come; whoever is later still finds it stored.
        await client.get("/healthz")
        finished.set()
        async with asyncio.timeout(PROMPT_S):
            bodies = [(await task).text for task in waiting]
        late = await client.get(PART_REQUEST)
    assert bodies == targets * 60
    assert late.text == PART_REQUEST
    assert [origin.targets.count(target) for target in targets] == [1, 1]


async def test_directives_of_different_value_are_never_mixed(
    cache: Edge, origin: FakeOrigin
) -> None:
    queries = (
        "",
        "?_HLS_msn=41",
        "?_HLS_msn=41&_HLS_part=2",
        "?_HLS_msn=41&_HLS_part=3",
        "?_HLS_msn=42&_HLS_part=2",
        "?_HLS_msn=41&_HLS_part=2&_HLS_skip=YES",
        "?_HLS_msn=41&_HLS_part=2&_HLS_skip=v2",
        "?_HLS_skip=YES",
        "?_HLS_part=2",
        "?_HLS_msn=abc",
        "?_HLS_msn=",
    )
    for query in queries:
        origin.on(PLAYLIST + query, answers(query.encode(), "public, max-age=6"))
    async with cache.client() as client:
        for _ in range(2):
            for query in queries:
                assert (await client.get(PLAYLIST + query)).text == query
    assert sorted(origin.targets) == sorted(PLAYLIST + query for query in queries)


async def test_whatever_else_is_in_a_query_makes_no_other_answer(
    cache: Edge, origin: FakeOrigin
) -> None:
    same = (
        "?_HLS_msn=41&_HLS_part=2",
        "?_HLS_part=2&_HLS_msn=41",
        "?CMCD=bl%3D1000%2Csid%3D%22a%22&_HLS_msn=41&_HLS_part=2",
        "?_HLS_msn=41&x=_HLS_msn=7&_HLS_part=2&CMCD=br%3D1",
        "?a?_HLS_skip=YES&_HLS_msn=41&_HLS_part=2&_hls_part=9&_HLS_start=1",
    )
    origin.on(PART_REQUEST, answers(b"the one", "public, max-age=6"))
    async with cache.client() as client:
        for query in same:
            assert (await client.get(PLAYLIST + query)).text == "the one", query
    assert origin.targets == [PART_REQUEST]


async def test_of_a_directive_that_is_given_twice_the_origin_sees_the_one_it_is_stored_under(
    cache: Edge, origin: FakeOrigin
) -> None:
    origin.on(f"{PLAYLIST}?_HLS_msn=41", answers(b"41", "public, max-age=6"))
    async with cache.client() as client:
        assert (await client.get(f"{PLAYLIST}?_HLS_msn=41&_HLS_msn=7")).text == "41"
        assert (await client.get(f"{PLAYLIST}?_HLS_msn=41")).text == "41"
        assert (await client.get(f"{PLAYLIST}%3F_HLS_msn=41")).status_code == 404
    assert origin.targets == [f"{PLAYLIST}?_HLS_msn=41", f"{PLAYLIST}%3F_HLS_msn=41"]


async def test_the_origin_alone_says_what_is_kept(cache: Edge, origin: FakeOrigin) -> None:
    upstream_requests = {
        (200, "public, max-age=60"): 1,
        (200, "public, max-age=3600, immutable"): 1,
        (410, "public, max-age=60"): 1,
        (404, "max-age=4"): 1,
        (200, "no-cache"): 3,
        (200, "no-store, max-age=60"): 3,
        (200, "max-age=0"): 3,
        (200, ""): 3,
        (400, "no-store"): 3,
    }
    async with cache.client() as client:
        for number, ((status, cache_control), upstream) in enumerate(upstream_requests.items()):
            target = f"/live/foo/720p/{number}.m4s"
            origin.on(target, answers(b"said", cache_control, status))
            for _ in range(3):
                seen = await client.get(target)
                assert (seen.status_code, seen.content) == (status, b"said")
                assert seen.headers["cache-control"] == cache_control
            assert origin.targets.count(target) == upstream, (status, cache_control)


@pytest.mark.parametrize("status", [404, 410, 503])
async def test_a_wait_in_vain_ends_for_all_who_wait_and_is_soon_forgotten(
    cache: Edge, origin: FakeOrigin, status: int
) -> None:
    finished = asyncio.Event()
    origin.on(PART_REQUEST, held(finished, answers(b"no", status=status)))
    async with cache.client() as client, asyncio.timeout(PROMPT_S):
        waiting = [asyncio.create_task(client.get(PART_REQUEST)) for _ in range(30)]
        await origin.wait_asked(PART_REQUEST)
        await client.get("/healthz")
        finished.set()
        assert {(await task).status_code for task in waiting} == {status}
        assert origin.targets.count(PART_REQUEST) == 1
        origin.on(PART_REQUEST, answers(b"yes", "public, max-age=6"))
        while (await client.get(PART_REQUEST)).text != "yes":
            pass


async def test_web_origins_that_the_origin_tells_apart_get_their_own_answers(
    cache: Edge, origin: FakeOrigin
) -> None:
    allowed = {"https://tv.example.com", "https://www.example.com"}

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        headers = {"Cache-Control": "public, max-age=6", "Vary": "Accept-Encoding, Origin"}
        if (asking := request.headers.get("Origin")) in allowed:
            headers["Access-Control-Allow-Origin"] = asking
        return web.Response(headers=headers)

    origin.on(PLAYLIST, answer)
    async with cache.client() as client:
        for asking in [*allowed, "https://elsewhere.example", *allowed]:
            seen = await client.get(PLAYLIST, headers={"Origin": asking})
            granted = asking if asking in allowed else None
            assert seen.headers.get("access-control-allow-origin") == granted
    assert len(origin.requests) == 3


async def test_a_playlist_is_never_served_beyond_its_time(cache: Edge, origin: FakeOrigin) -> None:
    origin.on(PLAYLIST, answers(b"old", "public, max-age=1"))
    async with cache.client() as client, asyncio.timeout(PROMPT_S):
        assert (await client.get(PLAYLIST)).text == "old"
        origin.on(PLAYLIST, answers(b"away", status=503))
        while (answer := await client.get(PLAYLIST)).text == "old":
            assert int(answer.headers.get("age", "0")) <= 1
    assert answer.status_code == 503


async def test_ranges_heads_and_gzip_come_from_the_one_stored_answer(
    cache: Edge, origin: FakeOrigin
) -> None:
    text = b"#EXTM3U\n" * 200
    fields = {"Content_Encoding": "gzip", "Vary": "Accept-Encoding"}
    origin.on(PLAYLIST, answers(gzip.compress(text), "public, max-age=6", **fields))
    origin.on(SEGMENT, answers(b"0123456789", "public, max-age=60"))
    async with cache.client() as client:
        part = await client.get(SEGMENT, headers={"Range": "bytes=3-6"})
        head = await client.head(SEGMENT)
        known = await client.get(SEGMENT, headers={"If-None-Match": '"1"'})
        for coding in ("gzip, deflate, br", "gzip", "identity", "br"):
            seen = await client.get(PLAYLIST, headers={"Accept-Encoding": coding})
            assert seen.content == text
            assert ("content-encoding" in seen.headers) == ("gzip" in coding)
    assert (part.status_code, part.content) == (206, b"3456")
    assert part.headers["content-range"] == "bytes 3-6/10"
    assert (head.status_code, head.headers["content-length"]) == (200, "10")
    assert known.status_code == 304
    assert [(method, target) for method, target, _ in origin.requests] == [
        ("GET", SEGMENT),
        ("GET", PLAYLIST),
    ]


async def test_who_comes_late_to_a_growing_segment_gets_its_begin_and_then_each_chunk(
    cache: Edge, origin: FakeOrigin
) -> None:
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    origin.on(SEGMENT, growing(chunks, "public, max-age=60"))
    async with cache.client() as client:
        chunks.put_nowait(b"one ")
        async with client.stream("GET", SEGMENT) as early:
            first = early.aiter_raw()
            assert await next_chunk(first) == b"one "
            async with client.stream("GET", SEGMENT) as late:
                second = late.aiter_raw()
                assert await next_chunk(second) == b"one "
                chunks.put_nowait(b"two")
                assert await next_chunk(first) == b"two"
                assert await next_chunk(second) == b"two"
                chunks.put_nowait(b"")
        assert (await client.get(SEGMENT)).content == b"one two"
    assert origin.targets == [SEGMENT]


async def test_state_and_what_is_for_one_client_alone_are_the_origins_own(
    cache: Edge, origin: FakeOrigin
) -> None:
    events, offer = "/api/v1/events?from=7", "/live/foo/whep?id=1"
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    origin.on(events, growing(chunks, "public, max-age=60"))
    origin.on(offer, answers(b"made", status=201))
    origin.on(PLAYLIST, answers(b"for you", "max-age=60"))
    async with cache.client() as client:
        for _ in range(2):
            chunks.put_nowait(b"now")
            async with client.stream("GET", events) as response:
                assert await next_chunk(response.aiter_raw()) == b"now"
                chunks.put_nowait(b"")
            assert (await client.post(offer, content=b"v=0")).text == "made"
            assert (await client.get(PLAYLIST, auth=("me", "secret"))).text == "for you"
    assert origin.targets == [events, offer, PLAYLIST] * 2
