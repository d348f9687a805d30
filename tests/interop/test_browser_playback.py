"""Chromium plays what the origin serves: HLS by hls.js and DASH by dash.js, side by side."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from tests.interop.browser import PlayerPage, WatchReport, player_page
from tests.interop.origin_process import origin_process

# A machine that does other things, too, may stall a player; a fault of ours does it every time.
pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CONFIG = """
[paths."demo"]
source = "test:?width=640&height=360&bitrate_kbps=800"

[[paths."demo".ladder]]
name = "source"
copy = true

[[paths."demo".ladder]]
name = "180p"
height = 180
preset = "ultrafast"
"""

STEADY_S = 5.0
SWITCH_S = 15.0
"""A switch shows when the buffer before it has been played: about the target latency."""
PLAY_S = 30.0
ENGINES = ("hls", "dash")
RENDITIONS = {"180p": "180p", "360p": "source"}

_SEGMENT = re.compile(r"/demo/(audio|source|180p)/(\d+)(?:\.\d+)?\.m4s$")


class Requests:
    """The media sequence numbers that a page fetched, by what they are for."""

    def __init__(self, page: Page) -> None:
        self.numbers: dict[str, set[int]] = {"audio": set(), "video": set()}
        self.renditions: set[str] = set()
        page.on("requestfinished", lambda request: self._saw(request.url))

    def _saw(self, url: str) -> None:
        match = _SEGMENT.search(url)
        if match:
            self.renditions.add(match[1])
            self.numbers["audio" if match[1] == "audio" else "video"].add(int(match[2]))

    def missing(self, kind: str) -> list[int]:
        """Numbers between the first and the last that were never fetched."""
        numbers = self.numbers[kind]
        return sorted(set(range(min(numbers), max(numbers) + 1)) - numbers)


async def play_down_and_up(player: PlayerPage, fetched: Requests) -> None:
    """Some steady seconds, then a forced switch down the ladder and up again."""
    await asyncio.sleep(STEADY_S)
    for label in ("180p", "360p"):
        await player.choose_quality(label)
        await player.wait(
            lambda seen, label=label: seen["level"] and seen["level"]["label"] == label,
            f"{label} on screen",
            SWITCH_S,
        )
        rendition = RENDITIONS[label]
        await player.wait(
            lambda _, rendition=rendition: rendition in fetched.renditions,
            f"a segment of {rendition}",
            SWITCH_S,
        )


async def watch_one(player: PlayerPage, fetched: Requests) -> WatchReport:
    """The report of at least PLAY_S of playing with switches in between."""
    watching = asyncio.create_task(player.watch(PLAY_S))
    try:
        await play_down_and_up(player, fetched)
        return await watching
    finally:
        watching.cancel()


async def test_hls_and_dash_play_half_a_minute_through_switches_without_a_stall(
    tmp_path: Path, browser: Browser
) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        await asyncio.to_thread(origin.wait_segments, "demo", "180p", 4)
        async with (
            player_page(browser, origin.url("/demo/?engine=hls&latency=normal")) as hls,
            player_page(browser, origin.url("/demo/?engine=dash&latency=normal")) as dash,
        ):
            players = (hls, dash)
            requests = [Requests(player.page) for player in players]
            for player in players:
                await player.wait_state("playing")
            reports = await asyncio.gather(*map(watch_one, players, requests))
            ends = [await player.status() for player in players]
    for name, player, report, end, fetched in zip(
        ENGINES, players, reports, ends, requests, strict=True
    ):
        said = f"{name}: {report} {end} {player.log}"
        assert end["engine"] == name, said
        assert (report.stalls, end["starts"]) == (0, 1), said
        assert abs(report.played_s - report.wall_s) < 2.0, said
        assert "180p" in report.levels, said
        assert end["level"]["label"] == "360p", said
        assert fetched.missing("video") == [], said
        assert fetched.missing("audio") == [], said
        assert fetched.renditions == {"audio", "source", "180p"}, said
        assert max(report.latency_s) < 12.0, said
        assert not player.log.exceptions, said
        assert not player.log.bad_answers, said
        assert not player.log.console, said
        assert player.log.hosts == {f"127.0.0.1:{origin.http_port}"}, said
