"""What every test may ask for: golden files, a clip; and how tests are shared between processes."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser
from pytest_asyncio import is_async_test
from xdist.remote import Producer

from streaming.cpu_priority import give_up_raising_priority
from tests import attempts, time_limits
from tests.interop.browser import CAMERA, chromium
from tests.interop.heavy_clip import make_clip
from tests.sharing import GroupScheduling, have_a_session, order_of

GOLDEN = Path(__file__).parent / "golden"

Golden = Callable[[str, bytes | str], None]


def pytest_configure(config: pytest.Config) -> None:
    """Tests encode AV1 in their own process, which would then keep a core from everything else."""
    give_up_raising_priority()
    # Hundreds of programs of ours are started here: they are compiled once, not each time.
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # Programs started here are ended by SIGINT, which shells ignore in what runs behind them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(attempts)
    config.pluginmanager.register(time_limits)
    process = getattr(config, "workerinput", None)
    if process is not None:  # one of xdist's
        have_a_session(process["workerid"])
    else:
        time_limits.adopt_orphans()
        config.add_cleanup(time_limits.end_orphans)
    # The same examples in each run, however slow the machine is.
    slowness = [HealthCheck.too_slow]
    settings.register_profile(
        "shared", deadline=None, derandomize=True, suppress_health_check=slowness
    )
    settings.load_profile("shared")


def pytest_keyboard_interrupt() -> None:
    """Ctrl-C is for xdist's processes as well, each of which has a session of its own."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        time_limits.pass_interrupt_on()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` writes what the code makes now; look at the diff before committing."""
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite tests/golden from the code's output"
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays, so nothing looks for what goes: not now, where that takes an eighth
    of the time, and later not among 300,000 objects, where it takes 0.2 s of a test's time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first, which processes that share the tests need; `long` ones on demand."""
    for item in items:
        # A browser lives in one loop, that of all its tests.
        if "browser" in getattr(item, "fixturenames", ()) and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope=browser_scope(item)), append=False)
    items.sort(key=lambda item: order_of(item.nodeid))
    if os.environ.get("TEST_LONG") or config.args != config.getini("testpaths"):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def browser_scope(item: pytest.Function) -> Literal["module", "session"]:
    """Over the wire it is a module's, whose network the loop's threads are in."""
    scope = item._fixtureinfo.name2fixturedefs["browser"][-1].scope
    return "module" if scope == "module" else "session"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    """See tests/sharing.py."""
    return GroupScheduling(config, log)


@pytest.fixture(scope="session")
def heavy_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See tests/interop/heavy_clip.py."""
    return make_clip(tmp_path_factory.mktemp("clip"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests of a process, each with a context of its own."""
    async with chromium(CAMERA) as running:
        yield running


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """``golden(name, content)``: content equals tests/golden/<name>, byte for byte."""
    update: bool = request.config.getoption("--update-golden")

    def compare(name: str, content: bytes | str) -> None:
        path = GOLDEN / name
        actual = content.encode() if isinstance(content, str) else bytes(content)
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(actual)
        elif not path.exists():
            pytest.fail(f"no golden file {name}: make it with --update-golden")
        expected = path.read_bytes()
        if isinstance(content, str):
            assert content == expected.decode()
        assert actual == expected, f"{name} differs; --update-golden accepts the change"

    return compare
