"""Players that nobody reloads: a publisher is killed, the slate covers, the publisher is back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.interop import test_worker_bridge as bridged
from tests.interop.browser import player_page
from tests.interop.origin_process import origin_process
from tests.interop.test_on_air import PATH, Publishers, config, kill, wait_on_air

# A machine that does other things, too, may be late; a fault of ours shows every time.
pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

LIVE_S = 4.0
SLATE_S = 8.0
BACK_S = 8.0
LOST_S = 3.0
"""Of playing time in all: the start of a slate and of a publisher, on a machine of two cores."""

BRIDGED_LOST_S = 1.0
"""Nothing at all on a machine that does nothing else."""


@pytest.fixture
def publishers() -> Iterator[Publishers]:
    started = Publishers()
    yield started
    started.close()


@pytest.mark.parametrize("engine", ["hls", pytest.param("dash", marks=pytest.mark.long)])
async def test_a_player_goes_on_through_slate_and_return(
    tmp_path: Path, publishers: Publishers, browser: Browser, engine: str
) -> None:
    with origin_process(tmp_path, config('slate = "card"', 'slate_audio = "tone"')) as origin:
        first = publishers.push(origin)
        await asyncio.to_thread(origin.wait_segments, PATH, "source", 4)
        url = origin.url(f"/{PATH}/?engine={engine}")
        async with player_page(browser, url) as player:
            await player.wait_state("playing")
            await player.page.evaluate("window.sameDocument = true")
            reports = [await player.watch(LIVE_S)]
            kill(first)
            reports.append(await player.watch(SLATE_S))
            publishers.push(origin, size="640x360", rate=30)
            await asyncio.to_thread(
                wait_on_air, origin, lambda seen: seen["on_air"] == "primary", "the return"
            )
            reports.append(await player.watch(BACK_S))
            status = await player.wait_state("playing", within_s=LOST_S)
            assert await player.page.evaluate("window.sameDocument"), "nobody reloaded it"
            size = await player.page.evaluate(
                "(() => { const v = document.querySelector('video'); return v.videoWidth })()"
            )
    lost_s = sum(report.wall_s - report.played_s for report in reports)
    told = [(round(r.wall_s, 1), round(r.played_s, 1), r.stalls) for r in reports]
    assert lost_s < LOST_S, (told, status)
    assert size == 640, "the picture is the publisher's that is back"


@pytest.mark.long
@pytest.mark.parametrize("engine", ["hls", "dash"])
async def test_a_player_goes_on_while_the_slate_bridges_a_killed_worker(
    tmp_path: Path, browser: Browser, engine: str
) -> None:
    with origin_process(tmp_path, bridged.CONFIG) as origin, bridged.pushing(origin):
        await asyncio.to_thread(bridged.wait_strips, origin)
        url = origin.url(f"/{PATH}/?engine={engine}")
        async with player_page(browser, url) as player:
            await player.wait_state("playing")
            await player.page.evaluate("window.sameDocument = true")
            reports = [await player.watch(LIVE_S)]
            bridged.kill_worker(origin)
            reports.append(await player.watch(LIVE_S))
            await asyncio.to_thread(bridged.wait_back, origin, 1)
            reports.append(await player.watch(LIVE_S))
            await player.wait_state("playing", within_s=LOST_S)
            assert await player.page.evaluate("window.sameDocument"), "nobody reloaded it"
    lost_s = sum(report.wall_s - report.played_s for report in reports)
    told = [(round(r.wall_s, 1), round(r.played_s, 1), r.stalls) for r in reports]
    assert lost_s < BRIDGED_LOST_S, told
