"""(b) Fifteen RTMP publishers at 8 Mb/s, packaged live, beside nginx-rtmp with HLS.

All servers run at the same time on the same core and get the same pushes from one sender on
another core; their CPU is read from the kernel's accounts over the same windows of time.
nginx-rtmp writes MPEG-TS into files in memory, without parts; Headwater makes CMAF parts of 200 ms
and segments of 2 s, and its delivery process can serve each of them. It runs twice: as it comes,
with live windows on disk, too, and with windows in memory alone, as the peer's are. First nobody
watches, then somebody asks for a playlist of each stream each second, of all servers: only then
does Headwater render playlists at each part.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator

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
"""A sender later than this was starved itself, and what it measured is void."""
MEGA = 1e6
PEER = "nginx-rtmp HLS"
PLAYLISTS = (
    "/live/stream{}/source/index.m3u8",
    "/live/stream{}/index.m3u8",
    "/live/stream{}/source/index.m3u8",
)
"""Of ours, theirs, ours in memory."""


def measure(runs: int, seconds: int) -> list[Figure]:
    """Share of a core for each stream, and memory."""
    file = clip(ClipRequest(VIDEO_KBPS, BASE_S))
    warm_up = WARM_UP_S if seconds >= QUICK_S else QUICK_WARM_UP_S
    with (
        headwater(SERVERS_CORE) as ours,
        headwater(SERVERS_CORE, on_disk=False) as in_memory,
        nginx_rtmp(SERVERS_CORE) as theirs,
    ):
        servers = (ours, theirs, in_memory)
        targets = [
            f"127.0.0.1:{server.rtmp_port}/live/stream{n}"
            for n in range(STREAMS)
            for server in servers
        ]
        length = warm_up + runs * seconds + WAKING_S + runs * seconds + 1
        command = python("bench.rtmp_sender", str(file), str(length), *targets)
        sender = subprocess.Popen(pinned(command, SENDER_CORE), stdout=subprocess.PIPE)
        try:
            figures = _watch(servers, warm_up, runs, seconds)
        except BaseException:
            sender.kill()
            raise
        finally:
            output = sender.communicate()[0]
    if sender.returncode:
        raise BenchError("the sender failed")
    latest = json.loads(output.splitlines()[-1])["latest_s"]
    if latest > MOST_LATE_S:
        raise BenchError(f"the sender was {latest:.2f} s late: the machine is too busy for this")
    return figures


def _watch(
    servers: tuple[Server, Server, Server], warm_up: int, runs: int, seconds: int
) -> list[Figure]:
    ours, theirs, _ = servers
    time.sleep(warm_up)
    trees = tuple(server.tree for server in servers)
    alone = _shares(trees, runs, seconds)
    with _viewers(servers):
        time.sleep(WAKING_S)
        watched = _shares(trees, runs, seconds)
    for server, playlist in zip(servers, PLAYLISTS, strict=True):
        if not server.get(playlist.format(0)):
            raise BenchError(f"nothing at {playlist}: what was measured is not packaging")
    main, *others = (rss / MEGA for rss in ours.tree.rss_bytes())
    peers = sum(theirs.tree.rss_bytes()) / MEGA
    return [
        Figure("b", f"{STREAMS} streams at 8 Mb/s", "% of a core / stream", tuple(alone[0]), PEER,
               tuple(alone[1]), Aim(1.0)),
        Figure("b", "… the aim for ours alone", "% of a core / stream", tuple(alone[0]),
               aim=Aim(0.4, of="ours")),
        Figure("b", "… windows in memory alone", "% of a core / stream", tuple(alone[2]), PEER,
               tuple(alone[1]), Aim(1.0)),
        Figure("b", "… while each is watched", "% of a core / stream", tuple(watched[0]), PEER,
               tuple(watched[1])),
        Figure("b", "RSS, origin process", "MB", (main,), PEER, (peers,)),
        Figure("b", "RSS, delivery and WebRTC processes", "MB", (sum(others),)),
        Figure("b", "live windows, not in any RSS", "MB", (ours.media_bytes() / MEGA,), PEER,
               (theirs.media_bytes() / MEGA,)),
    ]  # fmt: skip


def _shares(trees: tuple[ProcessTree, ...], runs: int, seconds: int) -> list[list[float]]:
    """Of a core, in percent for each stream and run, of each tree."""
    shares: list[list[float]] = [[] for _ in trees]
    before, at = _cpu(trees), time.monotonic()
    for _ in range(runs):
        time.sleep(seconds)
        after, now = _cpu(trees), time.monotonic()
        for share, old, new in zip(shares, before, after, strict=True):
            share.append(100 * (new - old) / (now - at) / STREAMS)
        before, at = after, now
    return shares


@contextlib.contextmanager
def _viewers(servers: tuple[Server, ...]) -> Iterator[None]:
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


def _cpu(trees: tuple[ProcessTree, ...]) -> list[float]:
    for tree in trees:
        tree.check()
    return [tree.cpu_s() for tree in trees]
