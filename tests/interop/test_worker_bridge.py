"""The transcode worker of a ladder without a copied rung is killed, and the slate bridges it."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import av
import pytest

from segmenter.fmp4.reader import read_fragments, read_init_tracks
from tests.interop.low_latency_reader import LowLatencyReader
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.test_continuity import playlist, replacement

# A machine that does other things, too, may be late; a fault of ours shows every time.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.flaky(reruns=2),
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg program is absent"),
]

CONFIG = """
[paths."beside/*"]
segment_duration_s = 1
ladder = "copy"
[paths."live/*"]
segment_duration_s = 1
audio = "encode"
slate = "card"
[[paths."live/*".ladder]]
name = "360p"
height = 360
preset = "ultrafast"
[[paths."live/*".ladder]]
name = "180p"
height = 180
preset = "ultrafast"
"""
RENDITIONS = ("360p", "180p", "audio")
HOLE_S = 0.5
"""Players of low latency hold back three parts of 0.2 s."""


@contextmanager
def pushing(origin: OriginProcess, rate: int = 25) -> Iterator[None]:
    """A live publisher of 360p with one key frame each second; bright, unlike the slate. The same
    goes to a path that is copied, whose holes are none of a worker's."""
    inputs = (
        f"-re -f lavfi -i color=white:size=640x360:rate={rate} -f lavfi -i sine=sample_rate=48000"
    )
    codecs = f"-c:v libx264 -g {rate} -preset ultrafast -tune zerolatency -c:a aac"
    outputs = "|".join(f"[f=flv]{origin.rtmp_url(path)}" for path in ("live/a", "beside/a"))
    command = (
        f"ffmpeg -v error {inputs} {codecs} -map 0 -map 1 -flags +global_header -f tee {outputs}"
    )
    process = subprocess.Popen(command.split(), stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Killed(NamedTuple):
    pid: int
    at: float


def wait_strips(origin: OriginProcess) -> None:
    origin.wait_record(
        "live/a",
        lambda record: record["details"].get("bridge", {}).get("is_ready", False),
        within_s=40.0,
    )


def kill_worker(origin: OriginProcess) -> Killed:
    pid = origin.child("streaming.transcode.worker")
    os.kill(pid, signal.SIGKILL)
    return Killed(pid, time.monotonic())


def wait_replaced(origin: OriginProcess, killed: int) -> None:
    origin.wait(lambda: replacement(origin, killed), "another worker", 20.0)


def wait_back(origin: OriginProcess, bridged: int) -> None:
    origin.wait_record(
        "live/a",
        lambda record: (
            record["details"]["bridge"]["bridged"] == bridged
            and not record["details"]["bridge"]["is_active"]
        ),
    )


def media(origin: OriginProcess, rendition: str) -> tuple[bytes, list[bytes]]:
    """The one init section of a rendition, and its complete segments."""
    text = origin.get(f"/live/a/{rendition}/index.m3u8").decode()
    [name] = set(re.findall(r'EXT-X-MAP:URI="([^"]+)"', text))
    names = re.findall(r"^\d+\.m4s$", text, re.M)
    init = origin.get(f"/live/a/{rendition}/{name}")
    return init, [origin.get(f"/live/a/{rendition}/{segment}") for segment in names]


def assert_contiguous(init: bytes, segments: list[bytes]) -> None:
    """Each sample begins where the one before ended."""
    [track] = read_init_tracks(init)
    samples = [sample for data in segments for sample in read_fragments(data, track)]
    ends = [sample.dts + sample.duration for sample in samples]
    assert [sample.dts for sample in samples[1:]] == ends[:-1]


def brightness(init: bytes, segments: list[bytes]) -> list[bool]:
    """Of each picture: whether it is the publisher's."""
    with av.open(io.BytesIO(init + b"".join(segments))) as container:
        frames = container.decode(video=0)
        return [frame.to_ndarray()[: frame.height].mean() > 150 for frame in frames]


def runs(values: list[bool]) -> list[bool]:
    return [value for n, value in enumerate(values) if n == 0 or values[n - 1] != value]


def test_the_slate_bridges_killed_workers_in_every_encoded_rendition(tmp_path: Path) -> None:
    with origin_process(tmp_path, CONFIG) as origin, pushing(origin):
        for name in RENDITIONS:
            origin.wait_segments("live/a", name, 2)
        wait_strips(origin)
        witness = LowLatencyReader(origin, "source", "beside/a").start()
        readers = [LowLatencyReader(origin, name).start() for name in RENDITIONS]
        origin.wait_segments("live/a", "360p", 4)
        killed = kill_worker(origin)
        origin.wait_log("the slate bridges the worker's crash")
        wait_back(origin, 1)
        first = kill_worker(origin)
        wait_replaced(origin, first.pid)
        kill_worker(origin)
        wait_back(origin, 2)
        origin.wait_segments("live/a", "360p", 14)
        for reader in (*readers, witness):
            reader.stop()
        lists = {name: playlist(origin, name) for name in RENDITIONS}
        pictures = {name: media(origin, name) for name in RENDITIONS}
        record = origin.path_record("live/a")
        since = killed.at
        holes = {one.rendition: round(one.longest_hole_s(since, witness), 2) for one in readers}
        print(f"longest holes: {holes}, bridge: {record and record['details']['bridge']}")
        origin.wait_log("the ladder is back")
    for reader in readers:
        assert reader.failures == []
        assert reader.gaps == 0, "no media is said to be missing"
    for name in RENDITIONS:
        assert lists[name].breaks == []
        assert lists[name].first == lists["360p"].first
        assert_contiguous(*pictures[name])
    for name in ("360p", "180p"):
        assert runs(brightness(*pictures[name])) == [True, False, True, False, True]
    assert max(holes.values()) < HOLE_S
