"""What `headwater inspect` says of Headwater's own streams: nothing is wrong with them."""

from __future__ import annotations

import contextlib
import json
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


def test_nothing_is_wrong_with_what_is_served(tmp_path: Path) -> None:
    with origin_process(tmp_path, CONFIG) as origin, pushing(origin) as push:
        origin.wait_segments("live/a", "source", 4)
        looking = [
            subprocess.Popen(
                [*MAIN, "inspect", "--watch", str(WATCH_S), "--json", origin.url(f"/live/a/{end}")],
                stdout=subprocess.PIPE,
            )
            for end in ENDS
        ]
        said = [each.communicate(timeout=60)[0] for each in looking]
        assert push.poll() is None
    for end, inspection, report in zip(ENDS, looking, map(json.loads, said), strict=True):
        wrong = [each for each in report["findings"] if each["severity"] == "error"]
        assert (wrong, inspection.returncode, report["ok"]) == ([], 0, True), end
        assert report["tree"]["children"], end
