"""Programs under measurement: CPU time by the kernel's own accounts, never by the wall clock."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = resource.getpagesize()
NANOSECONDS = 1e9
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
STOP_S = 10.0
"""For a program to end when asked; then it is killed."""


class BenchError(Exception):
    """A benchmark cannot be run here; the text says what is missing or what failed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one program with all its children has used from its exec to its end."""

    cpu_s: float
    peak_rss_bytes: int


def run(command: Sequence[str], core: int | None = None) -> Usage:
    """Runs `command` to its end, on one core if asked. Raises BenchError when it fails."""
    process = subprocess.Popen(
        pinned(command, core), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, env=_environment(),
    )  # fmt: skip
    assert process.stderr is not None
    complaint = process.stderr.read()  # until it ends: wait4 below would wait as long
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = complaint.decode(errors="replace").strip()[-2000:]
        raise BenchError(f"{' '.join(command)} failed with {process.returncode}: {tail}")
    return Usage(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def pinned(command: Sequence[str], core: int | None) -> list[str]:
    """`command`, kept on one core where the machine has several and taskset is there."""
    cores = sorted(os.sched_getaffinity(0))
    if core is None or len(cores) < 2 or shutil.which("taskset") is None:
        return list(command)
    return ["taskset", "-c", str(cores[core % len(cores)]), *command]


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def _environment() -> dict[str, str]:
    """Ours, but Python keeps bytecode as every installation does, or each start would compile."""
    return {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}


def need(program: str) -> str:
    """Where `program` is; raises BenchError naming what to install."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BenchError(f"{program} is not installed: run deploy/setup.sh bench")
    return found


@contextlib.contextmanager
def running(
    command: Sequence[str], core: int | None = None, log: Path | None = None
) -> Iterator[ProcessTree]:
    """Starts `command`, and ends it when the block is left; its output goes to `log`."""
    with open(log or os.devnull, "ab") as output:
        process = subprocess.Popen(
            pinned(command, core), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=_environment(),
        )  # fmt: skip
    try:
        yield ProcessTree(process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Whoever ends the block by SIGTERM or SIGHUP has what it runs ended with it, and a word said.

    Without it Python dies of them at once and in silence, and its servers go on. For main threads.
    """

    def end(number: int, frame: object) -> None:
        raise SystemExit(f"ended by {signal.Signals(number).name}")

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    ours = [number for number, handler in before.items() if handler is not signal.SIG_IGN]  # nohup
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])


class ProcessTree:
    """Owns nothing; reads the kernel's accounts of a program and all its descendants."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Of the program itself."""
        return self._process.pid

    def check(self) -> None:
        """Raises BenchError when the program has ended."""
        if self._process.poll() is not None:
            raise BenchError(f"{self._process.args!r} ended with {self._process.returncode}")

    def pids(self) -> list[int]:
        """The program and its descendants alive now."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := read_stat(int(entry.name))):
                children.setdefault(int(fields[1]), []).append(int(entry.name))
        found = [self.pid]
        for pid in found:
            found += children.get(pid, ())
        return found

    def cpu_s(self) -> float:
        """On-CPU time of all threads of all processes alive, in nanosecond accounts."""
        return sum(cpu_s(pid) for pid in self.pids())

    def rss_bytes(self) -> list[int]:
        """Resident memory of each process."""
        return [rss_bytes(pid) for pid in self.pids()]

    def shared_file_bytes(self) -> int:
        """Pages of files without a name in memory (memfd), which no process's RSS counts."""
        files: dict[int, int] = {}
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for link in Path(f"/proc/{pid}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        if os.readlink(link).startswith("/memfd:"):
                            seen = link.stat()
                            files[seen.st_ino] = seen.st_blocks * 512
        return sum(files.values())

    def pss_bytes(self) -> int:
        """Memory of the whole tree, shared pages counted once."""
        return sum(pss_bytes(pid) for pid in self.pids())


def read_stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on; empty when the process has gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def cpu_s(pid: int) -> float:
    """On-CPU seconds of a process's threads; 0 when it has gone."""
    total = 0
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total / NANOSECONDS


def rss_bytes(pid: int) -> int:
    """Resident bytes of a process; 0 when it has gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def pss_bytes(pid: int) -> int:
    """Proportional share of resident bytes; 0 when it has gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def wait_until(condition_s: float, what: str, step_s: float = 0.01) -> Iterator[None]:
    """Yields until the caller breaks out; raises BenchError after `condition_s`."""
    deadline = time.monotonic() + condition_s
    while time.monotonic() < deadline:
        yield
        time.sleep(step_s)
    raise BenchError(f"{what} did not happen within {condition_s:g} s")
