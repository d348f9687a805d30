"""The fronts of deploy/ before the origin: TLS, HTTP/2, and everything passed on as it is."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from bench.glass.browser import find_chromium
from tests.interop.browser import player_page
from tests.interop.edge_room import Edge, chosen_protocol, edge
from tests.interop.fake_origin import (
    FakeOrigin,
    answers,
    fake_origin,
    growing,
    held,
    next_chunk,
)
from tests.interop.origin_process import origin_process

pytestmark = pytest.mark.slow

FRONTS = ("nginx", "caddy")
PLAYLIST = "/live/foo/720p/index.m3u8"
PART_REQUEST = f"{PLAYLIST}?_HLS_msn=41&_HLS_part=2"
SEGMENT = "/live/foo/720p/41.m4s"
WATCHED_S = 3.0


@pytest_asyncio.fixture
async def origin() -> AsyncIterator[FakeOrigin]:
    """An origin that answers as the test says."""
    async with fake_origin() as one:
        yield one


@pytest.fixture(params=FRONTS)
def front(request: pytest.FixtureRequest, tmp_path: Path, origin: FakeOrigin) -> Iterator[Edge]:
    """Each TLS front before `origin`."""
    with edge(request.param, tmp_path, origin.port) as one:
        yield one


async def test_a_front_chooses_http2_and_hides_what_is_not_for_viewers(
    front: Edge, origin: FakeOrigin
) -> None:
    assert await asyncio.to_thread(chosen_protocol, front.port) == "h2"
    async with front.client() as client:
        origin.on("/time", answers(b"2026-01-01T00:00:00Z"))
        for hidden in ("/metrics", "/metrics?x=1", "/%6detrics"):
            assert (await client.get(hidden)).status_code == 404
        assert origin.targets == []
        seen = await client.get("/time")
        assert (seen.http_version, seen.status_code) == ("HTTP/2", 200)
        plain = await client.get(f"http://127.0.0.1:{front.plain_port}/live/foo/?a=b")
    assert plain.status_code in (301, 308)
    assert plain.headers["location"].startswith("https://127.0.0.1")
    assert plain.headers["location"].endswith("/live/foo/?a=b")
    if front.kind == "caddy":
        assert "h3=" in seen.headers["alt-svc"]


async def test_a_front_changes_neither_question_nor_answer(front: Edge, origin: FakeOrigin) -> None:
    packed = gzip.compress(b"#EXTM3U\n" * 200)
    fields = {
        "Content_Type": "application/vnd.apple.mpegurl",
        "Content_Encoding": "gzip",
        "Access_Control_Allow_Origin": "*",
        "Access_Control_Expose_Headers": "Date, ETag",
        "Vary": "Accept-Encoding",
    }
    target = f"{PART_REQUEST}&_HLS_skip=YES"
    origin.on(target, answers(packed, "public, max-age=6", **fields))
    origin.on(SEGMENT, answers(b"3456", status=206, Content_Range="bytes 3-6/10"))
    async with front.client() as client:
        async with client.stream("GET", target, headers={"Accept-Encoding": "gzip"}) as seen:
            body = b"".join([piece async for piece in seen.aiter_raw()])
        head = await client.head(target)
        part = await client.get(SEGMENT, headers={"Range": "bytes=3-6", "If-Range": '"1"'})
    assert body == packed
    for answer in (seen, head):
        assert answer.headers["cache-control"] == "public, max-age=6"
        assert answer.headers["etag"] == '"1"'
        assert answer.headers["content-length"] == str(len(packed))
        for name, value in fields.items():
            assert answer.headers.get_list(name.replace("_", "-")) == [value], name
    assert (part.status_code, part.content) == (206, b"3456")
    assert part.headers["content-range"] == "bytes 3-6/10"
    methods = [(method, asked) for method, asked, _ in origin.requests]
    assert methods == [("GET", target), ("HEAD", target), ("GET", SEGMENT)]
    assert origin.requests[2][2]["range"] == "bytes=3-6"
    assert origin.requests[2][2]["if-range"] == '"1"'


async def test_a_front_adds_no_field_that_takes_a_request_off_the_fast_path(
    front: Edge, origin: FakeOrigin
) -> None:
    async with front.client() as client:
        await client.get(PLAYLIST)
    allowed = {"host", "accept", "user-agent", "accept-encoding", "connection"}
    assert origin.requests[0][2].keys() <= allowed


async def test_a_growing_segment_passes_a_front_chunk_by_chunk(
    front: Edge, origin: FakeOrigin
) -> None:
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    origin.on(SEGMENT, growing(chunks, "public, max-age=60"))
    sizes = (300, 40_000, 1, 1_459, 100_000)
    async with front.client() as client:
        chunks.put_nowait(b"first")
        async with client.stream("GET", SEGMENT) as response:
            pieces = response.aiter_raw()
            assert await next_chunk(pieces) == b"first"
            for size in sizes:
                # The next one is sent only when this one has come: nothing may wait in between.
                chunks.put_nowait(b"x" * size)
                got = 0
                while got < size:
                    got += len(await next_chunk(pieces))
                assert got == size
            chunks.put_nowait(b"")
            with pytest.raises(StopAsyncIteration):
                await next_chunk(pieces)


async def test_a_viewer_may_have_sixty_blocked_requests_on_one_connection_and_holds_up_nobody(
    front: Edge, origin: FakeOrigin
) -> None:
    finished = asyncio.Event()
    blocked = [f"{PLAYLIST}?_HLS_msn={msn}" for msn in range(60)]
    for target in blocked:
        origin.on(target, held(finished, answers(target.encode())))
    origin.on(SEGMENT, answers(b"media"))
    async with front.client() as client, front.client() as another:
        waiting = [asyncio.create_task(client.get(target)) for target in blocked]
        for target in blocked:
            await origin.wait_asked(target)
        assert (await another.get(SEGMENT)).content == b"media"
        assert not any(task.done() for task in waiting)
        finished.set()
        bodies = [(await task).content for task in waiting]
    assert bodies == [target.encode() for target in blocked]


@pytest.mark.parametrize("kind", [*FRONTS, "varnish"])
async def test_an_origin_that_is_away_is_an_error_at_once_that_any_page_can_read(
    kind: str, tmp_path: Path
) -> None:
    with socket.socket() as taken:  # and not listening: no front may get this port for itself
        taken.bind(("127.0.0.1", 0))
        with edge(kind, tmp_path, taken.getsockname()[1]) as front:
            async with front.client() as client:
                answer = await client.get(PLAYLIST)
    assert answer.status_code == (503 if kind == "varnish" else 502)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["retry-after"] == "1"
    assert answer.text == "The origin does not answer, try again in a second.\n"


FETCH_SCRIPT = """async (url) => {
    const answer = await fetch(url);
    const body = await answer.text();
    const [entry] = performance.getEntriesByName(answer.url);
    return [answer.status, body, entry.nextHopProtocol];
}"""


async def test_chromium_gets_media_from_caddy_over_http3(
    tmp_path: Path, origin: FakeOrigin
) -> None:
    program = find_chromium()
    if program is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    origin.on("/live/foo/", answers(b"<!doctype html>", Content_Type="text/html"))
    origin.on(SEGMENT, answers(b"media", "public, max-age=60"))
    with edge("caddy", tmp_path, origin.port) as caddy:
        # Of QUIC, Chromium trusts a certificate by its key alone.
        flags = [
            "--no-sandbox",
            f"--origin-to-force-quic-on=127.0.0.1:{caddy.port}",
            f"--ignore-certificate-errors-spki-list={caddy.key_digest()}",
        ]
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program, args=flags)
            page = await browser.new_page()
            await page.goto(f"{caddy.base}/live/foo/")
            seen = await page.evaluate(FETCH_SCRIPT, SEGMENT)
            await browser.close()
    assert seen == [200, "media", "h3"]


CONFIG = """
[paths."demo"]
source = "test:?width=320&height=180&bitrate_kbps=400"
ladder = "copy"
"""

PROTOCOLS_SCRIPT = """() => performance.getEntriesByType("resource")
    .filter((entry) => /\\.(m3u8|m4s|mp4)/.test(entry.name) && entry.responseStatus === 200)
    .map((entry) => entry.nextHopProtocol)"""


async def plays_over_http2(browser: Browser, front: Edge) -> None:
    """Plays the live path through `front`, whose kind is named when it fails."""
    address = f"{front.base}/demo/?engine=hls"
    async with player_page(browser, address, ignore_https_errors=True) as player:
        began = (await player.wait_state("playing"))["currentTime"]
        await player.wait(lambda seen: seen["currentTime"] > began + WATCHED_S, front.kind)
        protocols = await player.page.evaluate(PROTOCOLS_SCRIPT)
    assert set(protocols) == {"h2"}, front.kind
    assert not player.log.bad_answers, front.kind
    assert player.log.hosts == {f"127.0.0.1:{front.port}"}


@pytest.mark.flaky(reruns=2)
async def test_h31_chromium_plays_over_http2_through_each_front_and_the_cache(
    tmp_path: Path, browser: Browser
) -> None:
    with (
        origin_process(tmp_path, CONFIG) as origin,
        edge("varnish", tmp_path, origin.http_port) as cache,
        edge("nginx", tmp_path, cache.port) as nginx,
        edge("caddy", tmp_path, cache.port) as caddy,
    ):
        await asyncio.to_thread(origin.wait_segments, "demo", "source", 2)
        await asyncio.gather(*(plays_over_http2(browser, front) for front in (nginx, caddy)))
