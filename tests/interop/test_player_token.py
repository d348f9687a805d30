"""The pages behind a viewing token in the URL's path: what they load, they load with it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser

from streaming.auth.access_rules import ViewKey
from streaming.auth.view_tokens import mint_token
from tests.interop.browser import player_page
from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

KEY: Final = ViewKey("hs", "HS256", "a secret of thirty-two characters")
CONFIG: Final = f"""
[view]
keys = [{{ id = "hs", algorithm = "HS256", secret = "{KEY.material}" }}]
[paths."vip/*"]
view = "token"
[paths."vip/a"]
source = "test:?width=640&height=360&bitrate_kbps=600"
ladder = "copy"
view = "token"
"""
OPEN: Final = ("/static/", "/time")
"""What needs no token."""


def token(path: str = "vip/*", **claims: object) -> str:
    return mint_token(KEY, {"path": path, "exp": int(time.time()) + 600, **claims})


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        prefix = f"/t/{token()}"
        running.wait_url(f"{prefix}/vip/a/source/index.m3u8")
        yield running


@pytest.mark.parametrize("engine", ["hls", "dash", "webrtc"])
async def test_every_engine_plays_with_the_token_in_the_path_alone(
    origin: OriginProcess, browser: Browser, engine: str
) -> None:
    prefix = f"/t/{token()}"
    async with player_page(browser, "about:blank") as player:
        asked: list[str] = []
        player.page.on("request", lambda request: asked.append(urlsplit(request.url).path))
        await player.page.goto(origin.url(f"{prefix}/vip/a/?engine={engine}"))
        seen = await player.wait_state("playing")
        assert seen["engine"] == engine
        assert (await player.page.title()).startswith("vip/a")
        outside = [url for url in asked if not url.startswith((prefix, *OPEN))]
        assert outside == []
        assert not player.log.exceptions
        assert not player.log.console


async def test_a_token_for_one_session_is_good_for_one_which_may_reload_its_page(
    origin: OriginProcess, browser: Browser
) -> None:
    url = origin.url(f"/t/{token(max_sessions=1)}/vip/a/?engine=webrtc")
    async with player_page(browser, url) as player:
        await player.wait_state("playing")
        for _ in range(2):
            await player.page.reload(wait_until="domcontentloaded")
            await player.wait_state("playing")
        async with player_page(browser, url) as other:
            await other.wait(lambda seen: seen["state"] == "waiting", "the second to be refused")
            assert any("403" in one for one in other.log.bad_answers)
        assert (await player.status())["state"] == "playing"


def test_players_without_a_browser_inherit_the_token_too(origin: OriginProcess) -> None:
    """ffmpeg stands for all that know relative URLs and nothing else, as AVPlayer does."""
    for name in ("index.m3u8", "manifest.mpd"):
        url = origin.url(f"/t/{token()}/vip/a/{name}")
        done = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", url, "-t", "1", "-c", "copy", "-f", "null", "-"],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert b"HTTP error" not in done.stderr


async def test_a_token_for_another_path_is_told_to_the_viewer(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url(f"/t/{token('other')}/vip/a/")) as player:
        await player.wait_state("waiting")
        assert "may not watch" in await player.page.locator("#message").inner_text()


async def test_the_publish_page_knows_its_path_behind_a_token(
    origin: OriginProcess, browser: Browser
) -> None:
    prefix = f"/t/{token()}"
    async with player_page(browser, origin.url(f"{prefix}/vip/b/publish")) as opened:
        page = opened.page
        await page.locator("#watch").wait_for(state="attached")
        assert await page.locator("#watch").text_content() == origin.url(f"{prefix}/vip/b/")
        assert "/t/" not in await page.title()
