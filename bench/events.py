"""(h) Followers of the event log: 1,000 of each way, 50 events a second, the origin on one core.

The origin's process and its delivery process share a core; the followers are in a tight loop on the
other (`bench.event_followers`). An event is under way from `emit` until its bytes have been read by
a follower. Nobody is measured beside it: no peer has such a log.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from bench.event_followers import WAYS
from bench.figures import Aim, Figure
from bench.low_latency import wait_answer
from bench.processes import BenchError, pinned, python, running
from bench.servers import free_port, scratch

FOLLOWERS = 1_000
"""Of each way."""
RATE = 50
P99_MS = {"SSE": 300, "WebSocket": 300, "long-poll": 800}
SERVER_CORE, CLIENT_CORE = 0, 1
MS = 1e3


def measure(runs: int, seconds: int) -> list[Figure]:
    """Delays and memory of each way, and what the origin used of its core."""
    seen = [_follow(seconds) for _ in range(runs)]
    figures = []
    for way in WAYS:
        of_way = [one["ways"][way] for one in seen]
        figures += [
            _figure(f"{FOLLOWERS:,} by {way}, {RATE} events/s: p50", "ms",
                    [MS * _percentile(one["delays_s"], 0.50) for one in of_way]),
            _figure("… p99", "ms", [MS * _percentile(one["delays_s"], 0.99) for one in of_way],
                    Aim(P99_MS[way], of="ours")),
            _figure("… events that each is told", "1/s", [one["events_per_s"] for one in of_way]),
            _figure("… RSS for each", "kB", [one["bytes_per_follower"] / 1e3 for one in of_way]),
        ]  # fmt: skip
    return [*figures, _figure("… CPU for all", "% of a core", [100 * x["cpu_share"] for x in seen])]


def _figure(name: str, unit: str, ours: Sequence[float], aim: Aim | None = None) -> Figure:
    return Figure("h", name, unit, tuple(ours), aim=aim)


def _percentile(values: Sequence[float], share: float) -> float:
    if not values:
        raise BenchError("nothing was told to anybody")
    return values[min(int(len(values) * share), len(values) - 1)]


def _follow(seconds: int) -> dict[str, Any]:
    port, control = free_port(), free_port()
    with scratch("bench-h-") as root:
        command = python("bench.event_server", str(port), str(control), str(RATE))
        with running(command, SERVER_CORE, root / "log") as tree:
            wait_answer(tree, port)
            pids = list(map(str, tree.pids()))
            numbers = map(str, (port, control, FOLLOWERS, seconds))
            crowd = pinned(python("bench.event_followers", *numbers, *pids), CLIENT_CORE)
            done = subprocess.run(crowd, capture_output=True, text=True, check=False)
            if done.returncode:
                log = (root / "log").read_text(errors="replace")[-2000:]
                raise BenchError(f"the followers: {done.stderr.strip()} {log}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report
