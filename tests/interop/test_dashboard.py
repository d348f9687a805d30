"""The dashboard in Chromium, clicked through: what it shows, and what can be done with it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.interop.browser import LAPTOP, player_page
from tests.interop.dashboard_room import (
    CONTROL,
    PATHS,
    READ,
    SMALLEST_PHONE,
    card,
    dashboard,
    own_dashboard,
    publishing,
    sign,
)
from tests.interop.dashboard_room import guarded as guarded
from tests.interop.dashboard_room import origin as origin
from tests.interop.origin_process import OriginProcess

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]
STUMBLING_BLOCKS = Path(__file__).with_name("stumbling_blocks.js").read_text("utf-8")
GROUNDS = {"dark": "rgb(11, 16, 22)", "light": "rgb(243, 246, 249)"}
"""Of static/theme.css, whose contrast tests/static/test_theme.py looks at."""
RESTART_MS = 40_000
"""Until a browser takes a connection for lost, and the player for stuck, on a busy machine."""
ADVISED_S = 30_000
"""Milliseconds: a publisher is looked at for twelve seconds."""


async def test_a_path_shows_its_picture_its_figures_and_how_they_went(
    origin: OriginProcess, browser: Browser
) -> None:
    async with dashboard(browser, origin) as opened:
        demo = card(opened.page, "demo")
        await demo.locator(".thumbnail").wait_for(state="visible")
        assert await demo.locator(".thumbnail").evaluate("image => image.naturalWidth") == 320
        await expect(demo.locator(".state")).to_have_text("Live")
        await expect(demo.locator(".facts")).to_contain_text("320×180 · H.264 + AAC")
        await expect(demo.locator(".bitrate b")).to_contain_text("kbit/s")
        await expect(demo.locator(".fps b")).to_have_text("15 fps")
        await expect(demo.locator(".latency")).to_contain_text("s")
        await expect(demo.locator(".bitrate .line")).to_have_attribute("d", re.compile("M.+L"))


@pytest.mark.parametrize("size", [SMALLEST_PHONE, LAPTOP], ids=["phone", "laptop"])
async def test_nothing_is_cut_off_or_refused_by_the_policy_and_everything_has_a_name_and_a_size(
    origin: OriginProcess, browser: Browser, size: tuple[int, int]
) -> None:
    async with dashboard(browser, origin, size) as opened:
        page = opened.page
        await card(page, "demo").locator("summary").click()
        await expect(page.locator("#feed-state")).to_have_text("Live")
        await assert_nothing_stumbles(page, size)
        answer = await page.request.get(origin.url("/"))
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert not opened.log.console
        assert not opened.log.exceptions


async def test_players_side_by_side_fit_a_phone(origin: OriginProcess, browser: Browser) -> None:
    address = origin.url("/demo/compare")
    async with player_page(browser, address, size=SMALLEST_PHONE, touch=True) as opened:
        await opened.page.locator('.tile[data-id="ll-hls"][data-state="playing"]').wait_for()
        await assert_nothing_stumbles(opened.page, SMALLEST_PHONE)


async def assert_nothing_stumbles(page: Page, size: tuple[int, int]) -> None:
    """Everything has a name, on a phone the size of a finger, and nothing is cut off."""
    assert await page.evaluate(STUMBLING_BLOCKS, size == SMALLEST_PHONE) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("place", ["/", "/live/nobody/compare"], ids=["dashboard", "players"])
async def test_a_reader_has_the_theme_that_it_asks_for_and_sees_where_the_keyboard_is(
    origin: OriginProcess, browser: Browser, place: str
) -> None:
    async with player_page(browser, origin.url(place)) as opened:
        page = opened.page
        await page.locator("h1").wait_for()
        for scheme, ground in GROUNDS.items():
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            await expect(page.locator("body")).to_have_css("background-color", ground)
        for _ in range(6):
            await page.keyboard.press("Tab")
            focused = page.locator(":focus")
            await expect(focused).to_have_css("outline-style", "solid")
            await expect(focused).to_be_in_viewport()


async def test_viewers_are_told_by_protocol(origin: OriginProcess, browser: Browser) -> None:
    async with (
        dashboard(browser, origin) as opened,
        player_page(browser, origin.url("/demo/?engine=hls")) as player,
    ):
        await player.wait_state("playing")
        viewers = card(opened.page, "demo").locator(".viewers")
        await expect(viewers).to_have_text(re.compile(r"^1 \(HLS 1\)$"), timeout=30_000)
        await expect(opened.page.locator("#total-viewers")).to_have_text("1")
        await player.page.goto(origin.url("/demo/?engine=dash"))
        await expect(viewers).to_contain_text("DASH 1", timeout=30_000)


async def test_addresses_are_copied_as_obs_and_players_want_them(
    origin: OriginProcess, browser: Browser
) -> None:
    async with dashboard(browser, origin) as opened:
        page = opened.page
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.locator("#push-path").fill("live/stage")
        wanted = {
            "#obs [data-id=obs-server]": f"rtmp://127.0.0.1:{origin.rtmp_port}/live",
            "#obs [data-id=obs-key]": "stage",
            "#other [data-id=whip]": origin.url("/live/stage/whip"),
            "#watch [data-id=page]": origin.url("/live/stage/"),
        }
        for place, text in wanted.items():
            button = page.locator(f"{place} .copy")
            await button.click()
            await expect(button).to_have_attribute("data-copied", "yes")
            assert await page.evaluate("navigator.clipboard.readText()") == text
            await expect(page.locator("#told")).to_have_text(f"Copied: {text}")
        await expect(page.locator("#push")).to_contain_text("Keyframe interval")
        await card(page, "demo").locator("summary").click()
        await card(page, "demo").locator(".play [data-id=hls] .copy").click()
        text = origin.url("/demo/index.m3u8")
        await expect(page.locator("#told")).to_have_text(f"Copied: {text}")


async def test_events_and_advice_appear_as_they_happen(
    origin: OriginProcess, browser: Browser
) -> None:
    async with dashboard(browser, origin) as opened:
        page = opened.page
        await expect(page.locator("#feed-state")).to_have_text("Live")
        with publishing(origin, "live/slow", "&gop_s=5"):
            event = page.locator('.event[data-path="live/slow"][data-type="publisher.connected"]')
            await expect(event).to_contain_text("Publisher connected (RTMP)")
            advice = card(page, "live/slow").locator(".advice")
            await expect(advice).to_contain_text("key frame", timeout=ADVISED_S)
            await expect(advice.locator(".to-do")).to_contain_text("key frame interval")
            await expect(page.locator("#told")).not_to_be_empty()  # said once for all of them
            await page.locator("#feed-which").select_option("notable")
            await expect(event).to_be_hidden()
            await expect(page.locator('.event[data-type="ingest.advice"]').first).to_be_visible()
            await page.locator("#which").select_option("trouble")
            await expect(card(page, "live/slow")).to_be_visible()
            await expect(card(page, "demo")).to_have_count(0)
            await page.locator("#which").select_option("all")
            await page.locator("#filter").fill("DEM")
            await expect(card(page, "demo")).to_be_visible()
            await expect(card(page, "live/slow")).to_have_count(0)


async def test_a_publisher_is_kicked_by_who_signs_in_and_may(
    origin: OriginProcess, browser: Browser
) -> None:
    async with dashboard(browser, origin) as opened:
        page = opened.page
        with publishing(origin, "live/kicked"):
            await card(page, "live/kicked").locator(".kick").click()
            await expect(page.locator("#sign-dialog")).to_be_visible()
            await sign(page, "hw_wrong")
            await expect(page.locator("#sign-problem")).to_contain_text("no token")
            await sign(page, READ)
            await expect(page.locator("#sign-dialog")).to_be_hidden()
            await expect(page.locator("#caller")).to_have_text("guest · read")
            await expect(page.locator("#kick-dialog")).to_be_hidden()
            await card(page, "live/kicked").locator(".kick").click()
            await sign(page, CONTROL)
            await expect(page.locator("#kick-path")).to_have_text("live/kicked")
            await page.locator("#kick-now").click()
            await expect(page.locator("#kick-dialog")).to_be_hidden()
            gone = '.event[data-path="live/kicked"][data-type="publisher.disconnected"]'
            await expect(page.locator(gone).first).to_contain_text("closed by the operator")
        kept = await page.evaluate(
            "[Object.values(sessionStorage), localStorage.length, document.cookie, location.href]"
        )
        assert kept == [[CONTROL], 0, "", origin.url("/")]
        await page.locator("#sign-out").click()
        await expect(page.locator("#sign-in")).to_be_visible()
        assert await page.evaluate("sessionStorage.length") == 0
        assert not opened.log.exceptions


async def test_a_guarded_path_shows_its_picture_to_who_signed_in(
    guarded: OriginProcess, browser: Browser
) -> None:
    async with dashboard(browser, guarded) as opened:
        page = opened.page
        await expect(card(page, "guarded")).to_have_count(0)
        await page.locator("#sign-in").click()
        await sign(page, READ)
        picture = card(page, "guarded").locator(".thumbnail")
        await picture.wait_for(state="visible")
        assert await picture.evaluate("image => image.naturalWidth") == 320
        assert (await picture.get_attribute("src") or "").startswith("blob:")
        await page.locator("#sign-out").click()
        await expect(card(page, "guarded")).to_have_count(0)
        assert not opened.log.exceptions
        assert not [one for one in opened.log.console if "Security Policy" in one]


async def test_a_session_is_ended_on_the_page_of_its_path(
    origin: OriginProcess, browser: Browser
) -> None:
    async with dashboard(browser, origin) as opened:
        page = opened.page
        await page.goto(origin.url("/live/nobody/compare"))
        await expect(page.locator("#session-note")).to_contain_text("those who sign in")
        await page.goto(origin.url("/"))
        await page.locator("#sign-in").click()
        await sign(page, CONTROL)
        await expect(page.locator("#caller")).to_have_text("desk · control")
        await page.goto(origin.url("/demo/compare"))
        await page.locator("#stop-all").click()
        await page.locator('[data-id="webrtc"] .run').click()
        rows = page.locator("#session-rows tr")
        viewer = rows.filter(has_text="WebRTC viewer")
        await expect(viewer).to_have_count(1)
        await expect(rows.filter(has_text="Pulled source")).to_have_count(1)
        await expect(page.locator("#session-note")).to_contain_text("Over HTTP")
        await page.set_viewport_size({"width": SMALLEST_PHONE[0], "height": SMALLEST_PHONE[1]})
        is_whole = (
            "[...document.querySelectorAll('.scroll')].every((e) => e.scrollWidth <= e.clientWidth)"
        )
        assert await page.evaluate(is_whole), "the buttons are not cut off"
        await page.set_viewport_size({"width": LAPTOP[0], "height": LAPTOP[1]})
        await page.locator('.tile[data-id="webrtc"][data-state="playing"]').wait_for()
        await expect(viewer.locator(".media")).to_contain_text("bit/s")
        first = await viewer.get_attribute("data-session")
        await viewer.locator(".end").click()
        await expect(page.locator("#end-what")).to_contain_text("WebRTC viewer from 127.0.0.1")
        await page.locator("#end-now").click()
        await expect(page.locator("#end-dialog")).to_be_hidden()
        await expect(page.locator(f'[data-session="{first}"]')).to_have_count(0)
        # The tile's player comes again by itself, and says that it had to.
        restarts = page.locator('[data-id="webrtc"] .restarts')
        await expect(restarts).not_to_have_text("0", timeout=RESTART_MS)
        assert await page.evaluate("document.documentElement.scrollWidth") <= LAPTOP[0]


async def test_the_keyboard_alone_asks_and_thinks_better_of_it_on_a_machine_of_ones_own(
    tmp_path: Path, browser: Browser
) -> None:
    async with own_dashboard(tmp_path, browser, PATHS) as (_, opened):
        page = opened.page
        await expect(page.locator("#caller")).to_contain_text("admin")
        await page.locator("#filter").focus()
        await page.keyboard.type("demo")
        focused = "document.activeElement.className"
        for _ in range(8):
            if "kick" in await page.evaluate(focused):
                break
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#kick-dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#kick-dialog")).to_be_hidden()
        assert "kick" in await page.evaluate(focused)
        await page.keyboard.press("Enter")
        await page.locator("#kick-now").press("Enter")
        event = page.locator('.event[data-type="publisher.disconnected"]').first
        await expect(event).to_contain_text("closed by the operator")


async def test_all_players_of_a_path_play_side_by_side_and_say_how_late_they_are(
    origin: OriginProcess, browser: Browser
) -> None:
    async with dashboard(browser, origin) as opened:
        page = opened.page
        await card(page, "demo").locator(".compare").click()
        await page.wait_for_url("**/demo/compare")
        # All five play at once, and those of low latency have less of it.
        measured = """() => {
            const seen = window.headwater?.statistics() ?? [];
            const late = Object.fromEntries(seen.map((one) => [one.id, one.latency]));
            return seen.length === 5 && Object.values(late).every(Boolean)
              && late.webrtc < late.hls && late["ll-hls"] < late.hls && late["ll-dash"] < late.dash;
        }"""
        await page.wait_for_function(measured, timeout=60_000)
        await assert_nothing_stumbles(page, LAPTOP)
        heard = "[...document.querySelectorAll('video')].filter((one) => !one.muted).length"
        assert await page.evaluate(heard) == 0
        for name in ("webrtc", "hls"):
            await page.locator(f'[data-id="{name}"] .sound').click()
            assert await page.evaluate(heard) == 1
        await page.locator("#stop-all").click()
        assert await page.evaluate(heard) == 0
        await expect(page.locator('.tile[data-state="stopped"]')).to_have_count(5)
        await page.locator('[data-id="ll-hls"] .run').click()
        await page.locator('.tile[data-id="ll-hls"][data-state="playing"]').wait_for()
        assert not opened.log.exceptions
        # A question to a session may be under way when the page ends it.
        assert all("/whep/" in one for one in opened.log.bad_answers), opened.log.bad_answers


async def test_a_server_that_goes_and_comes_back_is_followed_again(
    tmp_path: Path, browser: Browser
) -> None:
    async with own_dashboard(tmp_path, browser, PATHS) as (origin, opened):
        page = opened.page
        await expect(page.locator("#feed-state")).to_have_text("Live")
        origin.kill()
        await expect(page.locator("#trouble")).to_contain_text("does not answer")
        await expect(page.locator("#feed-state")).to_have_text("Reconnecting…", timeout=30_000)
        await asyncio.to_thread(origin.restart)
        await expect(page.locator("#trouble")).to_be_hidden(timeout=20_000)
        started = page.locator('.event[data-type="server.started"]')
        await expect(started).to_have_count(2, timeout=30_000)
