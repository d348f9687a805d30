"""Playlists before parsers that nobody here wrote: npm's hls-parser (strict) and m3u8-parser."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.segmenter.hls.low_latency_stories import returned, staged
from tests.segmenter.low_latency_stage import LowLatencyStage
from tests.segmenter.stage import SMALL, SOURCE, video
from tests.segmenter.test_timed_messages import Talk, message

JUDGES = Path(__file__).parents[2] / "judges"

OLD_VERSION = "EXT-X-VERSION needs to be 8 or higher"
"""hls-parser minds it of EXT-X-GAP, as early drafts did; by RFC 8216bis 8 gaps need no version."""

OLD_PARTS = "Remove EXT-X-PART tags from the Playlist after they are greater than three target"
"""hls-parser counts three segments, also short ones, where RFC 8216bis 6.2.2 counts seconds."""

NO_PART = "lacks required attribute(s): LAST-PART"
"""m3u8-parser wants it of every report beside parts, RFC 8216bis 4.4.5.4 of those on playlists with
parts; `check_reports` looks whether they have it."""

LONE_HINT = re.compile(r"(\.m4s\n)#EXT-X-PRELOAD-HINT:.*\n")
"""A hint that follows a segment, which hls-parser takes for a segment without an end."""

PART = re.compile(r"#EXT-X-PART:DURATION=([\d.]+)")
SEGMENT = re.compile(r"#EXTINF:([\d.]+)")

pytestmark = pytest.mark.slow


def judge(playlists: dict[str, str]) -> list[list[str]]:
    """What they mind: names with complaints."""
    if not (JUDGES / "node_modules").exists():
        pytest.skip("the judges are not installed: make setup-test")
    done = subprocess.run(
        ["node", "judge.mjs"],
        cwd=JUDGES,
        input=json.dumps({name: LONE_HINT.sub(r"\1", text) for name, text in playlists.items()}),
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
        if not (OLD_PARTS in complaint and parts_are_recent(playlists[name]))
        if not (NO_PART in complaint and "EXT-X-RENDITION-REPORT" in complaint)
    ]


def parts_are_recent(text: str) -> bool:
    """No segment that begins over three target durations before the end has parts (H15)."""
    target_s = int(text.partition("#EXT-X-TARGETDURATION:")[2].split("\n")[0])
    lengths_s: list[float] = []
    first_with_parts: int | None = None
    parts_s: list[float] = []
    for line in text.splitlines():
        if part := PART.match(line):
            parts_s.append(float(part[1]))
            if first_with_parts is None:
                first_with_parts = len(lengths_s)
        elif segment := SEGMENT.match(line):
            lengths_s.append(float(segment[1]))
            parts_s.clear()
    after_s = sum(lengths_s[first_with_parts:][1:]) + sum(parts_s)
    return first_with_parts is not None and after_s <= 3 * target_s


def versions(stage: LowLatencyStage, name: str) -> list[str]:
    return [version.full.decode() for version in stage.history[name]]


def test_no_judge_minds_any_playlist_of_a_publisher_that_went_and_came_back() -> None:
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


def test_parts_too_old_are_minded_where_segments_are_short_too() -> None:
    head = "#EXT-X-TARGETDURATION:2\n"
    old, new = "#EXT-X-PART:DURATION=0.5\n#EXTINF:2.0,\n", "#EXTINF:1.5,\n"
    assert parts_are_recent(head + old + 4 * new)
    assert not parts_are_recent(head + old + 4 * new + "#EXT-X-PART:DURATION=0.5\n")
    assert not parts_are_recent(head + 4 * new)


def test_the_judges_do_mind_what_is_wrong() -> None:
    text = staged(9).rendered["source"].full.decode()
    assert judge({"none": text.replace("#EXT-X-TARGETDURATION:2\n", "")})
    assert judge({"hold": text.replace(",PART-HOLD-BACK=0.648", "")})


def test_playlists_with_date_ranges_are_as_good() -> None:
    talk = Talk()
    talk.play(20)
    talk.tell(message(1, 20.0), message(2, 20.0, "chat", '{"text":"é %\\"$"}'.encode()))
    talk.play(8)
    rendered = talk.live.render(["source", "audio"])
    assert judge({name: versions.full.decode() for name, versions in rendered.items()}) == []
