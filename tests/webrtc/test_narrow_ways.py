"""What a viewer sees when the way to it is narrow, bad, or changes: everything but real time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.webrtc.fanout_stage import Stage, open_stage
from tests.webrtc.simulated_way import RUNGS, Simulation
from tests.wire.way import Way

FOUR_RUNGS = (400_000, 800_000, 1_500_000, 3_000_000)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """One twin is enough: test_twins.py says that they are the same."""
    with open_stage() as opened:
        yield opened


def way(rate: int = 0, loss: float = 0.0, jitter_s: float = 0.0) -> Way:
    """50 ms there and back, and this."""
    return Way(loss=loss, delay_s=0.025, jitter_s=jitter_s, rate=rate)


@pytest.mark.parametrize(
    "free",
    [
        pytest.param(way(), id="unlimited"),
        pytest.param(way(4_000_000), id="4 Mb/s"),
        pytest.param(way(loss=0.05), id="5 % loss"),
        pytest.param(way(5_000_000, loss=0.02, jitter_s=0.03), id="5 Mb/s, 2 % loss, 30 ms jitter"),
    ],
)
def test_where_the_best_gets_through_a_viewer_has_it_from_the_start_and_keeps_it(
    stage: Stage, free: Way
) -> None:
    show = Simulation(stage, RUNGS, free)
    show.run(20.0)
    assert show.sent == [(0.0, 1)]
    assert show.frozen_s() == 0.0


@pytest.mark.parametrize("rate", [0, 20_000_000, 8_000_000, 5_000_000, 4_000_000])
def test_who_joins_overflows_no_queue_and_soon_has_a_picture(stage: Stage, rate: int) -> None:
    """The key frame has 54 kB, 86 ms of 5 Mb/s; then there are 19 pictures more to catch up."""
    show = Simulation(stage, RUNGS, way(rate))
    show.run(3.0)
    first_s = show.receiver.shown[0][0] - show.began_s
    assert first_s <= 0.025 + max(54_000 * 8 * 1.1 / rate if rate else 0.0, 0.06)
    assert show.receiver.lost <= 2
    assert show.lag_s <= 0.15


def test_a_cut_from_5_to_1_megabits_is_followed_at_once_and_made_good_when_it_is_lifted(
    stage: Stage,
) -> None:
    show = Simulation(stage, RUNGS, way(5_000_000))
    show.run(10.0)
    show.set(way(1_000_000))
    show.run(20.0)
    show.set(way(5_000_000))
    show.run(15.0)
    (_, (down_s, low), (up_s, high)) = show.sent
    assert (low, high) == (0, 1)
    assert down_s - 10.0 < 1.5, "the next key frame is a second away at most"
    assert up_s - 30.0 < 8.0
    assert show.frozen_s() < 1.4
    assert show.receiver.lost < 250, "no more of what does not get through anyway"
    assert show.frozen_s(since=14.0) == 0.0, "what is lost before the switch burdens nobody after"


def test_of_four_rungs_a_cut_leads_to_the_one_that_fits(stage: Stage) -> None:
    show = Simulation(stage, FOUR_RUNGS, way(8_000_000))
    show.run(8.0)
    assert show.rung == 3
    show.set(way(2_000_000))
    show.run(3.0)
    assert show.rung == 2
    show.run(10.0)
    assert show.rung == 2


def test_a_viewer_of_1_megabit_falls_in_its_first_seconds_and_is_left_in_peace(
    stage: Stage,
) -> None:
    show = Simulation(stage, RUNGS, way(1_000_000))
    show.run(50.0)
    assert [rung for _, rung in show.sent] == [1, 0]
    assert show.sent[1][0] < 2.0
    assert show.frozen_s(since=4.0) == 0.0


def test_a_pause_of_half_a_second_costs_no_rendition(stage: Stage) -> None:
    """As when a mobile changes its cell: nothing comes, then all of it."""
    show = Simulation(stage, RUNGS, way(8_000_000))
    show.run(10.3)
    show.set(Way(loss=1.0, delay_s=0.025))
    show.run(0.3)
    show.set(way(8_000_000))
    show.run(10.0)
    assert show.rung == 1
    assert show.frozen_s() < 1.0
