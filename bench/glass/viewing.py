"""Players in Chromium, watched through the time code in their picture."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.server
import math
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Page

from bench.glass.report import GlassReport, judge

WEB: Final = Path(__file__).parent / "web"
STATIC: Final = Path(__file__).parents[2] / "static"
SIZE: Final = (640, 360)
"""Of the window: painting more pixels costs the player's own time on a machine without a GPU."""
FIRST_PICTURE_S: Final = 30.0
STEP_S: Final = 0.5

BARE_PLAYERS: Final = ("hls.js", "hls.js-ll", "dash.js", "shaka", "video.js")
"""Keys of PLAYERS in web/players.js."""

_OBSERVE: Final = 'window.glass = new Glass(document.querySelector("video"))'
_LISTEN: Final = 'window.ears = new Ears(document.querySelector("video"))'
_OWN_PAGE: Final = "() => window.headwater ? window.headwater.statistics().latency : null"
_BARE: Final = "() => window.player.latency()"


class ViewingError(Exception):
    """A player never showed a picture; the text says what it said."""


@dataclass(frozen=True, slots=True)
class Viewing:
    """One page to be watched."""

    name: str
    url: str
    own_latency: str
    """JavaScript that gives the player's own estimate in seconds, or null."""


def own_page(origin: str, path: str, query: str) -> Viewing:
    """Our player page at ``http://host:port``, with its query such as ``engine=hls``."""
    return Viewing(f"page {query}", f"{origin}/{path}/?{query}", _OWN_PAGE)


def bare_player(site: str, player: str, stream: str) -> Viewing:
    """One of BARE_PLAYERS from `player_site` with a playlist or an MPD."""
    query = urllib.parse.urlencode({"player": player, "url": stream})
    kind = "DASH" if stream.endswith(".mpd") else "HLS"
    return Viewing(f"{player} {kind}", f"{site}/index.html?{query}", _BARE)


async def watch(
    browser: Browser, viewing: Viewing, seconds: float, script: str = ""
) -> GlassReport:
    """`seconds` of it from the first picture on. Raises ViewingError when none comes.

    ``script`` is JavaScript that runs before the page's own.
    """
    context = await browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]})
    try:
        page = await context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        await page.add_init_script(path=WEB / "glass.js")
        await page.add_init_script(path=WEB / "ears.js")
        if script:
            await page.add_init_script(script)
        await page.goto(viewing.url, wait_until="domcontentloaded")
        await page.evaluate(_OBSERVE)
        await _wait_picture(page, viewing, said)
        await page.evaluate(_LISTEN)
        estimates = await _estimates(page, viewing, seconds)
        record = await page.evaluate("glass.record()")
        heard = await page.evaluate("ears.record()")
    finally:
        await context.close()
    try:
        return judge(viewing.name, record, estimates, heard)
    except ValueError as error:
        raise ViewingError(f"{error}: {said[-5:]}") from error


async def _wait_picture(page: Page, viewing: Viewing, said: list[str]) -> None:
    deadline = time.monotonic() + FIRST_PICTURE_S
    while not await page.evaluate("glass.record().firstFrameMs"):
        failure = await page.evaluate("window.failed")
        if failure or time.monotonic() > deadline:
            raise ViewingError(f"{viewing.name}: no picture: {failure or said[-5:]}")
        await asyncio.sleep(STEP_S)


async def _estimates(page: Page, viewing: Viewing, seconds: float) -> list[list[float]]:
    """What the player itself thinks, now and then while it is watched."""
    script = f"() => [Date.now(), ({viewing.own_latency})()]"
    estimates: list[list[float]] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(STEP_S)
        estimate: list[Any] = await page.evaluate(script)
        if estimate[1] and math.isfinite(estimate[1]):
            estimates.append(estimate)
    return estimates


@contextlib.contextmanager
def player_site() -> Iterator[str]:
    """Serves the bare players' page on a port of loopback; its address.

    Another origin than the stream's, as most sites are: CORS is used as it is there.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Files(http.server.SimpleHTTPRequestHandler):
    """The bare players' files, and below /static/ those of our own page."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, directory=str(WEB), **options)

    def translate_path(self, path: str) -> str:
        below = path.partition("?")[0].removeprefix("/static/")
        if path.startswith("/static/"):
            translate = functools.partial(super().translate_path, f"/{below}")
            self.directory = str(STATIC)
            try:
                return translate()
            finally:
                self.directory = str(WEB)
        return super().translate_path(path)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: what is missing shows as a player that fails."""
