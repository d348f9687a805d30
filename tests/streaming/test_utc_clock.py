"""Whatever is done to the system's clock, the origin's goes on and never back."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.utc_clock import SLEW_RATE, UtcClock

NOON = 1_800_000_000.0


class Machine:
    """A machine whose clock can be set."""

    def __init__(self, started_utc: float = 0.0) -> None:
        self.uptime = 1000.0
        self.ahead = NOON - 1000.0
        self.clock = UtcClock(
            started_utc, system=lambda: self.uptime + self.ahead, monotonic=lambda: self.uptime
        )

    def run(self, seconds: float, *, is_idle: bool = False) -> None:
        for _ in range(int(seconds)):
            self.uptime += 1
            self.clock.follow(is_idle=is_idle)


def test_it_starts_with_the_systems_clock_and_runs_with_it() -> None:
    machine = Machine()
    assert machine.clock() == NOON
    machine.run(3600)
    assert machine.clock() == pytest.approx(NOON + 3600)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 90.0])
def test_a_step_of_the_systems_clock_does_not_reach_what_is_on_air(step_s: float) -> None:
    machine = Machine()
    machine.ahead += step_s
    machine.run(100)
    assert machine.clock() == pytest.approx(NOON + 100, abs=100 * SLEW_RATE + 0.001)
    assert machine.clock.offset_s == pytest.approx(step_s, abs=0.1)


def test_a_small_difference_is_made_up_for_in_minutes() -> None:
    machine = Machine()
    machine.ahead += 0.05
    machine.run(300)
    assert abs(machine.clock.offset_s) < 0.001


def test_a_step_forward_is_followed_at_once_while_nothing_is_on_air() -> None:
    machine = Machine()
    machine.ahead += 3600
    machine.run(1, is_idle=True)
    assert machine.clock.offset_s == pytest.approx(0)


def test_a_step_back_is_not_followed_even_while_nothing_is_on_air() -> None:
    machine = Machine()
    machine.ahead -= 3600
    machine.run(10, is_idle=True)
    assert machine.clock() >= NOON + 9


def test_it_does_not_start_before_what_an_earlier_origin_has_seen() -> None:
    assert Machine(NOON + 3600).clock() == NOON + 3600
    assert Machine(NOON - 3600).clock() == NOON


def test_a_step_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    machine.ahead += 3600
    with caplog.at_level(logging.INFO):
        machine.run(10)
    assert [record.message for record in caplog.records] == [
        "the system's clock is +3600.0 s off ours; what is on air goes on with ours"
    ]


def test_other_processes_can_follow_by_their_monotonic_clock() -> None:
    machine = Machine()
    assert machine.clock.ahead_of_monotonic_s + machine.uptime == NOON


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(st.floats(-7200, 7200), st.floats(0, 30), st.booleans()), max_size=20)
)
def test_it_never_goes_back(steps: list[tuple[float, float, bool]]) -> None:
    machine = Machine()
    latest = machine.clock()
    for step_s, seconds, is_idle in steps:
        machine.ahead += step_s
        machine.clock.follow(is_idle=is_idle)
        assert machine.clock() >= latest
        machine.uptime += seconds
        assert machine.clock() >= latest
        latest = machine.clock()
