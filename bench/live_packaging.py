"""(b) Fifteen RTMP publishers at 8 Mb/s, packaged live, beside nginx-rtmp with HLS.

All servers run at the same time on the same core and get the same pushes from senders on another
core; their CPU is read from the kernel's accounts over the same windows of time.
nginx-rtmp writes MPEG-TS into files, without parts; Headwater makes CMAF parts of 200 ms and
segments of 2 s, and its delivery process can serve each of them. Both run twice. Headwater as it
comes, with live windows in memory and, to outlive it, on disk, beside nginx-rtmp with its files on
the same disk; and with windows in memory alone, beside files in memory. First nobody
watches, then somebody asks for a playlist of each stream each second, of all servers: only then
does Headwater render playlists at each part.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.clips import BASE_S, ClipRequest, clip
from bench.figures import Aim, Figure
from bench.processes import BenchError, ProcessTree, pinned, python
from bench.servers import Server, headwater, nginx_rtmp

STREAMS = 15
VIDEO_KBPS = 8000
SERVERS_CORE, SENDER_CORE = 0, 1
WARM_UP_S = 40
"""Longer than the live window, so that memory has stopped growing."""
WAKING_S = 2
"""Until all paths are watched."""
QUICK_WARM_UP_S = 4
QUICK_S = 5
"""Runs shorter than this are for trying the benchmark: they do not wait for full windows."""
MOST_LATE_S = 0.25
"""If no sender was more punctual, they were starved themselves, and what they measured is void."""
MEGA = 1e6
AIM, SHARE_AIM = Aim(1.0), Aim(0.4, of="ours")
ON_DISK, IN_MEMORY = "nginx-rtmp HLS, disk", "nginx-rtmp HLS, memory"
OURS, THEIRS = "/live/stream{}/source/index.m3u8", "/live/stream{}/index.m3u8"
PLAYLISTS = (OURS, THEIRS, OURS, THEIRS)
"""Of both on disk, of both in memory."""


def measure(runs: int, seconds: int) -> list[Figure]:
    """Share of a core for each stream, and memory."""
    file = clip(ClipRequest(VIDEO_KBPS, BASE_S))
    warm_up = WARM_UP_S if seconds >= QUICK_S else QUICK_WARM_UP_S
    with (
        headwater(SERVERS_CORE) as ours,
        nginx_rtmp(SERVERS_CORE, on_disk=True) as theirs,
        headwater(SERVERS_CORE, on_disk=False) as our_memory,
        nginx_rtmp(SERVERS_CORE) as their_memory,
    ):
        servers = (ours, theirs, our_memory, their_memory)
        length = warm_up + runs * seconds + WAKING_S + runs * seconds + 1
        with _senders(file, length, servers) as senders:
            figures = _watch(servers, warm_up, runs, seconds)
            reports = [sender.communicate()[0] for sender in senders]
    if any(sender.returncode for sender in senders):
        raise BenchError("a sender failed")
    latest = min(json.loads(report.splitlines()[-1])["latest_s"] for report in reports)
    if latest > MOST_LATE_S:
        raise BenchError(f"all senders were {latest:.2f} s late: the machine is too busy for this")
    return figures


@contextlib.contextmanager
def _senders(
    file: Path, length: int, servers: Sequence[Server]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """One for each server, so that one which waits for its disk delays no other's publishers."""
    senders: list[subprocess.Popen[bytes]] = []
    try:
        for server in servers:
            to = [f"127.0.0.1:{server.rtmp_port}/live/stream{n}" for n in range(STREAMS)]
            command = python("bench.rtmp_sender", str(file), str(length), *to)
            senders.append(subprocess.Popen(pinned(command, SENDER_CORE), stdout=subprocess.PIPE))
        yield senders
    except BaseException:
        for sender in senders:
            sender.kill()
            sender.communicate()
        raise


def _watch(servers: Sequence[Server], warm_up: int, runs: int, seconds: int) -> list[Figure]:
    ours, theirs, our_memory, their_memory = servers
    time.sleep(warm_up)
    trees = [server.tree for server in servers]
    alone = _shares(trees, runs, seconds)
    with _viewers(servers):
        time.sleep(WAKING_S)
        watched = _shares(trees, runs, seconds)
    for server, playlist in zip(servers, PLAYLISTS, strict=True):
        if not server.get(playlist.format(0)):
            raise BenchError(f"nothing at {playlist}: what was measured is not packaging")
    main, peers = ours.tree.rss_bytes()[0] / MEGA, theirs.tree.pss_bytes() / MEGA
    share = "% of a core / stream"
    return [
        Figure("b", f"{STREAMS} streams of 8 Mb/s, on disk", share, alone[0],
               ON_DISK, alone[1], AIM),
        Figure("b", "… in memory alone", share, alone[2], IN_MEMORY, alone[3], AIM),
        Figure("b", "… the aim for ours: on disk", share, alone[0], aim=SHARE_AIM),
        Figure("b", "… in memory", share, alone[2], aim=SHARE_AIM),
        Figure("b", "… on disk, while each is watched", share, watched[0], ON_DISK, watched[1]),
        Figure("b", "RSS, origin process", "MB", (main,)),
        Figure("b", "PSS, all processes", "MB", (ours.tree.pss_bytes() / MEGA,), ON_DISK,
               (peers,)),
        Figure("b", "live windows, not in any RSS", "MB", (our_memory.media_bytes() / MEGA,),
               IN_MEMORY, (their_memory.media_bytes() / MEGA,)),
    ]  # fmt: skip


def _shares(trees: Sequence[ProcessTree], runs: int, seconds: int) -> list[tuple[float, ...]]:
    """Of a core, in percent for each stream and run, of each tree."""
    shares: list[list[float]] = [[] for _ in trees]
    before, at = _cpu(trees), time.monotonic()
    for _ in range(runs):
        time.sleep(seconds)
        after, now = _cpu(trees), time.monotonic()
        for share, old, new in zip(shares, before, after, strict=True):
            share.append(100 * (new - old) / (now - at) / STREAMS)
        before, at = after, now
    return [tuple(share) for share in shares]


@contextlib.contextmanager
def _viewers(servers: Sequence[Server]) -> Iterator[None]:
    """A playlist of each stream is asked for each second, of all servers."""
    leaving = threading.Event()

    def watch() -> None:
        while not leaving.wait(1.0):
            for n in range(STREAMS):
                for server, playlist in zip(servers, PLAYLISTS, strict=True):
                    server.get(playlist.format(n))

    thread = threading.Thread(target=watch, name="viewers")
    thread.start()
    try:
        yield
    finally:
        leaving.set()
        thread.join()


def _cpu(trees: Sequence[ProcessTree]) -> list[float]:
    for tree in trees:
        tree.check()
    return [tree.cpu_s() for tree in trees]
