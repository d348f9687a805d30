"""A test that hangs ends, and so does its teardown, wherever it hangs.

pytest-timeout raises once, in whatever runs just then: in a busy event loop that may be another
task than the test's, which swallows it. And it counts no longer once a test has failed, so that a
fixture which hangs at its end would hang for ever. Here it is raised again until it is heard,
teardowns have time of their own, and a process that hears nothing is ended: xdist tells which test
that was, and goes on with another process.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from pytest_timeout import Settings

AGAIN_S: Final = 5.0
"""From one raising to the next."""
TEARDOWN_S: Final = 60.0
DEAF_S: Final = 60.0
"""So much longer than allowed, and the process is ended."""
PR_SET_CHILD_SUBREAPER: Final = 36

_SETTINGS = pytest.StashKey[Settings]()


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_timeout_set_timer(
    item: pytest.Item, settings: Settings
) -> Generator[None, object, object]:
    """Raises again and again what pytest-timeout raises once."""
    outcome = yield
    item.stash.setdefault(_SETTINGS, settings)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if settings.method == "signal" and in_main_thread:
        signal.setitimer(signal.ITIMER_REAL, settings.timeout, AGAIN_S)
    faulthandler.dump_traceback_later(
        settings.timeout + DEAF_S, exit=True, file=item.config.stash[fault_handler_stderr_fd_key]
    )
    return outcome


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_timeout_cancel_timer(item: pytest.Item) -> Generator[None, object, object]:
    """The time was enough."""
    faulthandler.cancel_dump_traceback_later()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Each attempt after the first has the whole time again."""
    if getattr(item, "execution_count", 1) > 1 and _SETTINGS in item.stash:
        _begin(item, item.stash[_SETTINGS])
    yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Nothing is raised in what tells of a test: that would be the end of pytest."""
    if item.stash.get(_SETTINGS, None) is not None and (call.when != "setup" or call.excinfo):
        signal.setitimer(signal.ITIMER_REAL, 0)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """What a test leaves behind may take its time, but not for ever."""
    if _SETTINGS in item.stash:
        _begin(item, item.stash[_SETTINGS]._replace(timeout=TEARDOWN_S))
    yield


def _begin(item: pytest.Item, settings: Settings) -> None:
    item.ihook.pytest_timeout_cancel_timer(item=item)
    item.ihook.pytest_timeout_set_timer(item=item, settings=settings)


def adopt_orphans() -> None:
    """Programs that a test process leaves behind at its death are children of this one."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans() -> None:
    """Ends all programs that this process has still running: they would hold its output open."""
    while children := _children():
        for pid in children:
            # It may end by itself, and a thread that waits for it may be quicker than we are.
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def pass_interrupt_on() -> None:
    """Tells children that have a session of their own what the terminal told only this process."""
    for pid in _children():
        with contextlib.suppress(ProcessLookupError):  # no group of its own: it was told, too
            os.killpg(pid, signal.SIGINT)


def _children() -> list[int]:
    """Children of ours; theirs are ours when they end."""
    own = Path(f"/proc/{os.getpid()}/task")
    return [int(pid) for task in own.iterdir() for pid in (task / "children").read_text().split()]
