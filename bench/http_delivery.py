"""(d) A playlist, a part and a segment over HTTP: one delivery process beside one nginx worker.

The server has one core, wrk another; 64 connections that stay open; the servers take turns.
"""

from __future__ import annotations

import random
import re
import subprocess

from bench.figures import Aim, Figure
from bench.processes import BenchError, need, pinned, python, running, wait_until
from bench.servers import free_port, nginx_static, scratch

FILES = {"playlist.m3u8": 1_000, "part.m4s": 100_000, "segment.m4s": 1_000_000}
NAMES = {
    "playlist.m3u8": "1 KB playlist",
    "part.m4s": "100 KB part",
    "segment.m4s": "1 MB segment",
}
CONNECTIONS = 64
SERVER_CORE, CLIENT_CORE = 0, 1
START_S = 20.0
PEER = "nginx static"
_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_P99 = re.compile(r"99%\s+([0-9.]+)(us|ms|s)")
_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_FAILURES = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")


def measure(runs: int, seconds: int) -> list[Figure]:
    """Requests per second and the 99th percentile of latency, for each kind of file."""
    with scratch("bench-d-") as root:
        files = root / "bench"
        files.mkdir()
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
                figures += _measure_file(name, (port, peer.http_port), runs, seconds)
    return figures


def _measure_file(name: str, ports: tuple[int, int], runs: int, seconds: int) -> list[Figure]:
    rates: tuple[list[float], ...] = ([], [])
    tails: tuple[list[float], ...] = ([], [])
    for _ in range(runs):
        for port, rate, tail in zip(ports, rates, tails, strict=True):
            per_s, p99_ms = _wrk(f"http://127.0.0.1:{port}/bench/{name}", seconds)
            rate.append(per_s)
            tail.append(p99_ms)
    return [
        Figure("d", NAMES[name], "requests / s", tuple(rates[0]), PEER, tuple(rates[1]),
               Aim(1.0, at_least=True)),
        Figure("d", "… 99th percentile", "ms", tuple(tails[0]), PEER, tuple(tails[1])),
    ]  # fmt: skip


def _wrk(url: str, seconds: int) -> tuple[float, float]:
    command = [need("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url]
    done = subprocess.run(pinned(command, CLIENT_CORE), capture_output=True, text=True, check=False)
    rate, p99 = _RATE.search(done.stdout), _P99.search(done.stdout)
    failures = _FAILURES.search(done.stdout)
    if rate is None or p99 is None or failures is not None:
        raise BenchError(f"wrk {url}: {done.stdout}{done.stderr}")
    return float(rate[1]), float(p99[1]) * _MS[p99[2]]


def _answers(port: int) -> bool:
    command = ["wrk", "-t1", "-c1", "-d1s", f"http://127.0.0.1:{port}/bench/playlist.m3u8"]
    command[0] = need("wrk")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rate = _RATE.search(done.stdout)
    return rate is not None and float(rate[1]) > 1 and _FAILURES.search(done.stdout) is None
