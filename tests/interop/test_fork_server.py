"""The fork server of a whole origin: what its death costs, and what the origin's death ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = pytest.mark.slow

FORK_SERVER = "streaming.fork_server"
CONFIG = """
[paths.cam]
source = "test:?width=160&height=90&fps=10&bitrate_kbps=100"
ladder = [{ name = "small", height = 90, bitrate_kbps = 100 }]
"""


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[OriginProcess]:
    with origin_process(tmp_path, CONFIG) as running:
        running.wait_path("cam", "live")
        yield running


def test_every_process_is_the_origins_own_child_and_has_a_name(origin: OriginProcess) -> None:
    names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid, _ in origin.children()}
    assert names == {"hw-fork-server", "hw-delivery", "hw-webrtc", "hw-source", "hw-transcoder"}
    held = os.listdir(f"/proc/{origin.child(FORK_SERVER)}/fd")
    assert len(held) == 4, "no descriptor but its link and the standard ones"


def test_the_death_of_the_fork_server_is_felt_by_nobody(origin: OriginProcess) -> None:
    before = set(origin.children())
    killed = origin.child(FORK_SERVER)
    os.kill(killed, signal.SIGKILL)
    os.kill(origin.child("streaming.rtc.process"), signal.SIGKILL)  # its successor is by exec
    origin.wait_log("fork server: it has ended, next in 0.5 s")
    assert b"#EXTM3U" in origin.get("/cam/index.m3u8")
    origin.wait(lambda: children(origin) >= 5 or None, "the successors")
    assert {pid for pid, _ in set(origin.children()) & before} >= {
        origin.child("streaming.server.delivery"),
        origin.child("streaming.transcode.worker"),
        origin.child("streaming.ingest.pull_worker"),
    }
    body = origin.wait_url("/api/v1/events?after=0&type=worker.restarted&wait=1")
    assert b"fork-server" in body or b"webrtc" in body


def children(origin: OriginProcess) -> int:
    """Those that run."""
    return len([line for _, line in origin.children() if line])


def test_a_worker_that_died_is_replaced_by_a_fork(origin: OriginProcess) -> None:
    killed = origin.child("streaming.transcode.worker")
    os.kill(killed, signal.SIGKILL)

    def replaced() -> bool | None:
        lines = [pid for pid, line in origin.children() if "streaming.transcode.worker" in line]
        return bool(lines and lines[0] != killed) or None

    origin.wait(replaced, "the next encoder")
    assert origin.child(FORK_SERVER)
    origin.wait_path("cam", "live")


def test_what_ends_the_origin_at_once_ends_all_of_its_processes(origin: OriginProcess) -> None:
    pids = [pid for pid, _ in origin.children()]
    stuck = origin.child("streaming.transcode.worker"), origin.child(FORK_SERVER)
    for pid in stuck:
        os.kill(pid, signal.SIGSTOP)  # as one that never comes back from FFmpeg
    origin.kill_main()
    deadline = time.monotonic() + 10
    while left := [pid for pid in pids if runs(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


def runs(pid: int) -> bool:
    """Whether it does; one that has ended may wait for its new parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
