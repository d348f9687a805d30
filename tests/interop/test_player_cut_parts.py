"""A part of which only the beginning comes: the page has its library load anew."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.interop.browser import player_page
from tests.interop.cutting_server import cutting_server
from tests.interop.origin_process import origin_process
from tests.interop.pushing import SOURCE

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CONFIG = f"""
[paths."demo"]
source = "{SOURCE}"
ladder = "copy"
"""
A_PART = re.compile(r"/source/\d+\.\d+\.m4s$")
SOON_S = 10.0
"""The library by itself waits for twenty."""


async def test_a_part_that_never_ends_is_passed_over_without_a_new_player(
    tmp_path: Path, browser: Browser
) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        await asyncio.to_thread(origin.wait_segments, "demo", "source", 3)
        async with cutting_server(origin.http_port) as server:
            url = server.url("/demo/?engine=hls")
            async with player_page(browser, url) as page:
                await page.wait_state("playing")
                before = await page.wait(lambda seen: seen["frames"] > 60, "two seconds of it")
                server.cut_next(A_PART)
                await server.wait_cut()
                loaded = await page.wait(
                    lambda seen: any("nothing loads" in one["text"] for one in seen["errors"]),
                    "the library to be told to load anew",
                    SOON_S,
                )
                frames = loaded["frames"]
                after = await page.wait(
                    lambda seen: seen["state"] == "playing" and seen["frames"] > frames + 60,
                    "two more seconds of pictures",
                    SOON_S,
                )
                assert after["starts"] == before["starts"], after
                assert after["lowLatency"]["on"]
                assert not page.log.exceptions, page.log
