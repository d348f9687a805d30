"""Who is on air, with real publishers: a backup that takes over, a slate that covers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.test_continuity import Playlist, playlist

# A machine that does other things, too, may be late; a fault of ours shows every time.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.flaky(reruns=2),
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg program is absent"),
]

PATH = "live/a"
NO_WEBRTC = "[webrtc]\nenabled = false\n"
COPY = 'ladder = "copy"\nsegment_duration_s = 1\n'
LADDER = """segment_duration_s = 1
[[paths."live/a".ladder]]
name = "source"
copy = true
[[paths."live/a".ladder]]
name = "90p"
height = 90
preset = "ultrafast"
"""


def config(*lines: str) -> str:
    return f'{NO_WEBRTC}[paths."{PATH}"]\n{COPY}' + "".join(f"{line}\n" for line in lines)


class Publishers:
    """Starts live publishers with one key frame each second; none outlives its test."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def push(
        self, origin: OriginProcess, query: str = "", size: str = "320x180", rate: int = 25
    ) -> subprocess.Popen[bytes]:
        video = f"testsrc2=size={size}:rate={rate}"
        inputs = f"-re -f lavfi -i {video} -f lavfi -i sine=sample_rate=48000"
        codecs = f"-c:v libx264 -g {rate} -preset ultrafast -tune zerolatency -c:a aac"
        command = f"ffmpeg -v error {inputs} {codecs} -f flv {origin.rtmp_url(PATH)}{query}"
        process = subprocess.Popen(command.split(), stdin=subprocess.DEVNULL)
        self._processes.append(process)
        return process

    def close(self) -> None:
        for process in self._processes:
            kill(process)


@pytest.fixture
def publishers() -> Iterator[Publishers]:
    started = Publishers()
    yield started
    started.close()


def on_air(origin: OriginProcess) -> dict[str, Any]:
    record = origin.path_record(PATH)
    assert record is not None
    found: dict[str, Any] = record["details"]["on_air"]
    return found


def wait_on_air(
    origin: OriginProcess, wanted: Callable[[dict[str, Any]], bool], what: str
) -> dict[str, Any]:
    def seen() -> dict[str, Any] | None:
        record = origin.path_record(PATH)
        found = record["details"].get("on_air") if record else None
        return found if found and wanted(found) else None

    return origin.wait(seen, what, 20.0)


def wait_slate_encoded(origin: OriginProcess) -> None:
    """Once a publisher's tracks are known: until the worker that encodes the slate has ended."""
    origin.wait(
        lambda: not any("streaming.slate" in line for _, line in origin.children()) or None,
        "the slate",
        20.0,
    )


def newest_age_s(origin: OriginProcess, since: float, count: int) -> float:
    """Waits for `count` further segments; seconds since `since`."""
    before = playlist(origin, "source").numbers[-1]
    origin.wait(
        lambda: playlist(origin, "source").numbers[-1] >= before + count or None,
        f"{count} further segments",
        20.0,
    )
    return time.monotonic() - since


def kill(process: subprocess.Popen[bytes]) -> float:
    process.send_signal(signal.SIGKILL)
    process.wait()
    return time.monotonic()


def assert_continuous(listed: Playlist, breaks: int) -> None:
    numbers = listed.numbers
    assert numbers == list(range(listed.first, listed.first + len(numbers)))
    assert len(listed.breaks) == breaks
    for gap in (i for i, tag in enumerate(listed.tags) if tag == "#EXT-X-GAP"):
        duration_s = float(listed.tags[gap + 1].removeprefix("#EXTINF:").rstrip(","))
        assert duration_s < 0.1, "no more than a frame that was never sent"


def test_viewers_go_on_with_the_backup_when_the_primary_is_killed(
    tmp_path: Path, publishers: Publishers
) -> None:
    with origin_process(tmp_path, config("backup_return_s = 2")) as origin:
        primary = publishers.push(origin)
        origin.wait_path(PATH, "live")
        publishers.push(origin, "?role=backup", size="160x90")
        wait_on_air(origin, lambda seen: len(seen["publishers"]) == 2, "the backup to be connected")
        origin.wait_segments(PATH, "source", 5)
        killed = kill(primary)
        # Two seconds where nothing else runs; without a backup it would never be.
        assert newest_age_s(origin, killed, 2) < 6.0, "one segment at once, one a second later"
        wait_on_air(origin, lambda seen: seen["on_air"] == "backup", "the backup on air")
        publishers.push(origin)
        wait_on_air(origin, lambda seen: seen["on_air"] == "primary", "the primary's return")
        newest_age_s(origin, killed, 2)
        for name in ("source", "audio"):
            assert_continuous(playlist(origin, name), breaks=2)
        assert on_air(origin)["switches"] == 2
        inits = {tag for tag in playlist(origin, "source").tags if tag.startswith("#EXT-X-MAP")}
        assert len(inits) == 2, "of two sizes"
        assert "on air: primary → backup" in origin.log()


def test_viewers_go_on_with_the_backup_when_the_primary_stalls(
    tmp_path: Path, publishers: Publishers
) -> None:
    with origin_process(tmp_path, config()) as origin:
        primary = publishers.push(origin)
        origin.wait_path(PATH, "live")
        publishers.push(origin, "?role=backup")
        wait_on_air(origin, lambda seen: len(seen["publishers"]) == 2, "both")
        origin.wait_segments(PATH, "source", 6)
        os.kill(primary.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        wait_on_air(origin, lambda seen: seen["on_air"] == "backup", "the backup on air")
        # The API's record is a second old at most.
        assert time.monotonic() - stopped < 5.0
        assert newest_age_s(origin, stopped, 2) < 8.0
        assert_continuous(playlist(origin, "source"), breaks=1)
        os.kill(primary.pid, signal.SIGCONT)


def test_a_slate_covers_for_a_killed_publisher_until_it_is_back(
    tmp_path: Path, publishers: Publishers
) -> None:
    with origin_process(tmp_path, config('slate = "card"')) as origin:
        primary = publishers.push(origin)
        origin.wait_segments(PATH, "source", 4)
        wait_slate_encoded(origin)
        killed = kill(primary)
        wait_on_air(origin, lambda seen: seen["on_air"] == "slate", "the slate")
        record = origin.path_record(PATH)
        assert record is not None
        assert record["state"] == "live"
        assert newest_age_s(origin, killed, 3) < 6.0
        publishers.push(origin, size="640x360", rate=30)
        wait_on_air(origin, lambda seen: seen["on_air"] == "primary", "the publisher's return")
        newest_age_s(origin, killed, 2)
        for name in ("source", "audio"):
            assert_continuous(playlist(origin, name), breaks=2)


def test_a_slate_goes_through_the_encoder_of_a_ladder_and_looks_as_the_live_picture_there(
    tmp_path: Path, publishers: Publishers
) -> None:
    settings = f'{NO_WEBRTC}[paths."{PATH}"]\nslate = "card"\n{LADDER}'
    with origin_process(tmp_path, settings) as origin:
        primary = publishers.push(origin)
        origin.wait_segments(PATH, "90p", 4)
        wait_slate_encoded(origin)
        killed = kill(primary)
        wait_on_air(origin, lambda seen: seen["on_air"] == "slate", "the slate")
        newest_age_s(origin, killed, 3)
        covered = playlist(origin, "90p")
        publishers.push(origin)
        wait_on_air(origin, lambda seen: seen["on_air"] == "primary", "the publisher's return")
        newest_age_s(origin, killed, 3)
        lists = {name: playlist(origin, name) for name in ("source", "90p", "audio")}
    inits = {tag for tag in lists["90p"].tags if tag.startswith("#EXT-X-MAP")}
    assert len(inits) == 1, "the encoder's, live and of the slate"
    assert_continuous(covered, breaks=1)
    for name, listed in lists.items():
        assert_continuous(listed, breaks=2)
        assert listed.breaks == lists["source"].breaks, name


def test_a_slate_that_is_always_there_is_live_before_anyone_publishes(
    tmp_path: Path, publishers: Publishers
) -> None:
    settings = ('slate = "card"', "slate_always = true", "slate_width = 320", "slate_height = 180")
    with origin_process(tmp_path, config(*settings)) as origin:
        origin.wait_segments(PATH, "source", 3)
        origin.wait_segments(PATH, "audio", 3)
        publishers.push(origin)
        wait_on_air(origin, lambda seen: seen["on_air"] == "primary", "the publisher")
        newest_age_s(origin, time.monotonic(), 2)
        assert_continuous(playlist(origin, "source"), breaks=1)
