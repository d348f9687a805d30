"""tests/sharing.py: which tests come first, and where."""

from __future__ import annotations

from tests.sharing import PUNCTUAL, ROOT, WAITING, group_of, next_group, order_of

PLAYBACK = "tests/interop/test_browser_playback.py::test_x"
VIEWING = "tests/wire/test_viewing.py::test_x[a/b]"
LIGHT_VIEWING = "tests/wire/test_light_viewing.py::test_x"
SOAK = "tests/soak/test_soak.py::test_x"
SOURCES = "tests/interop/test_sources.py::test_x"
DAY = "tests/segmenter/day/test_day.py::test_x"


def test_all_that_have_a_browser_stay_together() -> None:
    assert group_of(PLAYBACK) == group_of(VIEWING) == "browser"
    assert group_of(LIGHT_VIEWING) == "tests/wire/test_light_viewing.py"


def test_what_takes_longest_comes_first_and_what_computes_last() -> None:
    mixed = [DAY, SOURCES, LIGHT_VIEWING, SOAK, VIEWING]
    assert sorted(mixed, key=order_of) == [VIEWING, SOAK, LIGHT_VIEWING, SOURCES, DAY]


def test_a_third_process_only_waits() -> None:
    assert next_group(["browser", "soak", "a.py"], "gw2") == "soak"
    assert next_group(["browser", "a.py"], "gw2") is None


def test_a_fourth_process_only_computes() -> None:
    assert (
        next_group(["browser", "soak", "tests/interop/a.py", "tests/a.py"], "gw3") == "tests/a.py"
    )
    assert next_group(["browser", "soak", "tests/interop/a.py"], "gw3") is None
    assert next_group([*PUNCTUAL], "gw3") is None


def test_what_waits_is_left_to_the_third_process_as_long_as_there_is_work() -> None:
    assert next_group(["soak", "a.py"], "gw0") == "a.py"
    assert next_group(["soak"], "gw1") == "soak"
    assert next_group([], "gw1") is None


def test_what_is_said_to_wait_is_there() -> None:
    assert all(group == "soak" or (ROOT / group).is_file() for group in WAITING | PUNCTUAL)
