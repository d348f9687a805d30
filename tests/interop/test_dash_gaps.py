"""Gaps of a rung before dash.js: who watches it is soon back, and nobody else notices."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.interop.browser import player_page
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.test_browser_playback import CONFIG

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

STOPPED_S = 6.0
"""More than the silence after which a rung has gaps, less than what its watchdog stands."""
BACK_S = 20.0
GAP_PERIOD = re.compile(rb'<Period id="\d+\.\d+"')


def wait_gap_period(origin: OriginProcess) -> None:
    deadline = time.monotonic() + BACK_S
    while not GAP_PERIOD.search(origin.get("/demo/manifest.mpd")):
        assert time.monotonic() < deadline, "no period after the gap"
        time.sleep(0.2)


async def stop_the_encoder(origin: OriginProcess) -> None:
    worker = origin.child("streaming.transcode.worker")
    os.kill(worker, signal.SIGSTOP)
    await asyncio.sleep(STOPPED_S)
    os.kill(worker, signal.SIGCONT)
    await asyncio.to_thread(wait_gap_period, origin)


@pytest.mark.long
async def test_dash_plays_on_over_gaps_of_a_rung(tmp_path: Path, browser: Browser) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        await asyncio.to_thread(origin.wait_segments, "demo", "180p", 4)
        address = origin.url("/demo/?engine=dash&latency=normal")
        async with (
            player_page(browser, address) as source,
            player_page(browser, address) as rung,
        ):
            for player, quality in ((source, "360p"), (rung, "180p")):
                await player.wait_state("playing")
                await player.choose_quality(quality)
            await asyncio.sleep(5)
            # Fixed qualities: by itself a player would just leave the rung.
            watching = asyncio.create_task(source.watch(40))
            await stop_the_encoder(origin)
            seen = await watching
            again = await rung.watch(10)
            end = await rung.status()
    assert seen.stalls <= 1, f"{seen} {source.log}"  # dash.js may say so where a period begins
    assert abs(seen.played_s - seen.wall_s) < 2.0, f"{seen} {source.log}"
    assert again.played_s > 8.0, f"{again} {end} {rung.log}"
    assert end["level"]["label"] == "180p"
