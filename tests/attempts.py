"""A test that is tried again (`flaky`) begins as if it had not been tried before.

pytest-rerunfailures keeps what a module shares, so a second attempt would find the paths, viewers
and processes that the first one left behind. Time of its own it has by tests/time_limits.py.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remembers whether this attempt has failed."""
    report = yield
    item.stash[_FAILED] = report.failed or (report.when != "setup" and item.stash[_FAILED])
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """After a failure nothing is shared with the attempt or the test that follows."""
    if item.stash.get(_FAILED, False):
        item.session._setupstate.teardown_exact(None)
