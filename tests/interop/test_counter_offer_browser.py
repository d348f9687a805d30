"""Chromium offers codecs that the path has not, and answers the offer that it gets instead."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route

from tests.interop.browser import SMALL
from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CONFIG = """
[paths."demo"]
source = "test:?width=320&height=180"
ladder = "copy"
"""
VIEW = """async ({ way, codecs }) => {
  const { Signalling, view } = await import("/static/webrtc.js");
  const told = [];
  const options = { codecs, on: { state: (state) => told.push(state) } };
  const signalling = way === "socket" && new Signalling();
  const viewing = signalling ? signalling.view("demo", options) : view("/demo/whep", options);
  const viewer = await viewing;
  const video = Object.assign(document.createElement("video"), { muted: true, autoplay: true });
  document.body.append(video);
  video.srcObject = viewer.stream;
  window.test = { viewer, video, told };
}"""
REFUSED = """async ({ codecs }) => {
  const { view } = await import("/static/webrtc.js");
  return view("/demo/whep", { codecs }).then(() => "", ({ kind, status }) => `${kind} ${status}`);
}"""
VP8 = ["video/VP8"]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_segments("demo", "source", 1)
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(origin: OriginProcess, browser: Browser) -> AsyncIterator[Page]:
    width, height = SMALL
    page = await browser.new_page(bypass_csp=True, viewport={"width": width, "height": height})
    try:
        await page.goto(origin.url("/"))
        yield page
    finally:
        await page.close()


@pytest.mark.parametrize("way", ["http", "socket"])
async def test_who_offered_another_codec_sees_the_path_by_the_server_s_offer(
    page: Page, way: str
) -> None:
    statuses: list[int] = []
    page.on(
        "response", lambda one: statuses.append(one.status) if one.url.endswith("whep") else None
    )
    await page.evaluate(VIEW, {"way": way, "codecs": VP8})
    await page.wait_for_function("test.video.videoHeight === 180", timeout=20_000)
    await page.wait_for_function("test.video.currentTime > 0.5", timeout=20_000)
    assert await page.evaluate("test.viewer.peer.remoteDescription.type") == "offer"
    assert statuses == ([406] if way == "http" else [])
    tracks = await page.evaluate("test.viewer.stream.getTracks().map((one) => one.kind).sort()")
    assert tracks == ["audio", "video"]
    await page.evaluate("test.viewer.close()")


async def test_such_a_session_is_restarted_when_its_network_is_lost(page: Page) -> None:
    """Chromium fails at once where the way has gone; here it is told so by the page itself."""
    await page.evaluate(VIEW, {"way": "http", "codecs": VP8})
    await page.wait_for_function("test.video.currentTime > 0.3", timeout=20_000)
    before = await page.evaluate("test.viewer.peer.localDescription.sdp.match(/ice-ufrag:(.*)/)[1]")
    await page.evaluate("""() => {
      const { peer } = test.viewer;
      Object.defineProperty(peer, "connectionState", { get: () => "failed", configurable: true });
      peer.dispatchEvent(new Event("connectionstatechange"));
      delete peer.connectionState;
    }""")
    await page.wait_for_function(
        f"!test.viewer.peer.localDescription.sdp.includes({before!r})", timeout=20_000
    )
    at = await page.evaluate("test.video.currentTime")
    await page.wait_for_function(f"test.video.currentTime > {at} + 1", timeout=20_000)
    assert await page.evaluate("test.viewer.peer.connectionState") == "connected"
    await page.evaluate("test.viewer.close()")


async def test_who_decodes_nothing_of_the_server_s_offer_is_told_that_it_is_unsupported(
    page: Page,
) -> None:
    asked: list[str] = []

    async def offer_what_no_browser_has(route: Route) -> None:
        response = await route.fetch()
        await route.fulfill(response=response, body=(await response.text()).replace("H264", "H263"))

    await page.route("**/whep", offer_what_no_browser_has)
    page.on("request", lambda one: asked.append(one.method))
    # Whoever is refused may be told so before the browser tells us of the request.
    async with page.expect_request(lambda one: one.method == "DELETE"):
        assert await page.evaluate(REFUSED, {"codecs": VP8}) == "unsupported 406"
    assert "PATCH" not in asked


async def test_codecs_that_the_browser_has_not_are_not_asked_for(page: Page) -> None:
    await page.evaluate(VIEW, {"way": "http", "codecs": ["video/H299"]})
    await page.wait_for_function("test.video.currentTime > 0.3", timeout=20_000)
    assert await page.evaluate("test.viewer.peer.remoteDescription.type") == "answer"
    await page.evaluate("test.viewer.close()")
