"""(j) From joining by WHEP to the first picture: Chromium, on a page that is there already.

Joins one after another, at all places of a group of pictures of 2 s; each is a session of its own
with ICE and DTLS. Three sources: copied from RTMP, encoded, published by WHIP.
"""

from __future__ import annotations

import asyncio
import time

from playwright.async_api import Browser, Page
from playwright.async_api import Error as PlaywrightError

from bench.figures import Aim, Figure
from bench.glass.browser import find_chromium, headless
from bench.glass.viewing import WEB
from bench.latency import (
    CAMERA,
    COPIED,
    ENCODED,
    ENCODED_CONFIG,
    RUNGS,
    publishing,
    pushing,
)
from bench.processes import BenchError
from bench.servers import Server, headwater

JOIN_LIMIT_S = 10.0
APART_S = 0.37
"""So that joins come at different places of a group of pictures."""
AIM_MS = 500
QUANTILES = {"p50": 0.50, "p95": 0.95}


def measure(runs: int, seconds: int) -> list[Figure]:
    """Joins each source for `seconds`, in one run: they are many already."""
    program = find_chromium()
    if program is None:
        raise BenchError("chromium is not installed: run deploy/setup.sh bench")
    figures = []
    with headwater(settings=ENCODED_CONFIG) as server:
        for path in (COPIED, ENCODED):
            with pushing(server, path):
                figures += _figures(path, asyncio.run(_from_rtmp(program, server, path, seconds)))
        figures += _figures(CAMERA, asyncio.run(_from_whip(program, server, CAMERA, seconds)))
    return figures


def _figures(path: str, pictures_ms: list[float]) -> list[Figure]:
    ordered = sorted(pictures_ms)
    return [
        Figure(
            "j",
            f"join by WHEP to first picture, {RUNGS[path]}: {name}",
            "ms",
            (ordered[min(len(ordered) - 1, int(share * len(ordered)))],),
            aim=Aim(AIM_MS, of="ours") if name == "p95" else None,
        )
        for name, share in QUANTILES.items()
    ]


async def _from_rtmp(program: str, server: Server, path: str, seconds: int) -> list[float]:
    async with headless(program) as browser:
        return await _join(browser, server, path, seconds)


async def _from_whip(program: str, server: Server, path: str, seconds: int) -> list[float]:
    origin = f"http://127.0.0.1:{server.http_port}"
    async with headless(program) as browser, publishing(browser, server, origin, path):
        return await _join(browser, server, path, seconds)


async def _join(browser: Browser, server: Server, path: str, seconds: int) -> list[float]:
    """Milliseconds from each call to its picture."""
    page = await browser.new_page()
    await page.add_init_script(path=WEB / "join.js")
    await page.goto(f"http://127.0.0.1:{server.http_port}/")
    pictures_ms: list[float] = []
    end = time.monotonic() + seconds
    while not pictures_ms or time.monotonic() < end:
        pictures_ms.append(await _join_once(page, path))
        await asyncio.sleep(APART_S)
    return pictures_ms


async def _join_once(page: Page, path: str) -> float:
    try:
        record = await asyncio.wait_for(page.evaluate("joinByWhep", path), JOIN_LIMIT_S)
    except (TimeoutError, PlaywrightError) as error:
        raise BenchError(f"{path} cannot be joined by WHEP: {error}") from error
    return float(record["picture"])
