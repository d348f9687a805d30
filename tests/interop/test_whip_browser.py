"""Publishing by WebRTC from Chromium: a whole origin, one layer or several, viewers in Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route

from tests.interop.browser import camera_page, player_page
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.recording import key_frames
from tests.interop.whip_paths import CONFIG

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        yield running


async def publish_by_click(page: Page, *, simulcast: bool = False) -> None:
    """From the publish page, until it says that it is live."""
    await page.select_option("#size", "360")
    await page.set_checked("#simulcast", simulcast)
    await page.click("#camera")
    await page.wait_for_selector("#go:not([disabled])")
    await page.click("#go")
    await page.wait_for_selector('#state[data-state="live"]', timeout=20_000)


async def test_a_browser_publishes_its_camera_and_another_watches(
    origin: OriginProcess, browser: Browser
) -> None:
    async with camera_page(browser, origin.url("/live/cam/publish")) as page:
        await publish_by_click(page)
        await asyncio.to_thread(origin.wait_segments, "live/cam", "source", 2, 30.0)
        async with player_page(browser, origin.url("/live/cam/?engine=webrtc")) as player:
            await player.wait_state("playing")
            await player.wait_pictures(45)
        await page.click("#go")  # now it says Stop
        await page.wait_for_selector('#state[data-state="idle"]')
        await asyncio.to_thread(origin.wait_path, "live/cam", "away")


NO_MICROPHONE = """() => {
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (wishes) =>
    wishes.audio ? Promise.reject(new DOMException("", "NotFoundError")) : real(wishes);
}"""


async def test_what_is_stopped_while_it_connects_is_not_published(
    origin: OriginProcess, browser: Browser
) -> None:
    """Of a camera whose machine has no microphone."""
    async with camera_page(browser, origin.url("/live/shy/publish")) as page:
        await page.evaluate(NO_MICROPHONE)
        held: asyncio.Queue[Route] = asyncio.Queue()
        await page.route("**/whip", held.put)
        await page.click("#camera")
        await page.wait_for_selector("#go:not([disabled])")
        await page.click("#go")
        offer = await asyncio.wait_for(held.get(), 20)
        await page.click("#go")  # now it says Stop
        async with page.expect_request(lambda request: request.method == "DELETE"):
            await offer.continue_()
        assert await page.get_attribute("#state", "data-state") == "idle"
        assert origin.path_record("live/shy") is None


async def test_a_browser_publishes_its_screen(origin: OriginProcess, browser: Browser) -> None:
    async with camera_page(browser, origin.url("/live/screen/publish")) as page:
        await page.select_option("#size", "360")
        await page.click("#screen")
        await page.wait_for_selector("#go:not([disabled])")
        await page.click("#go")
        await page.wait_for_selector('#state[data-state="live"]', timeout=20_000)
        await asyncio.to_thread(origin.wait_segments, "live/screen", "source", 1, 30.0)


async def test_the_layers_of_a_simulcasting_browser_are_renditions(
    origin: OriginProcess, browser: Browser
) -> None:
    async with camera_page(browser, origin.url("/live/cast/publish")) as page:
        await publish_by_click(page, simulcast=True)
        found = {}
        for name in ("source", "source_2"):  # the large one comes when there is bandwidth for it
            listed = await asyncio.to_thread(origin.wait_segments, "live/cast", name, 4, 40.0)
            media = await asyncio.to_thread(origin.wait_media, "live/cast", name, len(listed))
            file = Path(origin.log_file).with_name(f"{name}.mp4")
            found[name] = key_frames(media, file)
        assert [size for size, _ in found.values()] == [(640, 360), (320, 180)]
        (_, large), (_, small) = found.values()
        assert len(set(large) & set(small)) >= 3, "players can change between them"
        variants = origin.get("/live/cast/index.m3u8").decode()
        assert "RESOLUTION=640x360" in variants
        assert "RESOLUTION=320x180" in variants
        assert "EXT-X-INDEPENDENT-SEGMENTS" in variants
        for name in ("source", "source_2"):
            playlist = origin.get(f"/live/cast/{name}/index.m3u8").decode()
            assert "EXT-X-GAP" not in playlist
        for query in ("?engine=webrtc", ""):
            async with player_page(browser, origin.url(f"/live/cast/{query}")) as player:
                await player.wait_state("playing")
                await player.wait_pictures(30)


PUBLISH_LAYERS = """async (url) => {
  const { publish } = await import("/static/webrtc.js");
  const video = { width: 640, height: 360, frameRate: 30 };
  const stream = await navigator.mediaDevices.getUserMedia({ video, audio: true });
  window.session = await publish(url, stream, { simulcast: true });
}"""
SET_BEST = """async (active) => {
  const sender = session.peer.getSenders().find((one) => one.track.kind === "video");
  const parameters = sender.getParameters();
  parameters.encodings[0].active = active;
  await sender.setParameters(parameters);
}"""

PREFERS = """() => session.peer.getSenders().find((one) => one.track.kind === "video")
  .getParameters().degradationPreference"""


def wait_tracks(origin: OriginProcess, path: str, names: list[str]) -> None:
    """Until these are the pictures that come."""

    def found() -> bool | None:
        record = origin.path_record(path)
        assert record is not None
        assert record["state"] == "live"
        pictures = [t["name"] for t in record["tracks"] if t["name"].startswith("source")]
        return True if pictures == names else None

    origin.wait(found, f"pictures {names} of {path}", 20.0)


async def test_viewers_go_on_while_the_browser_stops_its_best_layer(
    origin: OriginProcess, browser: Browser
) -> None:
    path = "live/shy"
    async with camera_page(browser, origin.url(f"/{path}/publish")) as page:
        await page.evaluate(PUBLISH_LAYERS, origin.url(f"/{path}/whip"))
        assert await page.evaluate(PREFERS) == "maintain-resolution"
        await asyncio.to_thread(origin.wait_segments, path, "source", 2, 40.0)
        async with player_page(browser, origin.url(f"/{path}/?engine=webrtc")) as player:
            await player.wait_state("playing")
            await page.evaluate(SET_BEST, False)
            await asyncio.to_thread(wait_tracks, origin, path, ["source_2"])
            await player.wait_pictures(60)
            # A hole that ends in the segment after the one that it begins in leaves no gap.
            gap = (f"/{path}/source/index.m3u8", b"EXT-X-GAP")
            await asyncio.to_thread(origin.wait_listed, *gap)
            await page.evaluate(SET_BEST, True)
            await asyncio.to_thread(wait_tracks, origin, path, ["source", "source_2"])
            await player.wait_pictures(60)
        for name in ("source", "source_2"):
            playlist = origin.get(f"/{path}/{name}/index.m3u8").decode()
            assert "EXT-X-DISCONTINUITY\n" not in playlist
            assert ("EXT-X-GAP" in playlist) is (name == "source")


async def test_a_browser_that_may_not_publish_is_told_why(
    origin: OriginProcess, browser: Browser
) -> None:
    async with camera_page(browser, origin.url("/locked/cam/publish")) as page:
        await page.click("#camera")
        await page.wait_for_selector("#go:not([disabled])")
        await page.click("#go")
        await page.wait_for_selector('#state[data-state="failed"]', timeout=20_000)
        assert "key" in await page.inner_text("#state")
