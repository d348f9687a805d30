"""Players that nobody reloads, while publishers and origins die by SIGKILL.

Our page plays in one Chromium by hls.js with low latency, by hls.js without, and by dash.js. Each
publisher burns the time into its picture, so the first picture of a new one tells by itself when
it came. Alone, as `python -m bench.continuity`, a hundred publishers die and then twenty origins,
which takes some twenty-five minutes; ends with 1 where an aim is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, Page
from rich.console import Console

from bench.continuity_report import AIMS_S, Death, PlayerReport, Report, Sight, render
from bench.glass.browser import find_chromium, headless
from bench.glass.viewing import WEB
from bench.mortal import Mortal, MortalOrigin
from bench.numbers_watch import NumbersWatch
from bench.processes import BenchError
from bench.servers import headwater_command, scratch

PATH = "live/one"
SOURCE = "test:?width=640&height=360&bitrate_kbps=600"
"""Small: three players decode and paint it on the cores that the server runs on."""

PLAYERS = {
    "hls.js LL": "engine=hls",
    "hls.js plain": "engine=hls&latency=normal",
    "dash.js LL": "engine=dash",
}
SIZE = {"width": 480, "height": 270}
SHORTEST_AWAY_S, LONGEST_AWAY_S = 0.2, 20.0
STAY_S = (1.5, 4.0)
"""How long everybody has seen a publisher before it dies."""
FIRST_PICTURE_S = 40.0
PICTURE_S = 45.0
"""Later than this a player counts as lost, and would have been reloaded by its viewer."""
STEP_S = 0.05

_OBSERVE = 'window.glass = new Glass(document.querySelector("video")); window.sameDocument = true'
_FIRST_SINCE = """([killedMs, backMs]) => {
  const { ages, frames } = window.glass?.record() ?? { ages: [], frames: [] };
  const seen = ages.find(([now, age]) => now - age >= killedMs);
  if (!seen) return null;
  const shown = frames.map((at) => performance.timeOrigin + at);
  let stood = 0;
  for (let i = 1; i < shown.length; i++) {
    if (shown[i] <= backMs || shown[i] > seen[0]) continue;
    stood = Math.max(stood, shown[i] - Math.max(shown[i - 1], backMs));
  }
  return { at: seen[0], stood };
}"""
_STATUS = """() => ({
  same: window.sameDocument === true,
  stalls: window.headwater.statistics().stalls,
  starts: window.headwater.statistics().starts,
  errors: window.headwater.statistics().errors.slice(-3).map((one) => one.text),
})"""


@dataclass
class Room:
    """An origin, its publisher, three players, and who watches the playlists' numbers."""

    origin: MortalOrigin
    publisher: Mortal
    pages: dict[str, Page]
    watch: NumbersWatch
    random: random.Random
    longest_away_s: float = LONGEST_AWAY_S
    report: Report = field(default_factory=Report)

    async def lose_publisher(self) -> None:
        """Kill it, come back after a while, and wait until everybody has a new picture."""
        spread_s = self.longest_away_s - SHORTEST_AWAY_S
        away_s = SHORTEST_AWAY_S + spread_s * self.random.random() ** 2
        self.publisher.kill()
        killed = time.time()
        await asyncio.sleep(away_s)
        self.publisher.start()
        back = await self._wait_live(killed)
        await self._wait_pictures("publisher", away_s, killed, back)

    async def lose_origin(self) -> None:
        """Kill it with all of its processes and start it again at once.

        The publisher comes back when it listens: how long encoders wait between attempts is theirs.
        """
        self.watch.is_down = True
        self.origin.kill()
        self.publisher.kill()
        killed = time.time()
        self.origin.start()
        listens = await asyncio.to_thread(self.origin.wait_listening)
        self.publisher.start()
        self.watch.is_down = False
        await self._wait_pictures("origin", listens - killed, killed, listens)

    async def stay(self) -> None:
        """All is well for a while."""
        await asyncio.sleep(self.random.uniform(*STAY_S))

    async def _wait_live(self, killed: float) -> float:
        """When the origin had the new publisher's first sample, UTC."""
        deadline = time.monotonic() + PICTURE_S
        while time.monotonic() < deadline:
            since = await asyncio.to_thread(self.origin.live_since, PATH)
            if since is not None and since > killed:
                return since
            await asyncio.sleep(STEP_S)
        raise BenchError(f"the publisher is not live after {PICTURE_S:g} s")

    async def _wait_pictures(self, what: str, away_s: float, killed: float, back: float) -> None:
        seen = await asyncio.gather(
            *(self._wait_picture(page, killed, back) for page in self.pages.values())
        )
        death = Death(what, away_s, dict(zip(self.pages, seen, strict=True)))
        self.report.deaths.append(death)
        print(death.line(len(self.report.deaths)), file=sys.stderr, flush=True)
        for page, sight in zip(self.pages.values(), seen, strict=True):
            if sight is None or sight.stood_s > AIMS_S[what]:
                print(f"  {page.url}: {await page.evaluate(_STATUS)}", file=sys.stderr, flush=True)

    async def _wait_picture(self, page: Page, killed: float, back: float) -> Sight | None:
        """The first picture that was taken after the kill."""
        deadline = time.monotonic() + PICTURE_S
        while time.monotonic() < deadline:
            found = await page.evaluate(_FIRST_SINCE, [1000 * killed, 1000 * back])
            if found is not None:
                return Sight(found["at"] / 1000 - back, found["stood"] / 1000)
            await asyncio.sleep(STEP_S)
        status = await page.evaluate(_STATUS)
        self.report.notes.append(f"no picture within {PICTURE_S:g} s: {page.url} {status}")
        return None

    async def finish(self) -> Report:
        """What the players say of themselves, and what the playlists' numbers did."""
        for name, page in self.pages.items():
            status: dict[str, Any] = await page.evaluate(_STATUS)
            self.report.players.append(
                PlayerReport(name, status["same"], status["starts"], status["stalls"])
            )
        self.report.notes += self.watch.complaints
        self.report.playlists = self.watch.seen
        return self.report


@contextlib.asynccontextmanager
async def players(browser: Browser, origin: MortalOrigin) -> AsyncIterator[dict[str, Page]]:
    """Our page by each of PLAYERS, and playing."""
    async with contextlib.AsyncExitStack() as stack:
        pages = {}
        for name, query in PLAYERS.items():
            context = await browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
            stack.push_async_callback(context.close)
            page = await context.new_page()
            await page.add_init_script(path=WEB / "glass.js")
            await page.goto(origin.url(f"/{PATH}/?{query}"), wait_until="domcontentloaded")
            await page.evaluate(_OBSERVE)
            pages[name] = page
        for name, page in pages.items():
            await _wait_first_picture(name, page)
        yield pages


async def _wait_first_picture(name: str, page: Page) -> None:
    deadline = time.monotonic() + FIRST_PICTURE_S
    while await page.evaluate(_FIRST_SINCE, [0, 0]) is None:
        if time.monotonic() > deadline:
            raise BenchError(f"{name} shows nothing: {await page.evaluate(_STATUS)}")
        await asyncio.sleep(STEP_S)


async def run(
    kills: int, restarts: int, seed: int, longest_away_s: float = LONGEST_AWAY_S
) -> Report:
    """So many deaths of publishers, then of origins."""
    program = find_chromium()
    if program is None:
        raise BenchError("chromium is not installed: run deploy/setup.sh bench")
    with scratch("bench-continuity-") as directory, contextlib.ExitStack() as stack:
        origin = MortalOrigin(directory)
        stack.callback(origin.kill)
        origin.start()
        await asyncio.to_thread(origin.wait_listening)
        target = f"rtmp://127.0.0.1:{origin.rtmp_port}/{PATH}"
        publisher = Mortal([headwater_command(), "push", SOURCE, target])
        stack.callback(publisher.kill)
        publisher.start()
        await asyncio.to_thread(origin.wait_playable, PATH)
        watch = NumbersWatch(origin.url(f"/{PATH}"), ("source", "audio"))
        stack.enter_context(watch)
        async with headless(program) as browser, players(browser, origin) as pages:
            room = Room(origin, publisher, pages, watch, random.Random(seed), longest_away_s)
            await room.stay()
            for _ in range(kills):
                await room.lose_publisher()
                await room.stay()
            for _ in range(restarts):
                await room.lose_origin()
                await room.stay()
            return await room.finish()


def main(arguments: Sequence[str] | None = None) -> int:
    """Kills for long and prints what viewers saw."""
    parser = argparse.ArgumentParser(prog="bench.continuity", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="of publishers")
    parser.add_argument("--restarts", type=int, default=20, help="of the origin, by kill -9")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(arguments)
    try:
        report = asyncio.run(run(options.kills, options.restarts, options.seed))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 120).print(render(report))
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
