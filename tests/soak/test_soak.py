"""Some of the soak in every run, and tests of its own judges."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import aiohttp
import pytest

from bench.processes import running
from tests.soak.findings import Findings
from tests.soak.followers import HlsFollower, read_template
from tests.soak.memory import Memory, Trend
from tests.soak.rejoins import rejoin
from tests.soak.report import Plan, render
from tests.soak.soak import soak

SECONDS = float(os.environ.get("SOAK_SECONDS", "180"))


@pytest.mark.slow
@pytest.mark.flaky(reruns=1)  # a busy machine may be late once; a fault of ours shows twice
@pytest.mark.timeout(SECONDS + 90)
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is the publisher")
async def test_publishers_that_are_killed_leave_no_trace(tmp_path: Path) -> None:
    report = await soak(Plan.of(SECONDS, 0.0), tmp_path)
    assert report.is_good, "\n".join([*report.found.sentences, report.log[-5000:]])
    assert report.pushes >= 2
    assert all(follower.discontinuities for follower in report.followers)
    assert render(report)


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg makes the clip")
def test_webrtc_viewers_who_die_and_rejoin_leave_nothing(tmp_path: Path) -> None:
    done = rejoin(5, 10, tmp_path)
    assert [fault for fault in done.faults if "grew" not in fault] == []
    assert done.trends


PLAYLIST = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:{first}
#EXT-X-DISCONTINUITY-SEQUENCE:{breaks}
#EXT-X-MAP:URI="init.mp4"
#EXTINF:2.0,
a.m4s
{tag}#EXTINF:2.0,
b.m4s
"""


async def follow(*playlists: str) -> list[str]:
    """Sentences about a row of playlists as one client saw them."""
    found = Findings()
    async with aiohttp.ClientSession() as http:
        follower = HlsFollower(http, "", "x", found)
        for playlist in playlists:
            follower.read(playlist)
    return found.sentences


async def test_a_window_that_moves_on_is_fine() -> None:
    before = PLAYLIST.format(first=7, breaks=3, tag="#EXT-X-DISCONTINUITY\n")
    assert await follow(before, PLAYLIST.format(first=8, breaks=4, tag="")) == []


@pytest.mark.parametrize(
    ("after", "complaint"),
    [
        (PLAYLIST.format(first=6, breaks=3, tag=""), "went back"),
        (PLAYLIST.format(first=8, breaks=9, tag=""), "has discontinuity 9"),
        (PLAYLIST.format(first=7, breaks=3, tag="").replace("ION:2", "ION:3"), "TARGETDURATION"),
        (PLAYLIST.format(first=7, breaks=3, tag="").replace("INF:2.0", "INF:4.0"), "lasts 4.0"),
        (PLAYLIST.format(first=7, breaks=3, tag="") + "#EXT-X-ENDLIST\n", "ENDLIST"),
    ],
)
async def test_a_playlist_that_breaks_a_rule_is_noticed(after: str, complaint: str) -> None:
    sentences = await follow(PLAYLIST.format(first=7, breaks=3, tag=""), after)
    assert any(complaint in sentence for sentence in sentences)


def test_a_template_lists_repeated_and_single_entries() -> None:
    representation = ElementTree.fromstring(
        '<Representation xmlns="urn:mpeg:dash:schema:mpd:2011">'
        '<SegmentTemplate media="x/$Number$.m4s" initialization="x/i.mp4" startNumber="5">'
        "<SegmentTimeline>"
        '<S t="100" d="10" r="1"/><S d="7"/></SegmentTimeline></SegmentTemplate></Representation>'
    )
    listed = read_template(representation, 3)
    assert {(s.init, s.stretch) for s in listed} == {("x/i.mp4", 3)}
    assert [(s.number, s.start, s.url) for s in listed] == [
        (5, 100, "x/5.m4s"),
        (6, 110, "x/6.m4s"),
        (7, 120, "x/7.m4s"),
    ]


def test_growth_beyond_the_bound_is_not_flat() -> None:
    assert Trend("x", 1, 100e6, 8.0e6).is_flat
    assert not Trend("x", 1, 100e6, 8.2e6).is_flat


def test_memory_reads_a_process_tree() -> None:
    # Without input it would end at once, often before its fourth sample.
    with running([sys.executable, "-c", "import time; time.sleep(60)", "serve"]) as tree:
        memory = Memory(tree)
        for at in range(4):
            memory.sample(at)
    assert list(memory.processes) == ["origin"]
    assert [trend.name for trend in memory.trends(1)] == ["origin"]
