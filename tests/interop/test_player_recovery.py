"""Whatever dies, the page in the browser goes on by itself: nobody reloads it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.interop.browser import PlayerPage, player_page
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.pushing import SOURCE, pushing

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CONFIG = f"""
[paths."live/*"]
ladder = "copy"
[paths."demo"]
source = "{SOURCE}"
ladder = "copy"
"""
ENGINES = ("hls", "dash")
AGAIN_S = 25.0
"""Restarted programs need seconds of a busy machine before the page can do anything."""
STEADY_S = 2.0
PAUSE_S = 5.0


@contextlib.asynccontextmanager
async def pages(
    browser: Browser, origin: OriginProcess, path: str
) -> AsyncIterator[list[PlayerPage]]:
    """Our page by each engine, and playing."""
    async with contextlib.AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(
                player_page(browser, origin.url(f"/{path}/?engine={engine}"))
            )
            for engine in ENGINES
        ]
        for page in opened:
            await page.wait_state("playing")
        await asyncio.sleep(STEADY_S)
        yield opened


async def frozen(page: PlayerPage) -> None:
    """Waits until the picture stands, whatever the page calls that."""
    await page.wait(lambda seen: seen["state"] != "playing", "the picture to stand")


async def plays_steadily(page: PlayerPage) -> None:
    """Waits until it plays again, and watches that it keeps on."""
    await page.wait_state("playing", within_s=AGAIN_S)
    for _ in range(10):  # a first segment may run out before the second one is there
        report = await page.watch(3.0)
        if report.stalls == 0 and report.played_s > 2.0:
            return
    raise AssertionError(f"never played steadily: {await page.status()} {page.log}")


async def longest_stand_s(page: PlayerPage, seconds: float) -> float:
    """Watches for so long; for how long the picture stood at most."""
    began = stood_since = time.monotonic()
    position, longest_s = -1.0, 0.0
    while time.monotonic() - began < seconds:
        now = (await page.status())["currentTime"]
        if now != position:
            position, stood_since = now, time.monotonic()
        longest_s = max(longest_s, time.monotonic() - stood_since)
        await asyncio.sleep(0.1)
    return longest_s


@pytest.mark.long
async def test_a_pause_costs_players_no_longer_stall_than_itself_and_no_latency(
    tmp_path: Path, browser: Browser
) -> None:
    with origin_process(tmp_path, CONFIG) as origin, pushing(origin.rtmp_url("live/a")) as process:
        await asyncio.to_thread(origin.wait_segments, "live/a", "source", 3)
        async with pages(browser, origin, "live/a") as opened:
            before_s = [(await page.status())["latency"] for page in opened]
            watching = [asyncio.create_task(longest_stand_s(page, 10.0)) for page in opened]
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(PAUSE_S)
            process.send_signal(signal.SIGCONT)
            stood_s = await asyncio.gather(*watching)
            await asyncio.gather(*map(plays_steadily, opened))
            after_s = [(await page.status())["latency"] for page in opened]
    # Players hold back less than a second, so most of the pause is theirs; and half a second to
    # notice, on a machine of two cores.
    assert max(stood_s) < PAUSE_S + 0.5, stood_s
    for before, after in zip(before_s, after_s, strict=True):
        assert after < before + 1.0, (before_s, after_s)


@pytest.mark.long
async def test_a_publisher_that_is_back_is_seen_again_without_a_reload(
    tmp_path: Path, browser: Browser
) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        with pushing(origin.rtmp_url("live/a")):
            await asyncio.to_thread(origin.wait_segments, "live/a", "source", 3)
            opening = pages(browser, origin, "live/a")
            opened = await opening.__aenter__()
        try:
            await asyncio.gather(*map(frozen, opened))
            with pushing(origin.rtmp_url("live/a")):
                await asyncio.gather(*map(plays_steadily, opened))
            for page in opened:
                assert not page.log.exceptions, page.log
        finally:
            await opening.__aexit__(None, None, None)


async def test_an_origin_that_is_killed_and_restarted_is_played_again_without_a_reload(
    tmp_path: Path, browser: Browser
) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        await asyncio.to_thread(origin.wait_segments, "demo", "source", 3)
        async with pages(browser, origin, "demo") as opened:
            before = await asyncio.to_thread(origin.wait_segments, "demo", "source", 3)
            origin.kill()
            await asyncio.gather(*map(frozen, opened))
            origin.respawn()
            await asyncio.to_thread(origin.wait_ready)
            restored = await asyncio.to_thread(origin.wait_segments, "demo", "source", 3)
            assert before[-1] in restored, "its live window was not kept"
            await asyncio.gather(*map(plays_steadily, opened))
            for page in opened:
                assert not page.log.exceptions, page.log
