"""static/webrtc.js over its WebSocket, in Chromium against a whole origin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CONFIG = """
[paths."demo"]
source = "test:?width=320&height=180"
ladder = [{ name = "source", copy = true }, { name = "90p", height = 90 }]
"""

VIEW = """async () => {
  const { Signalling } = await import("/static/webrtc.js");
  const sockets = [];
  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain { constructor(url) { super(url); sockets.push(this); } };
  const told = [];
  const signalling = new Signalling({ on: {
    event: (event) => told.push(event.kind),
    state: (state) => told.push(state),
  } });
  const video = Object.assign(document.createElement("video"), { muted: true, autoplay: true });
  document.body.append(video);
  const viewer = await signalling.view("demo", { on: { state: (state) => told.push(state) } });
  video.srcObject = viewer.stream;
  window.test = { signalling, viewer, video, told, sockets };
}"""


STANDS_STILL = """(() => {
  const { totalVideoFrames } = test.video.getVideoPlaybackQuality();
  if (totalVideoFrames !== test.frames) {
    Object.assign(test, { frames: totalVideoFrames, since: performance.now() });
  }
  return performance.now() - test.since > 1000;
})()"""
"""Whether no picture has come for a second."""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_segments("demo", "90p", 1)
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(origin: OriginProcess, browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page(bypass_csp=True)  # wait_for_function evaluates text
    try:
        await page.goto(origin.url("/"))
        await page.evaluate(VIEW)
        await page.wait_for_function("test.video.currentTime > 0.5", timeout=20_000)
        yield page
    finally:
        await page.close()


async def test_a_viewer_chooses_mutes_and_asks_over_the_socket(page: Page) -> None:
    layers = await page.evaluate("test.viewer.chooseLayer('90p')")
    assert layers["selected"] == "90p"
    assert {one["encodingId"] for one in layers["choices"]} == {"source", "90p"}
    await page.wait_for_function("test.video.videoHeight === 90", timeout=10_000)
    await page.wait_for_function(
        "test.signalling.statistics(test.viewer).then((one) => one?.video?.packets > 0)",
        timeout=10_000,
    )
    await page.evaluate("test.signalling.mute(test.viewer, 'video')")
    frames = "test.video.getVideoPlaybackQuality().totalVideoFrames"
    await page.wait_for_function(STANDS_STILL, timeout=10_000)
    before = await page.evaluate(frames)
    await page.evaluate("test.signalling.mute(test.viewer, 'video', false)")
    await page.wait_for_function(f"{frames} > {before} + 5", timeout=10_000)


async def test_the_picture_goes_on_while_the_socket_is_lost_and_resumed(page: Page) -> None:
    await page.evaluate("test.sockets[0].close(3000)")  # as a proxy does, without a goodbye
    await page.wait_for_function("test.told.filter((one) => one === 'open').length === 2")
    at = await page.evaluate("test.video.currentTime")
    assert (await page.evaluate("test.viewer.chooseLayer('source')"))["selected"] == "source"
    await page.wait_for_function(f"test.video.currentTime > {at + 1}", timeout=10_000)
    assert await page.evaluate("test.viewer.peer.connectionState") == "connected"


PUBLISH = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
  const paint = canvas.getContext("2d");
  let hue = 0;
  test.painting = setInterval(() => {
    paint.fillStyle = `hsl(${hue += 7}, 80%, 50%)`;
    paint.fillRect(0, 0, 320, 180);
  }, 40);
  test.publisher = await test.signalling.publish("live/canvas", canvas.captureStream(25));
}"""


async def test_one_socket_publishes_and_views_several_paths(
    origin: OriginProcess, page: Page
) -> None:
    await page.evaluate(PUBLISH)
    await asyncio.to_thread(origin.wait_segments, "live/canvas", "source", 1, 30.0)
    await page.wait_for_function(
        """test.signalling.statistics(test.publisher).then(
          (one) => one.sources.some((source) => source.received > 0 && source.key_frames > 0))""",
        timeout=10_000,
    )
    await page.evaluate("""async () => {
      test.other = await test.signalling.view("live/canvas");
      test.video.srcObject = test.other.stream;
    }""")
    await page.wait_for_function("test.video.videoWidth === 320 && test.video.currentTime > 0.5")
    assert await page.evaluate("test.sockets.length") == 1
    assert await page.evaluate("test.viewer.peer.connectionState") == "connected"
    await page.evaluate("test.publisher.close()")
    await asyncio.to_thread(origin.wait_path, "live/canvas", "away")


async def test_what_is_not_live_is_refused_with_its_status(page: Page) -> None:
    status = await page.evaluate(
        "test.signalling.view('live/nobody').then(() => 0, (error) => error.status)"
    )
    assert status == 409


async def test_closing_the_socket_ends_the_session(origin: OriginProcess, page: Page) -> None:
    await page.evaluate("test.signalling.close()")
    await page.wait_for_function("test.viewer.peer.connectionState !== 'connected'")
    origin.wait_log(r"viewer \w+ left \(closed by the client\)")
