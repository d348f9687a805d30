"""Playlists before parsers that nobody here wrote: npm's hls-parser (strict) and m3u8-parser."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.segmenter.hls.test_low_latency_rules import returned, staged

JUDGES = Path(__file__).parents[2] / "judges"

COUNTS_SEGMENTS = (
    "Remove EXT-X-PART tags from the Playlist after they are greater than three target"
)
"""hls-parser counts three segments where RFC 8216bis 6.2.2 counts seconds, and the publisher's last
segment was short. That the seconds are kept to is checked for every playlist (H15)."""

pytestmark = pytest.mark.slow


def judge(playlists: dict[str, str]) -> list[list[str]]:
    """What they mind: names with complaints."""
    if not (JUDGES / "node_modules").exists():
        pytest.skip("the judges are not installed: make setup-test")
    done = subprocess.run(
        ["node", "judge.mjs"],
        cwd=JUDGES,
        input=json.dumps(playlists),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    complaints: list[list[str]] = json.loads(done.stdout)
    return [complaint for complaint in complaints if COUNTS_SEGMENTS not in complaint[1]]


def test_no_judge_minds_any_playlist_of_a_publisher_that_went_and_came_back() -> None:
    stage = returned(after=20)
    playlists = {"index": stage.multivariant}
    for name, versions in stage.history.items():
        for number, version in list(enumerate(versions))[::10]:
            playlists[f"{name} {number}"] = version.full.decode()
    stage.end()
    playlists["ended"] = stage.rendered["source"].full.decode()
    assert judge(playlists) == []


def test_the_judges_do_mind_what_is_wrong() -> None:
    text = staged(9).rendered["source"].full.decode()
    assert judge({"none": text.replace("#EXT-X-TARGETDURATION:2\n", "")})
    assert judge({"hold": text.replace(",PART-HOLD-BACK=0.648", "")})
