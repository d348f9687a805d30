"""WHEP viewers by the hundred (bench.whep_crowd), from outside of their process."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.processes import BenchError, pinned, python
from bench.servers import scratch


class Viewers:
    """Viewers in a process of their own."""

    def __init__(self, process: subprocess.Popen[str], counter: Path, join_s: float) -> None:
        self._process = process
        self._counter = counter
        self.join_s = join_s

    @property
    def packets(self) -> int:
        """Counted so far."""
        return int.from_bytes(self._counter.read_bytes(), "little")

    def end(self) -> dict[str, Any]:
        """What they saw."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        seen: dict[str, Any] = json.loads(self._process.stdout.read())
        return seen


@contextlib.contextmanager
def viewing(endpoints: Sequence[str], count: int, core: int | None = None) -> Iterator[Viewers]:
    """So many, joined, equal shares at each endpoint; they are killed, and say no goodbye."""
    with scratch("bench-whep-") as root:
        counter = root / "count"
        counter.write_bytes(bytes(8))
        command = python("bench.whep_crowd", str(count), str(counter), *endpoints)
        process = subprocess.Popen(
            pinned(command, core), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            if not said:
                raise BenchError(f"not all of {count} viewers could join")
            yield Viewers(process, counter, json.loads(said)["join_s"])
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
