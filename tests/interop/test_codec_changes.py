"""A publisher is back with another codec: who watched goes on, and who comes may join."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.interop.browser import player_page
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.test_sources import CLIPS, headwater_push, running

# A machine that does other things, too, may be late; a fault of ours shows every time.
pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

PATH = "live/a"
WINDOW_S = 120
CONFIG = f"""
[paths."live/*"]
window_s = {WINDOW_S}
ladder = "copy"
"""
PLAIN = CLIPS / "two-second-gop.mp4"
OTHER_LEVEL = "test:?width=320&height=180&fps=60&bitrate_kbps=300"
HEVC = CLIPS / "hevc.mp4"
SOON_S = 25.0
"""Three segments of what the browser has, the page's next look, and a start on a busy machine."""


@contextlib.asynccontextmanager
async def on_air(origin: OriginProcess, source: str | Path) -> AsyncIterator[None]:
    """One publisher, gone again at the end."""
    with running(*headwater_push(source, origin.rtmp_url(PATH), "--loop")):
        yield
    await asyncio.to_thread(origin.wait_path, PATH, "away")


def codecs(origin: OriginProcess) -> list[str]:
    variants = origin.get(f"/{PATH}/index.m3u8").decode()
    (said,) = re.findall(r'CODECS="([^"]*)"', variants)
    return str(said).split(",")


def entries(origin: OriginProcess) -> list[str]:
    """The sample entry of each format that is listed."""
    return sorted(each.partition(".")[0] for each in codecs(origin))


def wait_entries(origin: OriginProcess, wanted: list[str]) -> None:
    origin.wait(lambda: entries(origin) == wanted or None, f"{wanted} to be listed", 20.0)


def wait_break(origin: OriginProcess) -> None:
    origin.wait(
        lambda: b"EXT-X-DISCONTINUITY\n" in origin.get(f"/{PATH}/source/index.m3u8") or None,
        "a discontinuity",
        20.0,
    )


@pytest.mark.parametrize(
    ("back", "listed", "left"),
    [
        pytest.param(
            OTHER_LEVEL, ["avc1", "avc1", "mp4a"], ["avc1", "avc1", "mp4a"], id="another level"
        ),
        pytest.param(
            CLIPS / "av1.mp4", ["av01", "avc1", "mp4a"], ["av01", "mp4a"],
            id="AV1", marks=pytest.mark.long,
        ),
        pytest.param(
            CLIPS / "opus.mp4", ["avc1", "mp4a"], ["avc1", "mp4a"],
            id="Opus", marks=pytest.mark.long,
        ),
    ],
)  # fmt: skip
async def test_h28_who_watched_goes_on_and_who_comes_plays_while_two_formats_are_listed(
    tmp_path: Path, browser: Browser, back: str | Path, listed: list[str], left: list[str]
) -> None:
    address = f"/{PATH}/?engine=hls"
    with origin_process(tmp_path, CONFIG) as origin:
        async with contextlib.AsyncExitStack() as viewers:
            async with on_air(origin, PLAIN):
                await asyncio.to_thread(origin.wait_segments, PATH, "source", 2)
                opening = player_page(browser, origin.url(address))
                watched = await viewers.enter_async_context(opening)
                await watched.wait_state("playing")
                await watched.wait_pictures(10)
            async with on_air(origin, back):
                await asyncio.to_thread(wait_break, origin)
                assert entries(origin) == listed
                fresh = await viewers.enter_async_context(player_page(browser, origin.url(address)))
                await fresh.wait_state("playing")
                await fresh.wait_pictures(30)
                await asyncio.to_thread(wait_entries, origin, left)
                for viewer in (watched, fresh):
                    await viewer.wait_state("playing")
                    await viewer.wait_pictures(30)
            for viewer in (watched, fresh):
                assert (await viewer.status())["starts"] == 1, viewer.log
                assert not viewer.log.exceptions, viewer.log


async def test_h28_who_lacks_the_former_codec_joins_long_before_the_window_has_passed(
    tmp_path: Path, browser: Browser
) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        async with contextlib.AsyncExitStack() as viewers:
            async with on_air(origin, HEVC):
                await asyncio.to_thread(origin.wait_segments, PATH, "source", 2)
                address = origin.url(f"/{PATH}/?engine=hls")
                viewer = await viewers.enter_async_context(player_page(browser, address))
                told = await viewer.wait_state("failed")
                assert "cannot play" in told["message"]
            async with on_air(origin, PLAIN):
                await viewer.wait_state("playing", within_s=SOON_S)
                await viewer.wait_pictures(30)
                assert entries(origin) == ["avc1", "mp4a"]
