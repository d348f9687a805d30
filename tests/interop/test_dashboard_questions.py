"""What pages ask the API, one question at a time, and what late answers change."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable

import pytest
from playwright.async_api import Browser, Error, Page, Route, expect

from tests.interop.browser import player_page
from tests.interop.dashboard_room import READ, card, dashboard, publishing, sign
from tests.interop.dashboard_room import guarded as guarded
from tests.interop.dashboard_room import origin as origin
from tests.interop.origin_process import OriginProcess

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]


WATCH_FOR_GUARDED = """() => {
  const look = () => (window.wasShown ||= Boolean(document.querySelector('[data-path="guarded"]')));
  window.wasShown = false;
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}"""


class HeldAnswers:
    """Answers to some of a page's questions, kept back as they are now until `let_go`."""

    def __init__(self, page: Page, holds: Callable[[Route], bool]) -> None:
        self.asked = asyncio.Queue[str]()
        """The last word of each address that was asked for."""
        self._page = page
        self._holds = holds
        self._goes_on = asyncio.Event()

    async def begin(self, pattern: str) -> None:
        """From now on, of addresses like this."""
        await self._page.route(re.compile(pattern), self._answer)

    async def wait_asked(self, *names: str) -> None:
        """Until all of these were asked for once more."""
        wanted = set(names)
        async with asyncio.timeout(20):
            while wanted:
                wanted.discard(await self.asked.get())

    def let_go(self) -> None:
        self._goes_on.set()

    async def _answer(self, route: Route) -> None:
        name = route.request.url.partition("?")[0].rpartition("/")[2]
        with contextlib.suppress(Error):  # who asked may have gone meanwhile
            self.asked.put_nowait(name)
            if not self._holds(route) or self._goes_on.is_set():
                await route.continue_()
                return
            answer = await route.fetch()
            await self._goes_on.wait()
            await route.fulfill(response=answer)


async def test_no_question_overtakes_another_so_no_old_answer_takes_back_a_newer_one(
    origin: OriginProcess, browser: Browser
) -> None:
    async with dashboard(browser, origin) as opened:
        page = opened.page
        await expect(page.locator("#feed-state")).to_have_text("Live")
        held = HeldAnswers(page, lambda route: True)
        await held.begin(r"/api/v1/paths\?")
        await held.wait_asked("paths")
        with publishing(origin, "live/late"):
            live = page.locator('.event[data-path="live/late"][data-type="path.state"]').first
            await expect(live).to_contain_text("Live")
            assert held.asked.empty(), "asked again before it was answered"
            held.let_go()
            await expect(card(page, "live/late")).to_be_visible()


async def test_an_answer_that_comes_after_signing_out_shows_nothing(
    guarded: OriginProcess, browser: Browser
) -> None:
    async with dashboard(browser, guarded) as opened:
        page = opened.page
        held = HeldAnswers(
            page, lambda route: READ in route.request.headers.get("authorization", "")
        )
        await held.begin(r"/api/v1/(paths|events)\?(limit|wait)")
        await page.locator("#sign-in").click()
        await sign(page, READ)
        await held.wait_asked("paths", "events")
        await page.locator("#sign-out").click()
        await expect(page.locator("#sign-in")).to_be_visible()
        await held.wait_asked("paths", "events")
        await page.evaluate(WATCH_FOR_GUARDED)
        held.let_go()
        for _ in range(2):
            await held.wait_asked("paths")
        assert not await page.evaluate("window.wasShown")
        assert not opened.log.exceptions


async def test_signing_out_takes_guarded_paths_off_the_page_before_the_server_says_anything(
    guarded: OriginProcess, browser: Browser
) -> None:
    async with dashboard(browser, guarded) as opened:
        page = opened.page
        await page.locator("#sign-in").click()
        await sign(page, READ)
        await card(page, "guarded").wait_for()
        await expect(page.locator("#sign-out")).to_be_focused()
        await page.locator('.event[data-path="guarded"]').first.wait_for()
        held = HeldAnswers(page, lambda route: True)
        await held.begin(r"/api/v1/")
        await page.locator("#sign-out").click()
        await held.wait_asked("caller", "paths")
        await expect(page.locator("#sign-in")).to_be_visible()
        await expect(page.locator("#sign-in")).to_be_focused()
        assert "guarded" not in await page.locator("body").inner_text()
        assert await page.evaluate("document.title") == "Headwater"
        held.let_go()
        await expect(card(page, "demo")).to_be_visible()
        await expect(card(page, "guarded")).to_have_count(0)
        assert not opened.log.exceptions


async def test_the_players_page_asks_about_its_path_one_question_at_a_time(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/")) as opened:
        page = opened.page
        held = HeldAnswers(page, lambda route: True)
        await held.begin(r"/api/v1/paths/demo$")
        await page.goto(origin.url("/demo/compare"))
        await held.wait_asked("demo")
        await page.locator("#stop-all").click()
        # Sessions are asked about by the same clock: two questions of theirs are four seconds.
        for _ in range(3):
            async with page.expect_response("**/api/v1/caller"):
                pass
        assert held.asked.empty(), "asked again before it was answered"
        held.let_go()
        await held.wait_asked("demo")
