from __future__ import annotations

from collections.abc import Sequence

from streaming.transcode.overload import CALM_S, SHED_AFTER_S, START_S, Overload


def run(overload: Overload, lags: list[float], start: float = 0.0) -> list[tuple[str, ...]]:
    """One measurement a second; what stands still after each."""
    seen = []
    for second, lag in enumerate(lags):
        overload.observe(start + second, lag)
        seen.append(overload.shed)
    return seen


def begun(rungs: Sequence[str]) -> Overload:
    """An overload whose source has been running for a while at second 0."""
    overload = Overload(rungs)
    overload.observe(-START_S, 0.0)
    return overload


def test_what_came_while_the_encoders_opened_sheds_nothing() -> None:
    seen = run(Overload(["720p", "360p"]), [1.0, 2.0, 3.0, 3.0, 2.5, 1.8, 0.9, 0.3, 0.0])
    assert seen[-1] == ()


def test_a_machine_that_is_too_slow_from_the_start_sheds_soon_after_it() -> None:
    seen = run(Overload(["720p", "360p"]), [3.5] * 10)
    assert seen.index(("720p",)) == START_S + SHED_AFTER_S


def test_a_spike_sheds_nothing() -> None:
    assert run(begun(["720p", "480p"]), [3.0, 3.0, 0.1, 3.0, 3.0, 0.5])[-1] == ()


def test_lasting_lag_sheds_the_largest_rung_and_then_waits_for_the_effect() -> None:
    seen = run(begun(["720p", "480p", "360p"]), [1.5] * 5)
    assert seen == [(), (), ("720p",), ("720p",), ("720p", "480p")]


def test_lag_on_its_way_down_sheds_no_more() -> None:
    seen = run(begun(["720p", "480p", "360p"]), [3.0, 3.2, 3.4, 3.0, 2.6, 2.2, 1.8, 1.4, 1.1])
    assert seen[-1] == ("720p",)


def test_the_smallest_rung_is_never_shed() -> None:
    assert run(begun(["720p", "360p"]), [9.0] * 30)[-1] == ("720p",)


def test_after_calm_the_smallest_shed_rung_comes_back_first() -> None:
    overload = begun(["720p", "480p", "360p"])
    run(overload, [1.5] * 5)
    seen = run(overload, [0.0] * 70, start=10)
    assert seen[int(CALM_S) - 1] == ("720p", "480p")
    assert seen[int(CALM_S)] == ("720p",)
    assert seen[2 * int(CALM_S)] == ()


def test_lag_in_between_is_neither_slow_nor_calm() -> None:
    overload = begun(["720p", "360p"])
    run(overload, [1.5] * 3)
    assert run(overload, [0.6] * 200, start=10)[-1] == ("720p",)


def test_a_rung_that_proves_too_much_again_waits_twice_as_long() -> None:
    overload = begun(["720p", "360p"])
    run(overload, [1.5] * 3)
    assert run(overload, [0.0] * 31, start=10)[-1] == ()
    assert run(overload, [1.5] * 3, start=50)[-1] == ("720p",)
    seen = run(overload, [0.0] * 70, start=60)
    assert seen[45] == ("720p",)
    assert seen[60] == ()


def test_an_hour_of_peace_forgets_the_relapse() -> None:
    overload = begun(["720p", "360p"])
    run(overload, [1.5] * 3)
    run(overload, [0.0] * 31, start=10)
    run(overload, [1.5] * 3, start=50)
    run(overload, [0.0] * 3600, start=60)
    run(overload, [1.5] * 3, start=4000)
    assert run(overload, [0.0] * 32, start=4010)[-1] == ()
