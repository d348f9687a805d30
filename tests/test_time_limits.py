"""tests/time_limits.py: whatever hangs, a run of tests ends, and nothing of it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import time_limits

Outcomes = Callable[..., dict[str, int]]

pytest_plugins = ["pytester"]

QUICK = """
from tests import time_limits
time_limits.AGAIN_S, time_limits.TEARDOWN_S, time_limits.DEAF_S = 0.2, 0.4, 4

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        time_limits.adopt_orphans()
        config.add_cleanup(time_limits.end_orphans)
"""
IMPORTS = """
import asyncio, signal, subprocess, time
from pathlib import Path
import pytest
"""
WITHOUT = ("cacheprovider", "schemathesis", "hypothesispytest", "anyio", "asyncio")
"""Plugins that take their time to start."""


@pytest.fixture
def outcomes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Outcomes:
    """How many tests of a file had which outcome."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))

    def run(tests: str, *options: str, conftest: str = "") -> dict[str, int]:
        pytester.makeconftest(QUICK + conftest)
        pytester.makepyfile(IMPORTS + tests)
        without = [f"-pno:{name}" for name in WITHOUT]
        plugins = ("-ptests.attempts", "-ptests.time_limits")
        return pytester.runpytest_subprocess(*plugins, *without, *options).parseoutcomes()

    return run


def test_each_attempt_has_the_whole_time_and_no_more(outcomes: Outcomes) -> None:
    tests = """
tries = []

@pytest.mark.timeout(2)
@pytest.mark.flaky(reruns=2)
def test_tried():
    tries.append(0)
    time.sleep(0.9)
    assert len(tries) == 3

@pytest.mark.timeout(0.3)
@pytest.mark.flaky(reruns=1)
def test_hangs():
    time.sleep(20)
"""
    assert outcomes(tests) == {"passed": 1, "failed": 1, "rerun": 3}


def test_a_failure_may_take_its_time_to_be_told(outcomes: Outcomes) -> None:
    tests = """
@pytest.mark.timeout(0.4)
def test_fails():
    assert False

def test_after():
    pass
"""
    slow = """
import time, pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call):
    time.sleep(0.7 if call.when == "call" else 0)
    return (yield)
"""
    assert outcomes(tests, conftest=slow) == {"passed": 1, "failed": 1}


def test_a_test_ends_whose_other_tasks_hear_of_it_first(outcomes: Outcomes) -> None:
    tests = """
async def hang():
    async def busy():
        while True:
            time.sleep(0.01)
            await asyncio.sleep(0)
    other = asyncio.create_task(busy())
    await asyncio.sleep(60)

@pytest.mark.timeout(0.4)
def test_hangs():
    asyncio.run(hang())

def test_after():
    pass
"""
    assert outcomes(tests) == {"passed": 1, "failed": 1}


def test_what_hangs_when_a_failed_test_is_cleared_away_ends_as_well(outcomes: Outcomes) -> None:
    tests = """
@pytest.fixture
def hanging():
    yield
    time.sleep(60)

@pytest.mark.timeout(30)
def test_fails(hanging):
    assert False

def test_after():
    pass
"""
    assert outcomes(tests) == {"passed": 1, "failed": 1, "errors": 1}


def test_a_process_that_hears_nothing_is_ended_and_so_are_its_programs(
    outcomes: Outcomes, pytester: pytest.Pytester
) -> None:
    tests = """
@pytest.mark.timeout(0.4)
def test_is_deaf():
    Path("pid").write_text(str(subprocess.Popen(["sleep", "600"]).pid))
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60)

def test_after():
    pass
"""
    assert outcomes(tests, "-n1") == {"passed": 1, "failed": 1}
    assert not Path("/proc", (pytester.path / "pid").read_text()).exists()


def test_a_program_that_ends_by_itself_meanwhile_ends_no_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    seen = [[gone.pid], list[int]()]
    monkeypatch.setattr(time_limits, "_children", lambda: seen.pop(0))
    time_limits.end_orphans()
    assert seen == []


def wait_until(is_so: Callable[[], bool]) -> None:
    """20 s at most."""
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


INTERRUPTED = """
from tests import sharing

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        sharing.have_a_session("gw0")

def pytest_keyboard_interrupt():
    time_limits.pass_interrupt_on()
"""


def test_an_interrupt_reaches_processes_with_a_session_of_their_own(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal tells only the first one, which would wait for ten seconds."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makeconftest("from tests import time_limits\n" + INTERRUPTED)
    tests = """
def test_waits():
    Path("began").touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        Path("told").touch()
        raise
"""
    pytester.makepyfile(IMPORTS + tests)
    without = [f"-pno:{name}" for name in WITHOUT]
    command, quiet = [sys.executable, "-m", "pytest", "-n1", *without], subprocess.DEVNULL
    run = pytester.popen(command, quiet, quiet, quiet, start_new_session=True)
    wait_until((pytester.path / "began").exists)
    os.killpg(run.pid, signal.SIGINT)
    run.wait(5)
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert (pytester.path / "told").exists()
