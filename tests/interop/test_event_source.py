"""A viewer's session followed by a browser's EventSource, by the URL that the Link header names."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.interop.browser import SMALL, chromium
from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CONFIG = """
[paths."demo"]
source = "test:?width=320&height=180"
ladder = [{ name = "source", copy = true }, { name = "90p", height = 90, bitrate_kbps = 80 }]
"""
VIEW = """async (origin) => {
  const links = [];
  const plain = window.fetch;
  window.fetch = async (...asked) => {
    const response = await plain(...asked);
    if (response.status === 201) links.push(response.headers.get("Link"));
    return response;
  };
  const { view } = await import("/static/webrtc.js");
  const viewer = await view(`${origin}/demo/whep`);
  const found = /<([^>]+)>; rel="urn:ietf:params:whep:ext:core:server-sent-events"/.exec(links[0]);
  const source = new EventSource(new URL(found[1], origin));
  const test = { viewer, source, told: [], ids: [], opened: 0, lost: 0 };
  source.onopen = () => (test.opened += 1);
  source.onerror = () => (test.lost += 1);
  for (const name of ["active", "inactive", "layers", "viewercount"])
    source.addEventListener(name, ({ data, lastEventId }) => {
      test.told.push([name, JSON.parse(data)]);
      test.ids.push(Number(lastEventId));
    });
  window.test = test;
}"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_segments("demo", "90p", 1)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@contextlib.asynccontextmanager
async def viewing(browser: Browser, page_url: str, endpoint: str) -> AsyncIterator[Page]:
    width, height = SMALL
    page = await browser.new_page(bypass_csp=True, viewport={"width": width, "height": height})
    try:
        await page.goto(page_url)
        await page.evaluate(VIEW, endpoint)
        yield page
        await page.evaluate("(test.source.close(), test.viewer.close())")
    finally:
        await page.close()


async def wait_told(page: Page, name: str, condition: str = "true") -> Any:
    """The data of such an event, which has come or comes."""
    found = f"test.told.findLast(([name, data]) => name === {name!r} && {condition})"
    await page.wait_for_function(found, timeout=20_000)
    return (await page.evaluate(found))[1]


async def test_a_browser_hears_what_happens_to_its_session(
    origin: OriginProcess, browser: Browser
) -> None:
    home = origin.url("")
    async with viewing(browser, home, home) as page:
        assert await wait_told(page, "active") == {}
        assert await wait_told(page, "viewercount", "data.viewercount === 1")
        layers = await wait_told(page, "layers", "data.choices.length === 2")
        assert layers["active"] == "source"
        await page.evaluate("test.viewer.chooseLayer('90p')")
        await wait_told(page, "layers", "data.active === '90p'")
        async with viewing(browser, home, home):
            await wait_told(page, "viewercount", "data.viewercount === 2")
        await wait_told(page, "viewercount", "data.viewercount === 1")
        source = origin.child("streaming.ingest.pull_worker")
        os.kill(source, signal.SIGSTOP)
        await wait_told(page, "inactive")
        await page.evaluate("test.told.length = 0")
        os.kill(source, signal.SIGCONT)
        await wait_told(page, "active")
        await page.evaluate("test.viewer.close()")
        await page.wait_for_function("test.source.readyState === EventSource.CLOSED")


async def test_a_page_of_another_origin_hears_it_as_well(
    origin: OriginProcess, browser: Browser
) -> None:
    elsewhere = origin.url("").replace("127.0.0.1", "localhost")
    async with viewing(browser, elsewhere, origin.url("")) as page:
        await wait_told(page, "active")
        await wait_told(page, "layers")
        assert await page.evaluate("test.lost") == 0


@pytest.mark.long
async def test_who_lost_the_stream_is_told_what_it_missed_once(
    origin: OriginProcess, browser: Browser
) -> None:
    async with viewing(browser, origin.url(""), origin.url("")) as page:
        await wait_told(page, "active")
        await wait_told(page, "layers")
        source = origin.child("streaming.ingest.pull_worker")
        os.kill(source, signal.SIGSTOP)
        os.kill(origin.child("streaming.server.delivery"), signal.SIGKILL)
        await page.wait_for_function("test.lost > 0")
        await wait_told(page, "inactive")
        os.kill(source, signal.SIGCONT)
        await page.evaluate("test.told.length = 0")
        await wait_told(page, "active")
        ids = await page.evaluate("test.ids")
        assert ids == [*range(1, len(ids) + 1)]
        assert await page.evaluate("test.viewer.peer.connectionState") == "connected"


async def test_of_two_who_follow_one_session_the_earlier_gives_way_for_good(
    origin: OriginProcess, browser: Browser
) -> None:
    async with viewing(browser, origin.url(""), origin.url("")) as page:
        await wait_told(page, "active")
        await page.evaluate("""() => {
          const second = { source: new EventSource(test.source.url), told: 0, lost: 0 };
          second.source.addEventListener("layers", () => (second.told += 1));
          second.source.onerror = () => (second.lost += 1);
          test.second = second;
        }""")
        await page.wait_for_function("test.lost === 1 && test.second.told > 0", timeout=20_000)
        # Whoever came again would have taken the stream, after the two seconds that it says.
        await page.wait_for_function("(test.since ??= Date.now()) < Date.now() - 5000")
        assert await page.evaluate("[test.opened, test.second.lost]") == [1, 0]
        await page.evaluate("test.second.source.close()")
