"""Debian's Chromium, driven by Playwright, which brings no browser of its own here."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterable
from typing import Final

from playwright.async_api import Browser, async_playwright

FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


def find_chromium() -> str | None:
    """Chromium's path: HEADWATER_CHROMIUM, or what is installed."""
    named = os.environ.get("HEADWATER_CHROMIUM", "")
    return shutil.which(named or "chromium") or shutil.which("chromium-browser")


@contextlib.asynccontextmanager
async def headless(program: str, flags: Iterable[str] = ()) -> AsyncIterator[Browser]:
    """A headless Chromium with a fresh profile, closed at the end."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, headless=True, args=[*FLAGS, *flags]
        )
        try:
            yield browser
        finally:
            await browser.close()
