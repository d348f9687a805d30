"""tests/attempts.py: what a test finds that is tried again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Outcomes = Callable[[str], dict[str, int]]

pytest_plugins = ["pytester"]

SHARED = """
import time
import pytest

made = []

@pytest.fixture(scope="module")
def origin():
    made.append("made")
    yield len(made)
    made.append("ended")
"""
WITHOUT = ("cacheprovider", "schemathesis", "hypothesispytest", "anyio", "asyncio", "xdist")
"""Plugins that take their time to start."""


@pytest.fixture
def outcomes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Outcomes:
    """How many tests of a file had which outcome."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))

    def run(tests: str) -> dict[str, int]:
        pytester.makepyfile(SHARED + tests)
        without = [f"-pno:{name}" for name in WITHOUT]
        return pytester.runpytest_subprocess("-ptests.attempts", *without).parseoutcomes()

    return run


def test_what_follows_a_failed_attempt_has_everything_anew(outcomes: Outcomes) -> None:
    tests = """
def test_before(origin):
    assert origin == 1

@pytest.mark.flaky(reruns=2)
def test_tried(origin):
    assert origin == 5
    assert made == ["made", "ended"] * 2 + ["made"]

def test_fails(origin):
    assert origin == 0

def test_after(origin):
    assert origin == 7
"""
    assert outcomes(tests) == {"passed": 3, "failed": 1, "rerun": 2}
