"""WebRTC viewers over what goes wrong at our side: publishers, renditions, processes, restarts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from streaming.play import play_whep
from tests.interop.browser import player_page
from tests.interop.browser_viewer import a_viewer
from tests.interop.heavy_clip import push_clip
from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CONFIG = """
[paths."live/one"]
ladder = "copy"
[paths."live/two"]
ladder = [{ name = "source", copy = true }, { name = "180p", height = 180, bitrate_kbps = 550 }]
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        yield running


async def test_a_viewer_goes_on_with_a_publisher_that_is_back_after_three_seconds(
    origin: OriginProcess, heavy_clip: Path, browser: Browser
) -> None:
    address, endpoint = origin.rtmp_url("live/one"), origin.url("/live/one/whep")
    with push_clip(heavy_clip, address) as push:
        await asyncio.to_thread(origin.wait_segments, "live/one", "source", 1)
        async with a_viewer(browser, endpoint) as viewer:
            other = asyncio.create_task(play_whep(endpoint, 14.0))
            await viewer.watch(2.0)
            push.kill()
            stopped = await viewer.watch(3.0)
            assert stopped.frames < 40
            with push_clip(heavy_clip, address):
                before = await viewer.seen()
                await viewer.wait(
                    lambda seen: seen.frames - before.frames > 50, "the next publisher"
                )
                after = await viewer.watch(3.0)
                assert (await other).frames > 110, "more than before the kill"
            assert after.failures == []
            assert after.state == "connected"
            assert after.freezes == 0


async def test_renditions_change_without_a_picture_lost(
    origin: OriginProcess, heavy_clip: Path, browser: Browser
) -> None:
    with push_clip(heavy_clip, origin.rtmp_url("live/two")):
        await asyncio.to_thread(origin.wait_segments, "live/two", "180p", 1)
        async with a_viewer(browser, origin.url("/live/two/whep")) as viewer:
            await viewer.watch(2.0)
            before = await viewer.seen()
            for name, height in (("180p", 180), ("source", 360)) * 3:
                await viewer.page.evaluate("name => window.viewer.chooseLayer(name)", name)
                await viewer.wait(lambda seen, height=height: seen.height == height, name)
            seen = (await viewer.seen()).since(before)
            print(seen)
            assert seen.lost == 0
            assert seen.dropped <= 1
            assert seen.freezes == 0
            assert seen.plis == 0


async def test_a_page_comes_back_by_itself_after_the_webrtc_process_has_been_killed(
    origin: OriginProcess, heavy_clip: Path, browser: Browser
) -> None:
    with push_clip(heavy_clip, origin.rtmp_url("live/one")):
        await asyncio.to_thread(origin.wait_segments, "live/one", "source", 1)
        async with player_page(browser, origin.url("/live/one/?engine=webrtc")) as player:
            await player.wait_state("playing")
            os.kill(origin.child("streaming.rtc.process"), signal.SIGKILL)
            await player.wait(lambda seen: seen["starts"] >= 2, "a new start")
            seen = await player.wait_state("playing")
            print(seen["engine"], seen["errors"])
            assert seen["engine"] == "webrtc"
            await player.wait_pictures(60)


@pytest.mark.long
async def test_a_page_comes_back_by_itself_after_the_origin_has_been_restarted(
    origin: OriginProcess, heavy_clip: Path, browser: Browser
) -> None:
    with push_clip(heavy_clip, origin.rtmp_url("live/one")) as push:
        await asyncio.to_thread(origin.wait_segments, "live/one", "source", 1)
        async with player_page(browser, origin.url("/live/one/?engine=webrtc")) as player:
            await player.wait_state("playing")
            await asyncio.to_thread(origin.kill)
            push.kill()
            await asyncio.to_thread(origin.restart)
            with push_clip(heavy_clip, origin.rtmp_url("live/one")):
                await player.wait(lambda seen: seen["starts"] >= 2, "a new start")
                seen = await player.wait_state("playing")
                print(seen["engine"], seen["errors"])
                await player.wait_pictures(60)
