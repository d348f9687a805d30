"""What the player page tells a viewer when there is no picture: words for people, not codes."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route

from tests.interop.browser import PlayerPage, player_page
from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

SOURCE = "test:?width=320&height=180&bitrate_kbps=400"
CONFIG = f"""
[paths."demo"]
source = "{SOURCE}"
ladder = "copy"
[paths."live/*"]
ladder = "copy"
linger_s = 8
"""
CODES = ("HTTP", "40", "50", "undefined", "null", "Error", "NaN")
"""No part of what viewers are told."""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_segments("demo", "source", 2)
        yield running


async def reads(player: PlayerPage, words: str) -> None:
    """Waits until the viewer reads `words`, and nothing that a program would say."""
    message = player.page.locator("#message")
    await message.get_by_text(words).wait_for(timeout=30_000)
    said = await message.inner_text()
    assert not [code for code in CODES if code in said], said


ANSWERS = (
    (410, "The stream is not running at the moment"),
    (503, "The stream is about to start"),
    (404, "The stream has not started yet"),
    (401, "You may not watch this stream"),
    (500, "The stream is about to start"),
    (403, "You may not watch this stream"),
    (0, "The server cannot be reached"),
)
"""Statuses, 0 where nobody answers: none has the words of its neighbours."""


def answering(status: int) -> Callable[[Route], Awaitable[None]]:
    """Answers whatever is asked with a status alone, or not at all."""

    async def answer(route: Route) -> None:
        await (route.fulfill(status=status) if status else route.abort())

    return answer


async def test_before_there_is_a_picture_the_answer_of_the_server_is_put_in_words(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/live/nobody/")) as player:
        await reads(player, "The stream has not started yet")
        for status, words in ANSWERS:
            await player.page.route("**/index.m3u8", answering(status))
            await reads(player, words)
            assert (await player.status())["state"] == "waiting"
        await player.page.unroute_all()
        await reads(player, "The stream has not started yet")


async def test_a_browser_that_cannot_play_is_told_what_can(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/live/nobody/")) as player:
        await player.page.add_init_script(
            "delete window.MediaSource; delete window.ManagedMediaSource;"
            "HTMLMediaElement.prototype.canPlayType = () => '';"
        )
        await player.page.goto(origin.url("/demo/"))
        await reads(player, "Your browser cannot play this stream.")
        await reads(player, "Please try a current Chrome, Firefox, Edge or Safari.")


async def test_media_that_cannot_be_decoded_are_told_and_tried_again(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/live/nobody/")) as player:
        page = player.page
        await page.route("**/*.m4s*", lambda route: route.fulfill(body=b"\0" * 1000))
        await page.route("**/*.mp4", lambda route: route.fulfill(body=b"\0" * 1000))
        await page.goto(origin.url("/demo/"))
        await reads(player, "Something is wrong with the picture")
        await page.unroute_all()
        await player.wait_state("playing")
        assert not await page.locator("#message").is_visible()


async def test_a_picture_that_stands_while_the_stream_goes_on_is_explained(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/demo/")) as player:
        await player.wait_state("playing")
        await player.page.route("**/*.m4s*", lambda route: asyncio.sleep(0))  # they never come
        await reads(player, "Waiting for more of the picture")
        await player.page.unroute_all()
        await player.wait_state("playing", within_s=40)


async def test_a_server_that_goes_while_it_is_watched_is_told(
    origin: OriginProcess, browser: Browser
) -> None:
    async with player_page(browser, origin.url("/demo/")) as player:
        await player.wait_state("playing")
        await player.page.context.set_offline(True)
        await reads(player, "The server cannot be reached")
        await reads(player, "Please check your connection")
        await player.page.context.set_offline(False)
        await player.wait_state("playing", within_s=40)


@contextlib.contextmanager
def publisher(origin: OriginProcess, path: str) -> Iterator[None]:
    command = [sys.executable, "-c", "from streaming.__main__ import main; main()", "push", SOURCE]
    process = subprocess.Popen(
        [*command, origin.rtmp_url(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def test_a_publisher_that_is_lost_is_waited_for_then_the_end_is_told_and_a_new_one_played(
    origin: OriginProcess, browser: Browser, tmp_path: Path
) -> None:
    with publisher(origin, "live/a"):
        await asyncio.to_thread(origin.wait_segments, "live/a", "source", 2)
        opening = player_page(browser, origin.url("/live/a/"))
        player = await opening.__aenter__()
        await player.wait_state("playing")
    try:
        await reads(player, "The broadcaster's connection was lost")
        await reads(player, "The stream has ended.")
        with publisher(origin, "live/a"):
            await player.wait_state("playing", within_s=40)
        assert not player.log.exceptions, player.log
    finally:
        await opening.__aexit__(None, None, None)
