"""Resident memory of the origin's processes over time, and whether it is flat."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ProcessTree, rss_bytes

GROWTH_SHARE = 0.05
GROWTH_BYTES = 3 << 20
"""The bound: over the latter half of a soak, a straight line through a process's memory rises by
no more than 5 % of its mean and 3 MiB. Allocators take pages by the megabyte, the live window
breathes by a segment; a leak of one segment, playlist or connection per push is above that within
an hour."""

MEGA = 1e6


@dataclass(frozen=True, slots=True)
class Trend:
    """One process over the latter half."""

    name: str
    pid: int
    mean_bytes: float
    growth_bytes: float
    """What the fitted line rises by."""

    @property
    def bound_bytes(self) -> float:
        """What it may rise by."""
        return GROWTH_SHARE * self.mean_bytes + GROWTH_BYTES

    @property
    def is_flat(self) -> bool:
        """Whether it stays within the bound."""
        return self.growth_bytes <= self.bound_bytes


class Memory:
    """Owns the samples of all processes of a tree."""

    def __init__(self, tree: ProcessTree) -> None:
        self._tree = tree
        self._samples: dict[int, list[tuple[float, int]]] = {}
        self._names: dict[int, str] = {}

    def sample(self, at_s: float) -> None:
        """Reads every process once."""
        for pid in self._tree.pids():
            size = rss_bytes(pid)
            name = self._names.get(pid) or process_name(pid)
            if size and name:
                self._names[pid] = name
                self._samples.setdefault(pid, []).append((at_s, size))

    @property
    def processes(self) -> dict[str, list[int]]:
        """Name → pids seen, in the order of their appearance."""
        found: dict[str, list[int]] = {}
        for pid, name in self._names.items():
            found.setdefault(name, []).append(pid)
        return found

    def trends(self, from_s: float) -> list[Trend]:
        """Of processes that were there from `from_s` on."""
        found = []
        for pid, samples in self._samples.items():
            late = [(at, size) for at, size in samples if at >= from_s]
            if len(late) < 3 or samples[0][0] > from_s:
                continue
            times, sizes = zip(*late, strict=True)
            slope = statistics.linear_regression(times, sizes).slope
            growth = slope * (times[-1] - times[0])
            found.append(Trend(self._names[pid], pid, statistics.fmean(sizes), growth))
        return found


def process_name(pid: int) -> str:
    """The module a process runs, or the program's own name; "" when it has gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1].removeprefix("streaming.")
    return "origin" if "serve" in words else ""
