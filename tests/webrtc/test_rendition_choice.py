from __future__ import annotations

from collections.abc import Callable

from webrtc.bandwidth import Bandwidth, Congestion
from webrtc.rendition_choice import RenditionChoice

RUNGS = (400_000, 1_200_000, 3_000_000)
HEAVY, MILD, NONE = Congestion.HEAVY, Congestion.MILD, Congestion.NONE


def report(
    congestion: Congestion = NONE, passed: int = 0, carried: int = 0, loss: float = 0.0
) -> Bandwidth:
    return Bandwidth(congestion, passed, carried, loss)


def a_choice_of_long_ago() -> RenditionChoice:
    """Whose first seconds are over."""
    choice = RenditionChoice()
    assert choice.choose(RUNGS, 2, report(), -100.0) == 2
    return choice


def watch(
    seconds: range, capacity: Callable[[int], int], choice: RenditionChoice, current: int
) -> list[int]:
    """What a viewer is sent each second whose reports know nothing but congestion."""
    sent = []
    for now in seconds:
        is_too_much = RUNGS[current] > capacity(now)
        bandwidth = report(HEAVY if is_too_much else NONE, min(capacity(now), RUNGS[current]))
        current = choice.choose(RUNGS, current, bandwidth, float(now))
        sent.append(current)
    return sent


def test_a_viewer_begins_with_the_best_that_most_can_receive() -> None:
    choice = RenditionChoice()
    assert choice.first(RUNGS) == 2
    assert choice.first((1_000_000, 8_000_000)) == 0
    assert choice.first((8_000_000,)) == 0


def test_a_cut_from_5_to_1_megabits_is_followed_at_once_and_made_good() -> None:
    choice = RenditionChoice()
    assert set(watch(range(10), lambda _: 5_000_000, choice, 2)) == {2}
    cut = watch(range(10, 13), lambda _: 1_000_000, choice, 2)
    assert cut == [0, 0, 0]
    back = watch(range(13, 60), lambda _: 5_000_000, choice, cut[-1])
    assert back[-1] == 2
    assert back.index(2) <= 20


def test_a_viewer_of_1_megabit_is_tried_ever_less_often() -> None:
    choice = a_choice_of_long_ago()
    sent = watch(range(300), lambda _: 1_000_000, choice, 0)
    tries = [now for now in range(1, 300) if sent[now] > sent[now - 1]]
    assert 2 <= len(tries) <= 8
    assert tries[-1] - tries[-2] > 30
    assert sum(sent) < 30, "seconds with more than it can receive"


def test_mild_congestion_has_to_last() -> None:
    choice = a_choice_of_long_ago()
    assert choice.choose(RUNGS, 2, report(MILD, 2_500_000), 0.0) == 2
    assert choice.choose(RUNGS, 2, report(), 1.0) == 2
    assert choice.choose(RUNGS, 2, report(MILD, 2_500_000), 2.0) == 2
    assert choice.choose(RUNGS, 2, report(MILD, 2_500_000), 3.0) == 1


def test_a_pause_that_bursts_speak_against_has_to_last() -> None:
    choice = a_choice_of_long_ago()
    assert choice.choose(RUNGS, 2, report(HEAVY, 1_500_000, 9_000_000), 0.0) == 2
    assert choice.choose(RUNGS, 2, report(HEAVY, 1_500_000, 9_000_000), 1.0) == 1


def test_congestion_costs_nothing_where_what_is_sent_gets_through() -> None:
    choice = a_choice_of_long_ago()
    for now in range(10):
        assert choice.choose(RUNGS, 1, report(HEAVY, 2_000_000), float(now)) == 1


def test_after_a_step_down_the_reports_are_still_about_before() -> None:
    choice = a_choice_of_long_ago()
    assert choice.choose(RUNGS, 2, report(HEAVY, 1_500_000), 0.0) == 1
    assert choice.choose(RUNGS, 1, report(HEAVY, 400_000), 1.0) == 1
    assert choice.choose(RUNGS, 1, report(HEAVY, 400_000), 4.0) == 0
    assert choice.choose(RUNGS, 0, report(HEAVY, 100_000), 9.0) == 0


def test_loss_without_any_figure_leads_down_by_one() -> None:
    assert a_choice_of_long_ago().choose(RUNGS, 2, report(HEAVY, loss=0.2), 0.0) == 1


def test_the_first_seconds_are_a_burst_of_ours_and_say_little() -> None:
    choice = RenditionChoice()
    assert choice.choose(RUNGS, 2, report(HEAVY, 1_000_000), 0.0) == 2
    assert choice.choose(RUNGS, 2, report(HEAVY, 1_000_000), 2.0) == 2
    assert choice.choose(RUNGS, 2, report(HEAVY, 1_000_000), 4.0) == 0


def test_the_first_seconds_bursts_tell_what_the_way_carries() -> None:
    choice = RenditionChoice()
    assert choice.choose(RUNGS, 2, report(HEAVY, 1_000_000, 1_600_000), 0.0) == 1
    assert RenditionChoice().choose(RUNGS, 2, report(HEAVY, 900_000, 9_000_000), 0.0) == 2


def test_what_bursts_promise_is_tried_soon_and_what_they_speak_against_late() -> None:
    promised, denied = a_choice_of_long_ago(), a_choice_of_long_ago()
    sent = [
        (
            promised.choose(RUNGS, 1, report(NONE, 1_200_000, 8_000_000), float(now)),
            denied.choose(RUNGS, 1, report(NONE, 1_200_000, 1_500_000), float(now)),
        )
        for now in range(50)
    ]
    assert next(now for now, (index, _) in enumerate(sent) if index == 2) <= 2
    assert {index for _, index in sent} == {1}


def test_nothing_is_tried_while_much_is_lost() -> None:
    choice = a_choice_of_long_ago()
    assert {choice.choose(RUNGS, 1, report(loss=0.08), float(now)) for now in range(99)} == {1}
