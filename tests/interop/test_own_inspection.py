"""What `headwater inspect` says of Headwater's own streams: nothing is wrong with them."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.rtmp_room import CLIPS

# A machine that does other things, too, may bring media late; a fault of ours shows every time.
pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CONFIG = """
[paths."live/*"]
ladder = "copy"

[paths."rungs/*"]
ladder = [
    { name = "source", copy = true },
    { name = "90p", height = 90, bitrate_kbps = 80 },
    { name = "72p", height = 72, bitrate_kbps = 60, fps_divisor = 2 },
]
"""
MAIN = (sys.executable, "-c", "from streaming.__main__ import main; main()")
WATCH_S = 6
ENDS = ("index.m3u8", "manifest.mpd", "low-latency.mpd")


@contextlib.contextmanager
def pushing(origin: OriginProcess) -> Iterator[subprocess.Popen[bytes]]:
    """`headwater push` of a clip, again and again, whose times no busy machine can change."""
    clip = str(CLIPS / "two-second-gop.mp4")
    push = subprocess.Popen(
        [*MAIN, "push", clip, origin.rtmp_url("live/a"), "--loop", "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield push
    finally:
        push.kill()
        push.wait()


@contextlib.contextmanager
def encoding(target: str) -> Iterator[subprocess.Popen[bytes]]:
    """The ffmpeg program pushes B-frames at a rate whose times are no whole milliseconds."""
    picture = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30000/1001")
    coded = ("-c:v", "libx264", "-preset", "superfast", "-bf", "2", "-g", "50")
    format_ = ("-pix_fmt", "yuv420p", "-f", "flv")
    push = subprocess.Popen(
        ["ffmpeg", "-v", "error", "-re", *picture, *coded, *format_, target],
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield push
    finally:
        push.kill()
        push.wait()


def look_at(urls: list[str]) -> list[tuple[str, list[object], int]]:
    """Each URL, the errors that an inspection tells of it, and how it ended."""
    looking = [
        subprocess.Popen(
            [*MAIN, "inspect", "--watch", str(WATCH_S), "--json", url], stdout=subprocess.PIPE
        )
        for url in urls
    ]
    reports = [json.loads(each.communicate(timeout=60)[0]) for each in looking]
    assert all(report["tree"]["children"] for report in reports)
    return [
        (url, [each for each in report["findings"] if each["severity"] == "error"], end.returncode)
        for url, report, end in zip(urls, reports, looking, strict=True)
    ]


def test_nothing_is_wrong_with_what_is_served(tmp_path: Path) -> None:
    with origin_process(tmp_path, CONFIG) as origin, pushing(origin) as push:
        origin.wait_segments("live/a", "source", 4)
        urls = [origin.url(f"/live/a/{end}") for end in ENDS]
        assert look_at(urls) == [(url, [], 0) for url in urls]
        assert push.poll() is None


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg program is absent")
def test_nothing_is_wrong_with_rungs_beside_a_source_of_b_frames(tmp_path: Path) -> None:
    with (
        origin_process(tmp_path, CONFIG) as origin,
        encoding(origin.rtmp_url("rungs/a")) as push,
    ):
        origin.wait_segments("rungs/a", "72p", 4)
        urls = [origin.url(f"/rungs/a/{end}") for end in ENDS[:2]]
        assert look_at(urls) == [(url, [], 0) for url in urls]
        assert push.poll() is None
