"""Debian's Chromium, driven by Playwright, which brings no browser of its own here."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterable
from typing import Final

from playwright.async_api import Browser, async_playwright

DISABLED_FEATURES: Final = (
    # What Playwright disables by itself: of two lists Chromium takes the last.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    # What drops down from an address bar is pages, which are loaded for each context though nobody
    # sees it: 0.7 s of a core, three quarters of what a context with an empty page takes.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
)
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=" + ",".join(DISABLED_FEATURES),
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
