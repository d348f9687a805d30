"""Who gets the processor first."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from streaming.cpu_priority import Priority, give_up_raising_priority, raise_threads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nice of one thread is Linux's")

RAISE = """
import os, sys, threading
from streaming.cpu_priority import give_up_raising_priority, raise_threads
if "never" in sys.argv:
    give_up_raising_priority()
is_over, ids = threading.Event(), []
thread = threading.Thread(target=is_over.wait)
thread.start()
given = raise_threads([thread.native_id], sys.argv[1])
steps = os.getpriority(os.PRIO_PROCESS, 0) - os.getpriority(os.PRIO_PROCESS, thread.native_id)
policy = os.sched_getscheduler(thread.native_id) & ~os.SCHED_RESET_ON_FORK
print(given, steps, policy == os.SCHED_RR)
give_up_raising_priority()
print(raise_threads([threading.get_native_id()], "high"))
is_over.set()
"""


def raised(*arguments: str) -> list[str]:
    """What a program of its own says: a test's process has given up its right."""
    here = Path(__file__).parents[2]
    command = [sys.executable, "-c", RAISE, *arguments]
    return subprocess.run(
        command, cwd=here, check=True, text=True, stdout=subprocess.PIPE
    ).stdout.splitlines()


def is_allowed() -> bool:
    return raised("high")[0] != "usual 0 False"


def test_threads_that_send_are_raised_and_nothing_is_after_the_right_was_given_up() -> None:
    if not is_allowed():
        pytest.skip("the system allows nobody here to raise a priority")
    assert raised("high") == ["high 10 False", "usual"]
    assert raised("usual") == ["usual 0 False", "usual"]


def test_what_the_system_refuses_is_the_usual_priority() -> None:
    wanted: tuple[Priority, ...] = ("high", "realtime")
    for one in wanted:
        assert raised(one, "never") == ["usual 0 False", "usual"]


def test_real_time_that_is_refused_is_high(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, int]] = []

    def refuse(thread: int, policy: int, parameter: os.sched_param) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    monkeypatch.setattr(os, "getpriority", lambda which, who: 3)
    monkeypatch.setattr(os, "setpriority", lambda which, who, nice: made.append((who, nice)))
    assert raise_threads([5, 6], "realtime") == "high"
    assert made == [(5, -7), (6, -7)]


def test_limits_that_would_allow_it_are_given_up_too() -> None:
    give_up_raising_priority()
    for limit in (resource.RLIMIT_NICE, resource.RLIMIT_RTPRIO):
        assert resource.getrlimit(limit) == (0, 0)
