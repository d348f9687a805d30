"""Viewing by WebRTC in Chromium: a whole origin and its player page."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser

from tests.interop.browser import player_page
from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

GIVE_UP_S = 3.0
BUSY_S = 1.5
"""What a machine that does other things as well may add."""
CONFIG = """
[paths."demo"]
source = "test:?width=640&height=360"
ladder = "copy"
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_segments("demo", "source", 1)
        yield running


async def test_chromium_plays_webrtc_and_shows_its_true_latency(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/demo/?engine=webrtc")) as player:
        await player.wait_state("playing")
        seen = await player.wait(
            lambda seen: seen["latency"] is not None and seen["level"] is not None, "a latency"
        )
        assert seen["engine"] == "webrtc"
        assert 0.0 <= seen["latency"] < 3.0
        await player.wait_pictures(60)
        assert player.log.exceptions == []


async def test_a_browser_without_a_way_for_webrtc_falls_back_to_hls(
    origin: OriginProcess, browser: Browser
) -> None:
    """The answer names an address at which nobody is, as behind a firewall that drops UDP."""

    async def lead_astray(route: object) -> None:
        response = await route.fetch()  # type: ignore[attr-defined]
        body = await response.text()
        port = next(line for line in body.splitlines() if " udp " in line).split()[5]
        body = body.replace(f" {port} typ", " 9 typ")
        await route.fulfill(response=response, body=body)  # type: ignore[attr-defined]

    async with player_page(browser, origin.url("/live/none/?engine=webrtc")) as player:
        await player.page.route("**/whep", lead_astray)
        await player.page.goto(origin.url("/demo/?engine=webrtc"))
        await player.wait(lambda seen: seen["engine"] == "webrtc", "a try")
        began = time.monotonic()
        await player.wait(lambda seen: seen["engine"] == "hls", "another engine")
        assert time.monotonic() - began < GIVE_UP_S + BUSY_S
        seen = await player.wait(lambda seen: seen["state"] == "playing", "HLS to play")
        assert any("network" in error["text"] for error in seen["errors"])
