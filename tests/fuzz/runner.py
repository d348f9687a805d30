"""`make fuzz`: each target under fire for FUZZ_SECONDS; exit status 1 when one broke.

With atheris installed it drives the targets, guided by coverage. Without it our own dice do, with
a coverage of lines that `sys.settrace` gives for a part of the inputs: slower, needs nothing.

| variable        | meaning                                             | default      |
|-----------------|-----------------------------------------------------|--------------|
| FUZZ_SECONDS    | seconds for each target                             | 60           |
| FUZZ_EXECUTIONS | inputs for each target instead, by our own dice     | by the time  |
| FUZZ_TARGETS    | names or beginnings of names, separated by blanks   | all          |
| FUZZ_SEED       | what the dice begin with                            | the clock    |
| FUZZ_ENGINE     | `own` or `atheris`                                  | as installed |
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import math
import os
import random
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from .mutation import MAX_BYTES
from .registry import CORPUS, HERE, Target, targets

SLOW_S = 2.0
"""One input of at most 64 KiB that takes longer is a denial of service."""
MEMORY_BYTES = 2 << 30
"""Address space; what wants more for 64 KiB of input is a denial of service too."""
TRACED_SHARE = 0.25
"""How many of the inputs are watched for lines never reached before: they run ten times slower."""
NO_END = 1 << 62
CRASHES_KEPT = 5
"""Different crashes after which a target has had enough."""

ROOT = str(HERE.parents[1])
_WATCHED = tuple(
    os.path.join(ROOT, package) + os.sep for package in ("segmenter", "streaming", "webrtc")
)


class TooSlowError(Exception):
    """An input took longer than SLOW_S."""


@dataclass
class Outcome:
    """What one target went through."""

    executions: int = 0
    lines: int = 0
    crashes: dict[str, str] = field(default_factory=dict)
    """Where it broke, and the file that holds the input."""


class Lines:
    """Counts which lines of our packages have ever been reached."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self._fresh = False

    def is_new(self, target: Target, data: bytes) -> bool:
        """Run the target; whether it got to a line that nothing reached before."""
        self._fresh = False
        sys.settrace(self._on_call)
        try:
            target.run(data)
        finally:
            sys.settrace(None)
        return self._fresh

    def _on_call(self, frame: FrameType, _event: str, _argument: object) -> Any:
        return self._on_line if frame.f_code.co_filename.startswith(_WATCHED) else None

    def _on_line(self, frame: FrameType, event: str, _argument: object) -> Any:
        place = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and place not in self.seen:
            self.seen.add(place)
            self._fresh = True
        return self._on_line


def fuzz(target: Target, seconds: float, seed: str, most: int = NO_END) -> Outcome:
    """Our own dice against one target, for a time or a number of executions."""
    dice = random.Random(f"{seed} {target.name}")
    pool, outcome, lines = list(target.seeds), Outcome(), Lines()
    end = time.monotonic() + seconds
    inputs = iter(target.seeds)
    while time.monotonic() < end and outcome.executions < most:
        if len(outcome.crashes) >= CRASHES_KEPT:
            break
        data = next(inputs, None)
        is_seed = data is not None
        data = target.mutate(dice, pool) if data is None else data
        outcome.executions += 1
        try:
            with time_limit(SLOW_S):
                if is_seed or dice.random() < TRACED_SHARE:
                    if lines.is_new(target, data) and not is_seed:
                        pool.append(data)
                else:
                    target.run(data)
        except Exception as error:
            keep_crash(target, data, error, outcome)
    outcome.lines = len(lines.seen)
    return outcome


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """TooSlowError after so many seconds of processor time, which a busy machine does not cut."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TooSlowError(f"more than {seconds:g} s")

    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def keep_crash(target: Target, data: bytes, error: Exception, outcome: Outcome) -> None:
    """Writes the input into the corpus once for each place that broke."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} at {os.path.relpath(frame.filename, ROOT)}:{frame.lineno}"
    if place in outcome.crashes:
        return
    file = CORPUS / target.name / hashlib.sha256(data).hexdigest()[:16]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    outcome.crashes[place] = str(file)
    print(f"  {place}: {error}\n    {len(data)} bytes in {file.relative_to(ROOT)}", flush=True)


def fuzz_with_atheris(name: str, seconds: float) -> int:
    """One target under atheris, in a process of its own, which it ends itself."""
    directory = CORPUS / name
    directory.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "tests.fuzz.atheris_target", name),
        *(f"-max_total_time={int(seconds)}", f"-max_len={MAX_BYTES}", "-print_final_stats=1"),
        *(f"-timeout={int(SLOW_S)}", f"-artifact_prefix={directory}/", "-verbosity=0"),
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def chosen(names: str) -> list[Target]:
    """The targets that FUZZ_TARGETS asks for; all when it is empty."""
    wanted = tuple(names.split())
    return [t for t in targets().values() if not wanted or t.name.startswith(wanted)]


def main() -> int:
    """Runs all that was chosen; 1 when anything broke."""
    most = int(os.environ.get("FUZZ_EXECUTIONS", "0"))
    seconds = math.inf if most else float(os.environ.get("FUZZ_SECONDS", "60"))
    seed = os.environ.get("FUZZ_SEED", str(int(time.time())))
    has_atheris = importlib.util.find_spec("atheris") is not None and not most
    installed = "atheris" if has_atheris else "own"
    engine = os.environ.get("FUZZ_ENGINE", installed)
    picked = chosen(os.environ.get("FUZZ_TARGETS", ""))
    if not picked:
        print("no such fuzz target; there are: " + " ".join(targets()))
        return 2
    each = f"{most} inputs" if most else f"{seconds:g} s"
    print(f"{len(picked)} targets, {each} each, engine {engine}, FUZZ_SEED={seed}", flush=True)
    if engine == "atheris":
        codes = [fuzz_with_atheris(target.name, seconds) for target in picked]
        return int(any(codes))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    broken = 0
    for target in picked:
        outcome = fuzz(target, seconds, seed, most or NO_END)
        broken += bool(outcome.crashes)
        print(
            f"{target.name:24} {outcome.executions:9} executions {outcome.lines:5} lines "
            f"{len(outcome.crashes)} crashes",
            flush=True,
        )
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
