"""A test that is tried again (`flaky`) begins as if it had not been tried before.

pytest-rerunfailures keeps what a module shares, so a second attempt would find the paths, viewers
and processes that the first one left behind; and pytest-timeout gives all attempts one time.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

_FAILED = pytest.StashKey[bool]()
_TIMEOUT = pytest.StashKey[object]()


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


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: object) -> None:
    """Remembers the test's time; the plugin itself sets the timer."""
    item.stash[_TIMEOUT] = settings


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Each attempt after the first has the whole time again."""
    if getattr(item, "execution_count", 1) > 1 and _TIMEOUT in item.stash:
        item.ihook.pytest_timeout_cancel_timer(item=item)
        item.ihook.pytest_timeout_set_timer(item=item, settings=item.stash[_TIMEOUT])
