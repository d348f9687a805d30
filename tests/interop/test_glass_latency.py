"""The true latency of players in Chromium, read from the time code in their picture."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser

from bench.glass.viewing import WEB, bare_player, own_page, player_site, watch
from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.flaky(reruns=2),
    pytest.mark.skipif(not (WEB / "node_modules").is_dir(), reason="no players: make setup-test"),
]

CONFIG = """
[paths."demo"]
source = "test:?width=640&height=360&bitrate_kbps=800"
ladder = "copy"
"""
WATCH_S = 6.0
SEGMENT_S = 2.0
LOW_S = 2.0
"""0.7 s where nothing else runs; any player of whole segments is three times as late as this."""
READOUT_S = 0.25
"""A readout is refreshed twice a second and rounded to a tenth."""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    """One origin for all tests here; they only read."""
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_segments("demo", "source", 5)
        yield running


@pytest.mark.parametrize(
    ("engine", "latency"),
    [
        ("hls", "low"),
        pytest.param("dash", "low", marks=pytest.mark.long),
        pytest.param("hls", "normal", marks=pytest.mark.long),
        pytest.param("dash", "normal", marks=pytest.mark.long),
    ],
)
async def test_the_page_shows_the_true_latency_and_plays_without_a_stall(
    origin: OriginProcess, browser: Browser, engine: str, latency: str
) -> None:
    page = own_page(origin.url("").rstrip("/"), "demo", f"engine={engine}&latency={latency}")
    report = await watch(browser, page, WATCH_S)
    assert report.unreadable == 0, report
    assert report.samples > WATCH_S / 2, report
    assert report.stalls == 0, report
    assert 0 < report.p95_s < 6 * SEGMENT_S, report
    assert report.own_error_s is not None, report
    assert abs(report.own_error_s) < READOUT_S, report
    assert latency == "normal" or report.p50_s < LOW_S, report


@pytest.mark.parametrize(
    ("player", "file"),
    [
        ("shaka", "index.m3u8"),
        pytest.param("shaka", "manifest.mpd", marks=pytest.mark.long),
        pytest.param("video.js", "index.m3u8", marks=pytest.mark.long),
    ],
)
async def test_players_that_nobody_here_wrote_play_from_another_site(
    origin: OriginProcess, browser: Browser, player: str, file: str
) -> None:
    with player_site() as site:
        viewing = bare_player(site, player, origin.url(f"/demo/{file}"))
        report = await asyncio.wait_for(watch(browser, viewing, WATCH_S), 60)
    assert report.stalls == 0, report
    assert 0 < report.p95_s < 6 * SEGMENT_S, report


@pytest.mark.parametrize("file", ["index.m3u8", "low-latency.mpd"])
def test_the_command_line_prints_how_late_parts_and_chunks_are(
    origin: OriginProcess, file: str
) -> None:
    code = "from streaming.__main__ import main; main()"
    command = [sys.executable, "-c", code, "inspect", "--latency", "--watch", "4", "--json"]
    done = subprocess.run([*command, origin.url(f"/demo/{file}")], capture_output=True, check=True)
    stages = json.loads(done.stdout)["stages"]
    assert stages["captured"]["count"] >= 1, stages
    assert 0 < stages["captured"]["p50_s"] < SEGMENT_S / 2, stages
    assert stages["received"]["count"] > 4, stages
    assert stages["received"]["p50_s"] < SEGMENT_S / 2, stages
