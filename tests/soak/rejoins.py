"""`make soak-webrtc`: a publisher and its WebRTC viewers are killed and come again, many times.

`ROUNDS` (50) times `VIEWERS` (200) join by WHEP, see media, and die by SIGKILL, the publisher with
them. The memory of each process must stay flat, and so must the number of its files; no session may
be left when their time is over. Ends with 1 where anything was wrong.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import python, running, wait_until
from bench.servers import Server, headwater
from bench.viewers import viewing
from tests.soak.memory import Memory, Trend
from tests.soak.soak import make_clip

PATH = "live/rejoin"
PLAYABLE_S = 30.0
WATCHED_S = 2.0
FORGOTTEN_S = 45.0
"""Sessions end 30 s after the last sign of life."""
LONGEST_PUSH_S = 600
MOST_FILES_MORE = 20


@dataclass(slots=True)
class Rejoined:
    """What came of it."""

    rounds: int
    trends: list[Trend] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def rejoin(rounds: int, viewers: int, directory: Path) -> Rejoined:
    """Runs it all; `directory` gets the clip."""
    clip, done = make_clip(directory), Rejoined(rounds)
    with headwater() as server:
        memory, files = Memory(server.tree), 0
        for number in range(rounds):
            _round(server, clip, viewers, number, done)
            memory.sample(number)
            if number == rounds // 2:
                files = _files(server)
        _wait_forgotten(server, done)
        if (now := _files(server)) > files + MOST_FILES_MORE:
            done.faults.append(f"{now} files are open, {files} half-way")
        done.trends = memory.trends(rounds // 2)
    done.faults += [
        f"{t.name} grew by {t.growth_bytes:.0f} B" for t in done.trends if not t.is_flat
    ]
    return done


def _round(server: Server, clip: Path, viewers: int, number: int, done: Rejoined) -> None:
    target = f"127.0.0.1:{server.rtmp_port}/{PATH}"
    with running(python("bench.rtmp_sender", str(clip), str(LONGEST_PUSH_S), target)) as publisher:
        for _ in wait_until(PLAYABLE_S, f"{PATH} live", 0.1):
            publisher.check()
            if (server.get(f"/{PATH}/source/index.m3u8") or b"").count(b".m4s"):
                break
        with viewing([f"http://127.0.0.1:{server.http_port}/{PATH}/whep"], viewers) as crowd:
            time.sleep(WATCHED_S / 2)
            before = crowd.packets
            time.sleep(WATCHED_S / 2)
            if crowd.packets == before:
                done.faults.append(f"nothing came to the viewers of round {number}")
        os.kill(publisher.pid, signal.SIGKILL)


def _files(server: Server) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in server.tree.pids())


def _wait_forgotten(server: Server, done: Rejoined) -> None:
    deadline = time.monotonic() + FORGOTTEN_S
    while (left := _sessions(server)) and time.monotonic() < deadline:
        time.sleep(0.5)
    if left:
        done.faults.append(f"{left:g} sessions are left")


def _sessions(server: Server) -> float:
    text = (server.get("/metrics") or b"").decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("headwater_webrtc_viewers ")
    )


def main() -> int:
    """Reads the environment."""
    rounds, viewers = int(os.environ.get("ROUNDS", "50")), int(os.environ.get("VIEWERS", "200"))
    with tempfile.TemporaryDirectory(prefix="rejoins-") as directory:
        done = rejoin(rounds, viewers, Path(directory))
    for trend in done.trends:
        print(f"{trend.name}: {trend.mean_bytes / 1e6:.1f} MB, {trend.growth_bytes / 1e6:+.2f} MB")
    for fault in done.faults:
        print(fault)
    print(f"{done.rounds} rounds of {viewers} viewers: {'failed' if done.faults else 'flat'}")
    return bool(done.faults)


if __name__ == "__main__":
    sys.exit(main())
