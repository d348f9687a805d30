"""Which events are posted again."""

from __future__ import annotations

import pytest

from streaming.events.event import EventId
from streaming.events.event_filter import EventFilter
from streaming.events.event_log import EventLog, LogBounds
from streaming.webhooks import replay
from streaming.webhooks.replay import ReplayError, choose_named, choose_range
from tests.streaming.events.happenings import EPOCH, T0, happening, log_of, numbers

ALL = EventFilter()


def at(number: int, epoch: int = EPOCH) -> str:
    return f"{epoch}-{number}"


def test_events_are_chosen_by_their_ids_in_the_order_they_were_named() -> None:
    assert numbers(choose_named(log_of(9), [at(7), at(2)]).events) == [7, 2]


@pytest.mark.parametrize("wrong", ["x", "", at(10), at(3, EPOCH - 1), at(3)])
def test_an_event_that_the_log_has_not_is_said_so(wrong: str) -> None:
    log = log_of(9, LogBounds(count=5))
    with pytest.raises(ReplayError):
        choose_named(log, [at(7), wrong])


def test_a_range_begins_behind_one_event_and_ends_with_another() -> None:
    chosen = choose_range(log_of(9), at(3), at(6), ALL)
    assert (numbers(chosen.events), chosen.next) == ([4, 5, 6], "")
    assert numbers(choose_range(log_of(9), at(7), "", ALL).events) == [8, 9]
    assert choose_range(log_of(9), at(9), "", ALL).events == []
    assert choose_range(log_of(9), at(6), at(3), ALL).events == []


def test_all_that_are_kept_can_be_asked_for() -> None:
    assert numbers(choose_range(log_of(9, LogBounds(count=5)), "0", "", ALL).events) == [
        5,
        6,
        7,
        8,
        9,
    ]


def test_a_range_that_the_log_has_not_whole_is_not_cut_silently() -> None:
    log = log_of(9, LogBounds(count=5))
    for after in (at(2), "x", at(3, EPOCH - 1)):
        with pytest.raises(ReplayError):
            choose_range(log, after, "", ALL)
    with pytest.raises(ReplayError):
        choose_range(log, at(5), "x", ALL)


def test_a_range_of_which_wanted_chat_is_forgotten_is_not_cut_silently() -> None:
    log = EventLog(EventId(EPOCH, 0), EPOCH, LogBounds(count=20))
    for number in range(1, 100):
        log.push(happening(number, "path.state" if number < 5 else "chat"), T0)
    for types in ([], ["chat"]):
        with pytest.raises(ReplayError, match="forgotten"):
            choose_range(log, at(1), "", EventFilter(types=types))
    wanted = EventFilter(types=["path.*", "session.*"])
    assert numbers(choose_range(log, at(1), "", wanted).events) == [2, 3, 4]
    assert numbers(choose_range(log, "0", "", ALL).events)[:5] == [1, 2, 3, 4, 90]


def test_the_rest_of_all_that_are_kept_is_had_though_chat_is_forgotten_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay, "MOST_REPLAYED", 2)
    log = EventLog(EventId(EPOCH, 0), EPOCH, LogBounds(count=20))
    for number in range(1, 100):
        log.push(happening(number, "path.state" if number < 5 else "chat"), T0)
    first = choose_range(log, "0", "", ALL)
    assert numbers(choose_range(log, first.next, at(90), ALL).events) == [3, 4]


def test_of_a_range_what_the_webhook_wants_is_chosen() -> None:
    assert choose_range(log_of(9), "0", "", EventFilter(["other/*"])).events == []


def test_a_long_range_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MOST_REPLAYED", 4)
    log, after, found = log_of(10), "0", []
    while True:
        chosen = choose_range(log, after, at(9), ALL)
        found.append(numbers(chosen.events))
        after = chosen.next
        if not after:
            break
    assert found == [[1, 2, 3, 4], [5, 6, 7, 8], [9]]


def test_a_webhook_that_wants_little_does_not_hold_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay, "MOST_LOOKED_AT", 4)
    chosen = choose_range(log_of(10), "0", "", EventFilter(["other/*"]))
    assert (chosen.events, chosen.next) == ([], f"0:{at(4)}")
