"""tests/sharing.py: which tests come first, and where."""

from __future__ import annotations

import itertools
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.sharing import (
    ORDER,
    PREFERENCES,
    PUNCTUAL,
    ROOT,
    WAITING,
    GroupScheduling,
    group_of,
    kind_of,
    next_group,
    order_of,
)

PLAYBACK = "tests/interop/test_browser_playback.py"
WIRE = "tests/wire/test_viewing.py"
OBS = "tests/interop/test_obs.py"
SOURCES = "tests/interop/test_sources.py"
DAY = "tests/segmenter/day/test_day.py"
MESSAGES = "tests/interop/test_messages.py"
ALL = [WIRE, "soak", PLAYBACK, MESSAGES, DAY]


def test_tests_of_a_file_stay_together_and_all_of_the_soak() -> None:
    assert group_of(f"{WIRE}::test_x[a/b]") == WIRE
    assert group_of("tests/soak/test_soak.py::test_x") == "soak"
    assert group_of("tests/soak/test_media_times.py::test_x") == "soak"


def test_the_wire_comes_first_and_what_computes_last() -> None:
    mixed = [DAY, SOURCES, "tests/soak/test_soak.py", PLAYBACK, WIRE]
    assert sorted(mixed, key=order_of) == [WIRE, "tests/soak/test_soak.py", PLAYBACK, SOURCES, DAY]


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        (WIRE, "works"),
        (OBS, "works"),
        (PLAYBACK, "browses"),
        ("tests/webrtc/test_chromium.py", "browses"),
        (MESSAGES, "waits"),
        ("soak", "soaks"),
        (DAY, "computes"),
    ],
)
def test_what_a_file_does_most_of_the_time_is_known(group: str, kind: str) -> None:
    assert kind_of(group) == kind


@pytest.mark.parametrize(
    ("process", "begun"),
    [
        ("gw0", [WIRE, PLAYBACK, MESSAGES, "soak", DAY]),
        ("gw1", [PLAYBACK, WIRE, MESSAGES, "soak", DAY]),
        ("gw2", [MESSAGES, WIRE, PLAYBACK, "soak", DAY]),
        ("gw3", [DAY]),
        ("gw4", ["soak", MESSAGES]),
    ],
)
def test_each_process_begins_with_its_own_and_goes_on_with_others(
    process: str, begun: list[str]
) -> None:
    left, seen = list(ALL), []
    while (group := next_group(left, process)) is not None:
        left.remove(group)
        seen.append(group)
    assert seen == begun


def test_of_its_kind_a_process_takes_what_comes_first() -> None:
    assert next_group([OBS, WIRE], "gw0") == OBS
    assert next_group([SOURCES, MESSAGES], "gw2") == SOURCES


def test_a_process_in_place_of_one_that_died_does_whatever_there_is() -> None:
    assert next_group(ALL, "gw5") == WIRE


def test_whoever_gives_way_gets_nothing_that_watches_the_clock_or_takes_long() -> None:
    assert next_group([*PUNCTUAL, "tests/streaming/server/test_api_document.py"], "gw3") is None


def test_every_kind_is_somebodys_first_choice_but_what_computes() -> None:
    first = {kinds[0] for kinds in PREFERENCES.values()}
    assert first == {"works", "browses", "waits"}
    assert all(sorted(a) == sorted(b) for a, b in itertools.pairwise(PREFERENCES.values()))


def test_what_is_named_is_there() -> None:
    named = {start for start in ORDER if start.endswith(".py")} | WAITING | PUNCTUAL
    assert all((ROOT / group).is_file() for group in named)


@pytest.mark.parametrize(("process", "niceness"), [("gw0", 0), ("gw3", 10)])
def test_each_process_has_a_session_and_what_computes_gives_way(
    process: str, niceness: int
) -> None:
    code = (
        "import os, tests.sharing; before = os.nice(0)\n"
        f"tests.sharing.have_a_session({process!r})\n"
        "print(os.getsid(0) == os.getpid(), os.nice(0) - before)"
    )
    said = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert said.split() == ["True", str(niceness)]


class Process:
    """What xdist's scheduler tells one of its processes."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.begun: list[list[int]] = []
        self.shutting_down = False

    def send_runtest_some(self, tests: list[int]) -> None:
        self.begun.append(tests)

    def shutdown(self) -> None:
        self.shutting_down = True


def test_what_a_process_left_when_it_died_is_done_by_the_next_one() -> None:
    config: Any = SimpleNamespace(
        getvalue=lambda _: ["popen"], option=SimpleNamespace(loadscopereorder=False)
    )
    scheduling = GroupScheduling(config)
    tests = [f"{WIRE}::done", f"{OBS}::deadly", f"{OBS}::after", f"{DAY}::last"]

    def begin(process: Any) -> None:
        scheduling.add_node(process)
        scheduling.add_node_collection(process, tests)
        scheduling.schedule()

    first: Any = Process("gw0")
    begin(first)
    scheduling.mark_test_complete(first, 0)
    assert scheduling.remove_node(first) == tests[1], "it is told of, and not tried again"
    second: Any = Process("gw5")
    begin(second)
    assert second.begun == [[2], [3]], "a test begins when there is another one"
    assert not second.shutting_down
    scheduling.mark_test_complete(second, 2)
    assert second.shutting_down, "or none any more"
