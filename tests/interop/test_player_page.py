"""The player page in Chromium: what a viewer sees and can choose, on phone, laptop and TV."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Page

from tests.interop.browser import LAPTOP, PHONE, TV, player_page
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.rtmp_room import CLIPS

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CONFIG = f"""
[paths."demo"]
source = "test:?width=320&height=180&bitrate_kbps=400"
ladder = "copy"

[paths."radio"]
source = "{CLIPS / "audio-only.mp4"}"

[paths."cam"]
source = "rtsp://127.0.0.1:9/nothing"
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    """One origin for all tests here; they only read."""
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_segments("demo", "source", 3)
        yield running


async def test_a_path_that_nobody_publishes_says_so_and_waits(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/live/nobody/")) as player:
        await player.wait_state("waiting")
        text = await player.page.locator("#message").inner_text()
        assert "not started yet" in text
        assert not await player.page.locator("#controls").is_visible()


async def test_a_viewer_changes_from_hls_to_dash_by_the_menu_and_the_address_keeps_it(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/demo/")) as player:
        assert (await player.wait_state("playing"))["engine"] == "hls"
        await player.choose_quality("DASH")
        await player.wait(
            lambda seen: seen["engine"] == "dash" and seen["state"] == "playing", "DASH to play"
        )
        assert player.page.url.endswith("?engine=dash")
        assert not player.log.exceptions
        assert not player.log.console


async def test_sound_without_a_picture_is_called_so(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/radio/"), size=PHONE) as player:
        await player.page.get_by_text("Sound only").wait_for(timeout=20_000)
        await player.page.goto(origin.url("/demo/"))
        await player.wait(lambda seen: seen["frames"] > 20, "pictures")
        assert not await player.page.get_by_text("Sound only").is_visible()


@pytest.mark.parametrize("sizes", [(PHONE,), (LAPTOP, TV)], ids=["phone", "laptop and TV"])
async def test_the_controls_fit_the_screen_and_show_latency_and_quality(
    origin: OriginProcess, browser: Browser, sizes: tuple[tuple[int, int], ...]
) -> None:
    is_phone = sizes[0] is PHONE
    address = origin.url("/demo/")
    async with player_page(browser, address, size=sizes[0], touch=is_phone) as player:
        await player.wait(
            lambda seen: seen["state"] == "playing" and seen["latency"] and seen["level"],
            "the readouts",
        )
        for width, height in sizes:
            await player.page.set_viewport_size({"width": width, "height": height})
            await player.page.mouse.move(30, 30)
            await player.page.mouse.move(40, 40)
            await assert_controls_fit(player.page, width, height)
        await player.page.keyboard.press("k")
        await player.page.locator("#live-label").get_by_text("Go live").wait_for()
        await assert_controls_fit(player.page, *sizes[-1])


async def assert_controls_fit(page: Page, width: int, height: int) -> None:
    end = 0.0
    for name in ("play", "mute", "live", "latency", "quality", "full"):
        box = await page.locator(f"#{name}").bounding_box()
        assert box is not None, name
        assert box["x"] >= end, f"{name} lies on what is before it"
        fits = "it => it.scrollWidth <= it.clientWidth"
        assert await page.locator(f"#{name}").evaluate(fits), name
        end = box["x"] + box["width"]
        assert end <= width, name
        assert box["y"] + box["height"] <= height, name
    assert "180p" in await page.locator("#quality-label").inner_text()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_the_keyboard_alone_opens_the_menu_and_chooses(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/demo/")) as player:
        await player.wait(lambda seen: seen["state"] == "playing" and seen["levels"], "levels")
        await player.page.keyboard.press("q")
        await player.page.keyboard.press("ArrowDown")
        await player.page.keyboard.press("Enter")
        seen = await player.wait(lambda now: now["selected"] is not None, "a chosen level")
        assert seen["selected"] == seen["levels"][0]["id"]


async def test_the_index_lists_live_paths_and_leads_to_their_players(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/")) as opened:
        page = opened.page
        card = page.locator('#paths > [data-path="demo"]')
        await card.locator('.state[data-tone="live"]').wait_for()
        assert "320×180" in await card.inner_text()
        command = page.locator("[data-id=ffmpeg] .value")
        assert f":{origin.rtmp_port}/live" in await command.inner_text()
        await card.locator(".name").click()
        await page.wait_for_url("**/demo/")
        assert not opened.log.console


async def test_a_player_that_shows_nothing_is_started_anew(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/live/nobody/")) as player:
        page = player.page
        await page.route("**/*.m4s", lambda route: asyncio.sleep(0))  # media never comes
        await page.goto(origin.url("/demo/?engine=dash"))
        await player.wait(lambda seen: seen["starts"] == 1, "a start")
        await player.wait(lambda seen: seen["state"] == "waiting", "a fresh try", within_s=20)
        await page.unroute_all()
        seen = await player.wait_state("playing")
        assert seen["starts"] >= 2
