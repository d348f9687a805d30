from __future__ import annotations

from collections.abc import Sequence

from streaming.transcode.gop_queue import MOST_QUEUED_S
from streaming.transcode.overload import (
    ALMOST_FULL_LAG_S,
    ALMOST_FULL_S,
    CALM_S,
    LATE_LAG_S,
    LATE_S,
    START_S,
    Overload,
)

LADDER = ("720p", "480p", "360p")
ALMOST_FULL = [ALMOST_FULL_LAG_S + 0.5] * (int(ALMOST_FULL_S) + 1)
"""As short as lag may be that sheds one rung."""


def run(overload: Overload, lags: list[float], start: float = 0.0) -> list[tuple[str, ...]]:
    """One measurement a second; what stands still after each."""
    seen = []
    for second, lag in enumerate(lags):
        overload.observe(start + second, lag)
        seen.append(overload.shed)
    return seen


def begun(rungs: Sequence[str] = LADDER) -> Overload:
    """An overload whose source has been running for a while at second 0."""
    overload = Overload(rungs)
    overload.observe(-START_S, 0.0)
    return overload


def backlog(work: Sequence[float]) -> list[float]:
    """Lag after each second in which so much of a second's media was decoded."""
    lag, lags = 0.0, []
    for share in work:
        lag = min(max(0.0, lag + 1 - share), MOST_QUEUED_S)
        lags.append(lag)
    return lags


def test_what_came_while_the_encoders_opened_sheds_nothing() -> None:
    seen = run(Overload(LADDER), [1.0, 2.0, 3.0, 3.0, 2.5, 1.8, 0.9, 0.3, 0.0])
    assert seen[-1] == ()


def test_a_machine_that_is_too_slow_from_the_start_sheds_soon_after_it() -> None:
    seen = run(Overload(LADDER), [3.5] * 10)
    assert seen.index(("720p",)) == START_S + ALMOST_FULL_S


def test_a_spike_sheds_nothing() -> None:
    assert run(begun(), [3.0, 3.0, 0.1, 3.0, 3.0, 0.5])[-1] == ()


def test_others_at_work_for_some_seconds_make_it_late_and_shed_nothing() -> None:
    burst = backlog([0.7] * 8 + [1.4] * 8)
    assert max(burst) > 2 * LATE_LAG_S
    assert run(begun(), burst)[-1] == ()


def test_a_pause_that_nearly_fills_the_queue_sheds_nothing() -> None:
    assert run(begun(), backlog([0.0] * 3 + [1.5] * 6))[-1] == ()


def test_lasting_lag_sheds_one_rung_and_waits_for_the_effect() -> None:
    seen = run(begun(), [1.5] * (2 * int(LATE_S) + 1))
    assert seen.index(("720p",)) == LATE_S
    assert seen.index(("720p", "480p")) == 2 * LATE_S


def test_lag_is_not_waited_for_where_groups_would_be_dropped() -> None:
    lags = backlog([0.5] * 12)
    seen = run(begun(), lags)
    assert lags[seen.index(("720p",))] < MOST_QUEUED_S


def test_lag_that_swings_without_falling_is_lasting() -> None:
    assert run(begun(), [1.2, 2.4, 1.9] * 5)[-1] == ("720p",)


def test_lag_on_its_way_down_sheds_no_more() -> None:
    falling = [3.0, 3.2, 3.4, 3.0, 2.8, 2.6, 2.4, 2.2, 2.0, 1.8, 1.6, 1.4, 1.2]
    assert run(begun(), falling)[-1] == ("720p",)


def test_the_smallest_rung_is_never_shed() -> None:
    assert run(begun(), [9.0] * 90)[-1] == ("720p", "480p")


def test_after_calm_the_smallest_shed_rung_comes_back_first() -> None:
    overload = begun()
    assert run(overload, ALMOST_FULL * 2)[-1] == ("720p", "480p")
    seen = run(overload, [0.0] * 70, start=10)
    assert seen[int(CALM_S) - 1] == ("720p", "480p")
    assert seen[int(CALM_S)] == ("720p",)
    assert seen[2 * int(CALM_S)] == ()


def test_lag_in_between_is_neither_slow_nor_calm() -> None:
    overload = begun()
    run(overload, ALMOST_FULL)
    assert run(overload, [0.6] * 200, start=10)[-1] == ("720p",)


def test_a_rung_that_proves_too_much_again_waits_twice_as_long() -> None:
    overload = begun()
    run(overload, ALMOST_FULL)
    assert run(overload, [0.0] * 11, start=10)[-1] == ()
    assert run(overload, ALMOST_FULL, start=30)[-1] == ("720p",)
    seen = run(overload, [0.0] * 70, start=40)
    assert seen[2 * int(CALM_S) - 1] == ("720p",)
    assert seen[2 * int(CALM_S)] == ()


def test_a_machine_that_is_too_slow_for_good_tries_ever_more_seldom() -> None:
    overload, lag, tries = begun(), 0.0, 0
    for second in range(3600):
        lag = min(max(0.0, lag + (-0.5 if overload.shed else 0.3)), MOST_QUEUED_S)
        before = overload.shed
        overload.observe(second, lag)
        tries += bool(before) and not overload.shed
    assert 5 <= tries <= 12


def test_an_hour_of_peace_forgets_the_relapse() -> None:
    overload = begun()
    run(overload, ALMOST_FULL)
    run(overload, [0.0] * 11, start=10)
    run(overload, ALMOST_FULL, start=30)
    run(overload, [0.0] * 3600, start=40)
    run(overload, ALMOST_FULL, start=4000)
    assert run(overload, [0.0] * 12, start=4010)[-1] == ()
