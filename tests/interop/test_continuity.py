"""What dies is replaced, and playlists go on: publisher and worker killed with SIGKILL."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.mpd_watch import MpdWatch
from tests.interop.origin_process import OriginProcess, origin_process
from tests.segmenter.dash.judges import schema

# A machine that does other things, too, may be late; a fault of ours shows every time.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.flaky(reruns=2),
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg program is absent"),
]

CONFIG = """
[webrtc]
enabled = false
[paths."live/*"]
segment_duration_s = 1
[[paths."live/*".ladder]]
name = "source"
copy = true
[[paths."live/*".ladder]]
name = "90p"
height = 90
preset = "ultrafast"
"""
RENDITIONS = ("source", "90p", "audio")


def push(origin: OriginProcess) -> subprocess.Popen[bytes]:
    """A live publisher: one key frame each second. It ends with the origin at the latest."""
    inputs = "-re -f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine=sample_rate=48000"
    codecs = "-c:v libx264 -g 25 -preset ultrafast -tune zerolatency -c:a aac"
    url = origin.rtmp_url("live/a")
    publisher = subprocess.Popen(
        f"ffmpeg -v error {inputs} {codecs} -f flv {url}".split(), stdin=subprocess.DEVNULL
    )
    origin.company.append(publisher)
    return publisher


@dataclass(frozen=True)
class Playlist:
    """What a media playlist says of its numbers."""

    first: int
    target_duration: int
    tags: list[str]

    @property
    def numbers(self) -> list[int]:
        return [int(tag.split(".")[0]) for tag in self.tags if tag.endswith(".m4s")]

    @property
    def breaks(self) -> list[int]:
        """Numbers of the segments that begin after a discontinuity."""
        found, is_break = [], False
        for tag in self.tags:
            if tag.endswith(".m4s"):
                if is_break:
                    found.append(int(tag.split(".")[0]))
                is_break = False
            is_break |= tag == "#EXT-X-DISCONTINUITY"
        return found


def playlist(origin: OriginProcess, rendition: str) -> Playlist:
    text = origin.get(f"/live/a/{rendition}/index.m3u8").decode()
    first = re.search(r"MEDIA-SEQUENCE:(\d+)", text)
    target = re.search(r"TARGETDURATION:(\d+)", text)
    assert first
    assert target
    return Playlist(int(first[1]), int(target[1]), text.splitlines())


def assert_whole(lists: dict[str, Playlist]) -> None:
    for name, listed in lists.items():
        numbers = listed.numbers
        assert numbers == list(range(listed.first, listed.first + len(numbers))), name


def test_a_killed_publisher_that_returns_costs_one_discontinuity_and_nothing_else(
    tmp_path: Path,
) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        first = push(origin)
        for name in RENDITIONS:
            origin.wait_segments("live/a", name, 3)
        first.send_signal(signal.SIGKILL)
        first.wait()
        origin.wait_path("live/a", "away")
        before = {name: playlist(origin, name) for name in RENDITIONS}
        assert origin.fetch("/live/a/index.m3u8")[0] == 200
        second = push(origin)
        origin.wait_path("live/a", "live")
        for name in RENDITIONS:
            origin.wait_segments("live/a", name, len(before[name].numbers) + 3)
        after = {name: playlist(origin, name) for name in RENDITIONS}
        second.terminate()
        second.wait()
    assert_whole(after)
    for name in RENDITIONS:
        assert after[name].target_duration == before[name].target_duration
        assert after[name].numbers[: len(before[name].numbers)] == before[name].numbers
    breaks = {name: after[name].breaks for name in RENDITIONS}
    assert len(breaks["source"]) == 1
    assert breaks["90p"] == breaks["audio"] == breaks["source"]


def test_every_manifest_is_valid_while_publishers_are_killed_and_come_back(
    tmp_path: Path,
) -> None:
    schema()  # or skip before anything is started
    with origin_process(tmp_path, CONFIG) as origin, MpdWatch(origin, "live/a") as watch:
        for sizes in (3, 6):
            publisher = push(origin)
            for name in RENDITIONS:
                origin.wait_segments("live/a", name, sizes)
            publisher.kill()
            publisher.wait()
            origin.wait_path("live/a", "away")
    assert watch.complaints == []
    assert len(watch.versions["manifest.mpd"]) >= 6  # one for each segment
    assert len(watch.versions["low-latency.mpd"]) >= 2
    assert watch.versions["manifest.mpd"][-1].count("<Period") == 2


def replacement(origin: OriginProcess, killed: int) -> int | None:
    """The worker that runs in the place of another, if there is one."""
    workers = (pid for pid, line in origin.children() if "streaming.transcode.worker" in line)
    return next((pid for pid in workers if pid != killed), None)


def newest_media(origin: OriginProcess, rendition: str) -> int:
    """Number of the segment of the newest part that is there; 0 where none that is listed is."""
    text = origin.get(f"/live/a/{rendition}/index.m3u8").decode()
    parts = re.findall(r'PART:DURATION=[\d.]+,URI="(\d+)\.\d+\.m4s"(?!.*GAP)', text)
    return max(map(int, parts), default=0)


def test_a_killed_worker_costs_its_rungs_some_gaps_and_the_source_nothing(tmp_path: Path) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        publisher = push(origin)
        for name in RENDITIONS:
            origin.wait_segments("live/a", name, 3)
        killed = origin.child("streaming.transcode.worker")
        before = playlist(origin, "90p").numbers[-1]
        os.kill(killed, signal.SIGKILL)
        origin.wait_log("transcoder restarting")
        origin.wait(lambda: replacement(origin, killed), "another worker", 20.0)
        restarted = time.monotonic()
        origin.wait(lambda: newest_media(origin, "90p") > before + 1 or None, "the rung", 20.0)
        # Two seconds where nothing else runs.
        assert time.monotonic() - restarted < 4.0
        origin.wait_segments("live/a", "90p", 8)
        lists = {name: playlist(origin, name) for name in RENDITIONS}
        replaced = origin.child("streaming.transcode.worker")
        publisher.terminate()
        publisher.wait()
    assert replaced != killed
    assert_whole(lists)
    assert "#EXT-X-GAP" not in lists["source"].tags
    assert all(listed.breaks == [] for listed in lists.values())
    tags = lists["90p"].tags
    after_gaps = [tag for tag in tags[-8:] if tag.endswith(".m4s")]
    assert "#EXT-X-GAP" not in tags[-4:], "the rung is back"
    assert int(after_gaps[-1].split(".")[0]) > before
    assert "Traceback" not in origin.log()


def test_a_rung_whose_worker_dies_again_and_again_is_not_offered_until_it_is_back(
    tmp_path: Path,
) -> None:
    def is_offered() -> bool:
        return b"90p" in origin.get("/live/a/index.m3u8")

    with origin_process(tmp_path, CONFIG) as origin:
        publisher = push(origin)
        for name in RENDITIONS:
            origin.wait_segments("live/a", name, 3)
        assert is_offered()
        killed = 0

        def leaves() -> bool | None:
            """Each comes up later than the one before; one that we were late to kill has brought
            media, and then it takes three seconds of silence again."""
            nonlocal killed
            found = replacement(origin, killed)
            if found is not None:
                killed = found
                os.kill(killed, signal.SIGKILL)
            return None if is_offered() else True

        origin.wait(leaves, "the rung to leave", 40.0)
        origin.wait(lambda: replacement(origin, killed), "another worker", 40.0)
        origin.wait(lambda: is_offered() or None, "the rung to be back", 20.0)
        tags = playlist(origin, "90p").tags
        publisher.terminate()
        publisher.wait()
    assert tags.count("#EXT-X-GAP") >= 3
    assert "Traceback" not in origin.log()
