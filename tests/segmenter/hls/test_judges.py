"""Playlists before parsers that nobody here wrote: npm's hls-parser (strict) and m3u8-parser."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.segmenter.hls.test_low_latency_rules import returned, staged
from tests.segmenter.low_latency_stage import LowLatencyStage
from tests.segmenter.stage import SMALL, SOURCE, video

JUDGES = Path(__file__).parents[2] / "judges"

OLD_VERSION = "EXT-X-VERSION needs to be 8 or higher"
"""hls-parser minds it of EXT-X-GAP, as early drafts did; by RFC 8216bis 8 gaps need no version."""

LONE_HINT = re.compile(r"(\.m4s\n)#EXT-X-PRELOAD-HINT:.*\n")

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
    return [
        [name, complaint]
        for name, complaint in complaints
        if not (OLD_VERSION in complaint and "#EXT-X-GAP" in playlists[name])
    ]


def versions(stage: LowLatencyStage, name: str) -> list[str]:
    """Without hints that follow a segment: hls-parser takes such a one for a segment, and wants no
    parts but of the last three."""
    texts = [version.full.decode() for version in stage.history[name]]
    return [LONE_HINT.sub(r"\1", text) for text in texts]


def test_no_judge_minds_any_playlist_of_a_publisher_that_went_and_came_back() -> None:
    """All segments last two seconds here: RFC 8216bis 6.2.2 wants the parts of three target
    durations, which may be more than three short segments (H15)."""
    stage = returned(after=20, went=28)
    playlists = {"index": stage.multivariant}
    for name in stage.history:
        for number, text in list(enumerate(versions(stage, name)))[::10]:
            playlists[f"{name} {number}"] = text
    assert len(playlists) > 60
    stage.end()
    playlists["ended"] = stage.rendered["source"].full.decode()
    assert judge(playlists) == []


def test_no_judge_minds_gaps_and_parts_that_are_not_there() -> None:
    stage = LowLatencyStage(SOURCE, SMALL)
    stage.push(video(seconds=20), video(SMALL, seconds=7), video(SMALL, at=14, seconds=6))
    texts = versions(stage, "360p")
    assert any("GAP=YES" in text for text in texts)
    assert judge({f"360p {number}": text for number, text in enumerate(texts)}) == []


def test_the_judges_do_mind_what_is_wrong() -> None:
    text = staged(9).rendered["source"].full.decode()
    assert judge({"none": text.replace("#EXT-X-TARGETDURATION:2\n", "")})
    assert judge({"hold": text.replace(",PART-HOLD-BACK=0.648", "")})
