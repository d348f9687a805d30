"""(f) From capture to the screen: players in Chromium, by the time code in their picture.

`headwater push` sends the test source, tuned for zero latency, over RTMP, or our publish page sends
a canvas over WHIP; one player after another watches for some seconds. Alone, as
`python -m bench.latency`, it prints everything about each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from playwright.async_api import Browser
from rich.console import Console
from rich.table import Table

from bench.figures import Aim, Figure
from bench.glass.browser import find_chromium, headless
from bench.glass.report import GlassReport
from bench.glass.viewing import (
    STATIC,
    WEB,
    Viewing,
    ViewingError,
    bare_player,
    own_page,
    player_site,
    watch,
)
from bench.processes import BenchError, ended_by_signals, running, wait_until
from bench.servers import Server, headwater, headwater_command

SOURCE = "test:?width=640&height=360&bitrate_kbps=1000"
"""Small: the browser decodes and paints on the cores that the server runs on."""
COPIED, ENCODED, CAMERA = "live/one", "encoded/one", "live/camera"
"""The first two are pushed by RTMP, the last is published by WHIP."""
RUNGS = {COPIED: "copied", ENCODED: "encoded", CAMERA: "from WHIP"}
ENCODED_CONFIG = """
[paths."encoded/*"]
[[paths."encoded/*".ladder]]
name = "360p"
height = 360
"""
FILES = {
    ("hls", "low"): "index.m3u8",
    ("hls", "normal"): "index.m3u8",
    ("dash", "low"): "low-latency.mpd",
    ("dash", "normal"): "manifest.mpd",
}
PLAYABLE_S = 30.0
WARM_UP_S = 6.0
"""Three segments: players begin that far from the end, where there is so much."""
DEFAULT_S = 20
LONG_S = 300


@dataclass(frozen=True, slots=True)
class Case:
    """One player on one path; `recorded` is what a peer's player showed on such a machine."""

    player: str
    """A key of BARE_PLAYERS, or "page"."""
    stream: str
    """ "hls", "dash" or "webrtc"."""
    path: str = COPIED
    latency: str = "low"
    """ "low" or "normal": our page's choice, and which MPD others are given."""
    aim_s: float | None = None
    recorded: tuple[str, float] | None = None

    @property
    def name(self) -> str:
        """For tables."""
        chosen = f" {self.latency}" if self.player == "page" or self.stream == "dash" else ""
        return f"{self.player} {self.stream.upper()}{chosen}, {RUNGS[self.path]}"

    def viewing(self, origin: str, site: str) -> Viewing:
        """What is watched."""
        if self.player == "page":
            return own_page(origin, self.path, f"engine={self.stream}&latency={self.latency}")
        file = FILES[self.stream, self.latency]
        return bare_player(site, self.player, f"{origin}/{self.path}/{file}")


HEADINGS = ("p50", "p95", "join", "stalls", "freezes", "seeks", "dropped", "own error")

MEDIAMTX, NGINX = "MediaMTX LL, 0.2 s", "nginx-rtmp, 2 s"
CASES = (
    Case("page", "webrtc", aim_s=0.06, recorded=("MediaMTX WHEP", 0.098)),
    Case("page", "hls", aim_s=0.9, recorded=(MEDIAMTX, 1.02)),
    Case("page", "dash", aim_s=1.0, recorded=("chunked relay", 1.7)),
    Case("page", "hls", latency="normal", recorded=(NGINX, 7.95)),
    Case("page", "dash", latency="normal", recorded=(NGINX, 7.84)),
    Case("hls.js-ll", "hls", recorded=(MEDIAMTX, 1.02)),
    Case("hls.js", "hls", recorded=(NGINX, 7.95)),
    Case("dash.js", "dash", recorded=("chunked relay", 1.7)),
    Case("shaka", "hls", recorded=(MEDIAMTX, 0.62)),
    Case("shaka", "dash"),
    Case("video.js", "hls", recorded=(MEDIAMTX, 3.4)),
    Case("page", "webrtc", CAMERA, aim_s=0.06),
    Case("page", "hls", CAMERA),
    Case("page", "webrtc", ENCODED),
    Case("page", "hls", ENCODED, aim_s=1.1),
    Case("page", "dash", ENCODED),
)


def measure(runs: int, seconds: int) -> list[Figure]:
    """Each player once for `seconds`: hundreds of pictures, so that `runs` would add nothing."""
    figures = []
    for case, report in watch_all(CASES, seconds):
        aim = Aim(case.aim_s, of="ours") if case.aim_s else None
        peer = f"{case.recorded[0]}, recorded" if case.recorded else ""
        theirs = (case.recorded[1],) if case.recorded else ()
        name = f"{case.name}: latency p50"
        figures.append(Figure("f", name, "s", (report.p50_s,), peer, theirs, aim))
        figures.append(Figure("f", f"{case.name}: stalls", "s", (report.stall_s,)))
        if report.sound_p50_s is not None:
            name = f"{case.name}: sound after picture p50"
            figures.append(Figure("f", name, "s", (report.sound_p50_s,)))
    return figures


def watch_all(cases: Sequence[Case], seconds: float) -> list[tuple[Case, GlassReport]]:
    """What each player showed, one after another on one origin."""
    program = find_chromium()
    if program is None:
        raise BenchError("chromium is not installed: run deploy/setup.sh bench")
    if not (WEB / "node_modules").is_dir() or not (STATIC / "vendor").is_dir():
        raise BenchError("the players are not installed: run make bench-latency")
    with headwater(settings=ENCODED_CONFIG) as server, player_site() as site:
        reports = []
        for path in dict.fromkeys(case.path for case in cases):
            chosen = [case for case in cases if case.path == path]
            if path == CAMERA:
                reports += asyncio.run(_watch_each(chosen, server, site, program, seconds, path))
            else:
                with pushing(server, path):
                    reports += asyncio.run(_watch_each(chosen, server, site, program, seconds))
    return reports


async def _watch_each(
    cases: Sequence[Case],
    server: Server,
    site: str,
    program: str,
    seconds: float,
    published: str = "",
) -> list[tuple[Case, GlassReport]]:
    origin = f"http://127.0.0.1:{server.http_port}"
    reports = []
    async with headless(program) as browser, contextlib.AsyncExitStack() as stack:
        if published:
            await stack.enter_async_context(publishing(browser, server, origin, published))
        for case in cases:
            try:
                report = await watch(browser, case.viewing(origin, site), seconds)
            except ViewingError as error:
                raise BenchError(str(error)) from error
            reports.append((case, report))
    return reports


@contextlib.contextmanager
def pushing(server: Server, path: str) -> Iterator[None]:
    """The test source on `path`, with a whole window for players to begin in."""
    target = f"rtmp://127.0.0.1:{server.rtmp_port}/{path}"
    with running([headwater_command(), "push", SOURCE, target]) as push:
        for _ in wait_until(PLAYABLE_S, f"{path} playable", 0.1):
            push.check()
            if server.get(f"/{path}/index.m3u8"):
                break
        time.sleep(WARM_UP_S)
        yield


@contextlib.asynccontextmanager
async def publishing(
    browser: Browser, server: Server, origin: str, path: str
) -> AsyncIterator[None]:
    """A page beside the player that publishes a canvas, with a whole window to begin in."""
    context = await browser.new_context()
    try:
        page = await context.new_page()
        await page.add_init_script(path=WEB / "camera.js")
        await page.goto(f"{origin}/{path}/publish")
        await page.click("#camera")
        await page.click("#go:enabled")
        deadline = time.monotonic() + PLAYABLE_S
        while not await asyncio.to_thread(server.get, f"/{path}/index.m3u8"):
            if time.monotonic() > deadline:
                said = await page.evaluate("headwater.statistics()")
                raise BenchError(f"{path} is not playable: {said}")
            await asyncio.sleep(0.1)
        await asyncio.sleep(WARM_UP_S)
        yield
    finally:
        await context.close()


def render_reports(reports: Sequence[tuple[Case, GlassReport]]) -> Table:
    """Everything about each player."""
    table = Table(title="From capture to the screen, seconds")
    table.add_column("player")
    for heading in (
        "p50",
        "p95",
        "join",
        "stalls",
        "freezes",
        "seeks",
        "dropped",
        "own error",
        "sound",
    ):
        table.add_column(heading, justify="right")
    table.add_column("recorded of a peer")
    for case, report in reports:
        peer = f"{case.recorded[1]:.2f} {case.recorded[0]}" if case.recorded else ""
        own = "" if report.own_error_s is None else f"{report.own_error_s:+.2f}"
        sound = _sound_after_picture(report)
        table.add_row(
            case.name,
            f"{report.p50_s:.3f}",
            f"{report.p95_s:.3f}",
            f"{report.join_s:.2f}",
            f"{report.stalls} ({report.stall_s:.1f} s)",
            f"{report.freezes} ({report.freeze_s:.1f} s)",
            str(report.seeks),
            f"{report.dropped}/{report.frames}",
            own,
            sound,
            peer,
        )
    return table


def _sound_after_picture(report: GlassReport) -> str:
    """p5, p50 and p95 in milliseconds, of WebRTC."""
    lags = (report.sound_p5_s, report.sound_p50_s, report.sound_p95_s)
    return " ".join(f"{1000 * lag:+.0f}" for lag in lags if lag is not None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Watches for long and prints it all."""
    parser = argparse.ArgumentParser(prog="bench.latency", description=__doc__)
    parser.add_argument("--seconds", type=int, default=LONG_S, help="each player is watched")
    parser.add_argument("--only", default="", help='cases whose name begins so, such as "page hls"')
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(arguments)
    wanted = [case for case in CASES if case.name.lower().startswith(options.only.lower())]
    try:
        with ended_by_signals():
            reports = watch_all(wanted, options.seconds)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([{"case": case.name, **r.as_json()} for case, r in reports], indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(render_reports(reports))
    return 0


if __name__ == "__main__":
    sys.exit(main())
