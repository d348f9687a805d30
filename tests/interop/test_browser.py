"""Chromium as tests and benchmarks start it: bench/glass/browser.py."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.interop.browser import player_page

pytestmark = pytest.mark.slow


async def test_chromium_loads_no_page_but_those_of_tests(browser: Browser) -> None:
    """Menus of its own took more than pages of ours."""
    async with player_page(browser, "data:text/html,<h1>ours</h1>") as page:
        chromium = await browser.new_browser_cdp_session()
        assert await page.page.inner_text("h1") == "ours"
        targets = await chromium.send("Target.getTargets", {"filter": [{}]})
        await chromium.detach()
    loaded = {one["url"] for one in targets["targetInfos"] if one["type"] != "browser"}
    assert [url for url in loaded if url.startswith("chrome:")] == []
