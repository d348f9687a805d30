"""A real browser for tests: Debian's Chromium, driven by Playwright.

    async with player_page(browser, origin.url("/demo/?engine=hls")) as page:
        await page.wait_state("playing")
        report = await page.watch(10.0)

Playwright brings no browser of its own here; a test that needs one is skipped where there is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from bench.glass.browser import find_chromium, headless

START_S: Final = 30.0
STATE_MS: Final = 20_000
"""How long `expect` waits for a state, on a machine where others are busy, too."""
expect.set_options(timeout=STATE_MS)

WATCH_STEP_S: Final = 0.25

CAMERA: Final = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""A camera and a microphone that nobody has to allow."""
SMALL: Final = (640, 360)
"""Where nothing depends on it: without a GPU each pixel costs the cores that all else runs on."""
PHONE: Final = (390, 844)
LAPTOP: Final = (1280, 720)
TV: Final = (1920, 1080)

STATUS_SCRIPT: Final = "() => window.headwater ? window.headwater.statistics() : null"


@contextlib.asynccontextmanager
async def chromium(flags: Iterable[str] = ()) -> AsyncIterator[Browser]:
    """A headless Chromium with a fresh profile, closed at the end; skips the test without one."""
    program = find_chromium()
    if program is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    async with headless(program, flags) as browser:
        yield browser


@dataclass
class PageLog:
    """What went wrong on a page, as the browser saw it."""

    console: list[str] = field(default_factory=list)
    """Errors and warnings, those about the content security policy among them."""
    exceptions: list[str] = field(default_factory=list)
    bad_answers: list[str] = field(default_factory=list)
    """"<status> <url>" of every answer from 400 on."""
    hosts: set[str] = field(default_factory=set)
    """Everybody the page talked to."""

    def attach(self, page: Page) -> None:
        """Listens to `page`."""
        page.on(
            "console",
            lambda message: (
                self.console.append(f"{message.type}: {message.text}")
                if message.type in ("error", "warning")
                else None
            ),
        )
        page.on("pageerror", lambda error: self.exceptions.append(str(error)))
        page.on(
            "response",
            lambda answer: (
                self.bad_answers.append(f"{answer.status} {answer.url}")
                if answer.status >= 400
                else None
            ),
        )
        page.on("request", lambda request: self._saw(request.url))

    def _saw(self, url: str) -> None:
        if url.startswith("http"):
            self.hosts.add(url.split("/")[2])


@dataclass(frozen=True)
class WatchReport:
    """What a viewer would have seen over some seconds."""

    wall_s: float
    played_s: float
    """How far currentTime came."""
    stalls: int
    """Times that the picture waited for data."""
    frames: int
    dropped_frames: int
    latency_s: list[float]
    """Each readout."""
    levels: list[str]
    """Labels of the levels that were on screen, in order, repeats left out."""


class PlayerPage:
    """One player page; made by `player_page`."""

    def __init__(self, page: Page, log: PageLog) -> None:
        self.page = page
        self.log = log

    async def status(self) -> dict[str, Any]:
        """`window.headwater.statistics()`; see static/player.js."""
        status: dict[str, Any] | None = await self.page.evaluate(STATUS_SCRIPT)
        return status or {"state": "loading", "errors": []}

    async def wait_state(self, *states: str, within_s: float = START_S) -> dict[str, Any]:
        """Waits until the page is in one of `states`; its status then."""
        return await self.wait(lambda seen: seen["state"] in states, str(states), within_s)

    async def wait(self, accepts: Any, what: str, within_s: float = START_S) -> dict[str, Any]:
        """Waits until `accepts(status)`; the status then."""
        deadline = time.monotonic() + within_s
        status: dict[str, Any] = {}
        while time.monotonic() < deadline:
            status = await self.status()
            if accepts(status):
                return status
            await asyncio.sleep(0.05)
        raise AssertionError(f"waited {within_s} s for {what}: {status} {self.log}")

    async def wait_pictures(self, count: int, within_s: float = START_S) -> None:
        """Waits until so many more have been shown, without a new start in between."""
        before = await self.status()
        seen = await self.wait(
            lambda seen: (
                seen["starts"] != before["starts"] or seen["frames"] - before["frames"] >= count
            ),
            f"{count} pictures",
            within_s,
        )
        assert seen["starts"] == before["starts"], (before, seen)

    async def watch(self, seconds: float) -> WatchReport:
        """Watches for `seconds` and reports."""
        before, began = await self.status(), time.monotonic()
        latency: list[float] = []
        levels: list[str] = []
        while time.monotonic() - began < seconds:
            await asyncio.sleep(WATCH_STEP_S)
            seen = await self.status()
            if seen["latency"] is not None:
                latency.append(float(seen["latency"]))
            label = seen["level"]["label"] if seen["level"] else ""
            if label and label not in levels[-1:]:
                levels.append(label)
        after, wall_s = await self.status(), time.monotonic() - began
        return WatchReport(
            wall_s=wall_s,
            played_s=after["currentTime"] - before["currentTime"],
            stalls=after["stalls"] - before["stalls"],
            frames=after["frames"] - before["frames"],
            dropped_frames=after["droppedFrames"] - before["droppedFrames"],
            latency_s=latency,
            levels=levels,
        )

    async def choose_quality(self, label: str) -> None:
        """Opens the quality menu and clicks the item `label` ("Auto", "720p", ...)."""
        await self.page.mouse.move(50, 50)  # the bar hides while nobody moves
        await self.page.mouse.move(60, 60)
        await self.page.locator("#quality").click()
        await self.page.locator(f'#quality-menu button:has(span:text-is("{label}"))').click()

    async def screenshot(self, file: Path) -> None:
        """A picture of the whole window."""
        await self.page.screenshot(path=str(file))


@contextlib.asynccontextmanager
async def camera_page(browser: Browser, url: str) -> AsyncIterator[Page]:
    """Opens `url`, which may have camera and microphone, in a browser context of its own."""
    context = await browser.new_context(permissions=["camera", "microphone"])
    try:
        page = await context.new_page()
        await page.goto(url)
        yield page
    finally:
        await context.close()


@contextlib.asynccontextmanager
async def player_page(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = SMALL,
    touch: bool = False,
    ignore_https_errors: bool = False,
) -> AsyncIterator[PlayerPage]:
    """Opens `url` in a browser context of its own."""
    width, height = size
    context: BrowserContext = await browser.new_context(
        reduced_motion="reduce",  # what moves while nothing plays takes as much as a player
        viewport={"width": width, "height": height},
        has_touch=touch,
        is_mobile=touch,
        device_scale_factor=2 if touch else 1,
        ignore_https_errors=ignore_https_errors,
    )
    try:
        page = await context.new_page()
        log = PageLog()
        log.attach(page)
        await page.goto(url, wait_until="domcontentloaded")
        yield PlayerPage(page, log)
    finally:
        await context.close()
