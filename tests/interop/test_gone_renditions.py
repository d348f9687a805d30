"""A publisher is back without a rendition that the one before had: whoever plays, plays on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from tests.interop.browser import PlayerPage, chromium, player_page
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.pushing import pushing

# A machine that does other things, too, may be late; a fault of ours shows every time.
pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

PATH = "live/a"
CONFIG = """
[paths."live/*"]
window_s = 120
[[paths."live/*".ladder]]
name = "source"
copy = true
[[paths."live/*".ladder]]
name = "180p"
height = 180
bitrate_kbps = 150
preset = "ultrafast"
"""
LARGE = "test:?width=640&height=360&fps=25&bitrate_kbps=400"
SMALL = "test:?width=160&height=90&fps=25&bitrate_kbps=100"
"""Too small for the rung."""
WIDTH = 160
LEFT_S = 30.0
"""Some gaps, and a start on a busy machine."""


def variants(origin: OriginProcess) -> bytes:
    return origin.get(f"/{PATH}/index.m3u8")


async def plays_on(viewer: PlayerPage) -> None:
    """Pictures of the small publisher."""
    deadline = time.monotonic() + LEFT_S
    while await viewer.page.evaluate("document.querySelector('video').videoWidth") != WIDTH:
        assert time.monotonic() < deadline, f"{await viewer.status()} {viewer.log}"
        await asyncio.sleep(0.1)
    await viewer.wait_state("playing", within_s=LEFT_S)
    await viewer.wait_pictures(50)


@pytest.mark.parametrize("engine", ["hls", pytest.param("dash", marks=pytest.mark.long)])
async def test_who_watched_a_rung_that_the_next_publisher_is_too_small_for_plays_on(
    tmp_path: Path, engine: str
) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        address = origin.url(f"/{PATH}/?engine={engine}")
        async with chromium() as browser, contextlib.AsyncExitStack() as viewers:
            with pushing(origin.rtmp_url(PATH), LARGE):
                await asyncio.to_thread(origin.wait_segments, PATH, "180p", 3)
                watched = await viewers.enter_async_context(player_page(browser, address))
                await watched.wait_state("playing")
                await watched.page.evaluate("window.sameDocument = true")
                await watched.choose_quality("180p")
                await watched.wait(
                    lambda seen: seen["level"] and seen["level"]["label"] == "180p", "the rung"
                )
            await asyncio.to_thread(origin.wait_path, PATH, "away")
            with pushing(origin.rtmp_url(PATH), SMALL):
                await plays_on(watched)
                assert b"180p" not in variants(origin)
                assert b"EXT-X-GAP" in origin.get(f"/{PATH}/180p/index.m3u8")
                fresh = await viewers.enter_async_context(player_page(browser, address))
                await plays_on(fresh)
                levels = (await fresh.status())["levels"]
                assert [level["label"] for level in levels] == ["90p"]
                for viewer in (watched, fresh):
                    assert not viewer.log.exceptions, viewer.log
                assert await watched.page.evaluate("window.sameDocument"), "nobody reloaded it"
