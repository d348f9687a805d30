"""(d) A playlist, a part and a segment over HTTP: one delivery process beside one nginx worker.

The server has one core, wrk another; 64 connections that stay open; the servers take turns. What
a server can do with a core is requests for each second of CPU that it used; by the wall clock
both also wait for wrk and for whatever else the machine does.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import Figure
from bench.processes import BenchError, ProcessTree, need, pinned, python, running, wait_until
from bench.servers import free_port, nginx_static, scratch

FILES = {"playlist.m3u8": 1_000, "video/1.0.m4s": 100_000, "video/2.m4s": 1_000_000}
NAMES = {
    "playlist.m3u8": "1 KB playlist",
    "video/1.0.m4s": "100 KB part",
    "video/2.m4s": "1 MB segment",
}
CONNECTIONS = 64
SERVER_CORE, CLIENT_CORE = 0, 1
START_S = 20.0
PEER = "nginx static"
_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_COUNT = re.compile(r"(\d+) requests in")
_P99 = re.compile(r"99%\s+([0-9.]+)(us|ms|s)")
_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_FAILURES = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")


@dataclass(frozen=True, slots=True)
class _Served:
    """A server that has the files."""

    tree: ProcessTree
    port: int


@dataclass(frozen=True, slots=True)
class _Load:
    """What one run of wrk saw."""

    per_cpu_s: float
    per_s: float
    p99_ms: float


def measure(runs: int, seconds: int) -> list[Figure]:
    """Requests and the 99th percentile of latency, for each kind of file."""
    with scratch("bench-d-") as root:
        files = root / "bench"
        (files / "video").mkdir(parents=True)
        source = random.Random(1)
        for name, size in FILES.items():
            (files / name).write_bytes(source.randbytes(size))
        port = free_port()
        command = python("bench.shelf_server", str(port), str(files))
        log = root / "log"
        with nginx_static(root, SERVER_CORE) as peer, running(command, SERVER_CORE, log) as tree:
            for _ in wait_until(START_S, "the delivery process serving"):
                tree.check()
                if _answers(port):
                    break
            figures = []
            for name in FILES:
                servers = (_Served(tree, port), _Served(peer.tree, peer.http_port))
                figures += _measure_file(name, servers, runs, seconds)
    return figures


def _measure_file(name: str, servers: Sequence[_Served], runs: int, seconds: int) -> list[Figure]:
    loads = [[_load(served, name, seconds) for served in servers] for _ in range(runs)]
    ours, theirs = (tuple(turn[i] for turn in loads) for i in (0, 1))
    return [
        Figure("d", NAMES[name], "requests / CPU s", tuple(load.per_cpu_s for load in ours), PEER,
               tuple(load.per_cpu_s for load in theirs)),
        Figure("d", "… by the wall clock", "requests / s", tuple(load.per_s for load in ours), PEER,
               tuple(load.per_s for load in theirs)),
        Figure("d", "… 99th percentile", "ms", tuple(load.p99_ms for load in ours), PEER,
               tuple(load.p99_ms for load in theirs)),
    ]  # fmt: skip


def _load(served: _Served, name: str, seconds: int) -> _Load:
    url = f"http://127.0.0.1:{served.port}/bench/{name}"
    command = [need("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url]
    served.tree.check()
    before = served.tree.cpu_s()
    done = subprocess.run(pinned(command, CLIENT_CORE), capture_output=True, text=True, check=False)
    cpu_s = served.tree.cpu_s() - before
    rate, p99, count = (pattern.search(done.stdout) for pattern in (_RATE, _P99, _COUNT))
    failures = _FAILURES.search(done.stdout)
    if rate is None or p99 is None or count is None or failures is not None:
        raise BenchError(f"wrk {url}: {done.stdout}{done.stderr}")
    return _Load(int(count[1]) / cpu_s, float(rate[1]), float(p99[1]) * _MS[p99[2]])


def _answers(port: int) -> bool:
    command = ["wrk", "-t1", "-c1", "-d1s", f"http://127.0.0.1:{port}/bench/playlist.m3u8"]
    command[0] = need("wrk")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rate = _RATE.search(done.stdout)
    return rate is not None and float(rate[1]) > 1 and _FAILURES.search(done.stdout) is None
