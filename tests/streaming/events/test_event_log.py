"""The ring: what is kept, what is known of an id, and the snapshot in the place of the rest."""

from __future__ import annotations

import random

import pytest

from streaming.events.event import (
    CLOSED,
    STARTED,
    STATE,
    EventId,
    LoggedEvent,
    parse_id,
    read_event,
)
from streaming.events.event_filter import AnyOf, EventFilter, FilterError
from streaming.events.event_log import EventLog, LogBounds
from streaming.events.follower import Follower
from tests.streaming.events.happenings import EPOCH, T0, happening, log_of, numbers

EVERYTHING = EventFilter()
STATES = EventFilter(types=["path.*", "publisher.*"])


@pytest.mark.parametrize(
    "text", ["", "1", "1-", "-1", "01-1", "1-1 ", "1-1\n", "a-b", "1-" + "9" * 17]
)
def test_what_is_no_id_is_none(text: str) -> None:
    assert parse_id(text) is None


def test_ids_compare_in_log_order() -> None:
    assert EventId(5, 900) < EventId(6, 0) < EventId(6, 2) < EventId(6, 10)
    assert parse_id(str(EventId(6, 10))) == EventId(6, 10)


def test_a_follower_gets_everything_after_its_id_once_and_in_order() -> None:
    log = log_of(600)
    follower = Follower(EventId(EPOCH, 3), EVERYTHING)
    got: list[int] = []
    while told := follower.take(log, T0):
        got += numbers(told)
    assert got == list(range(4, 601))
    log.push(happening(601), T0)
    assert numbers(follower.take(log, T0)) == [601]


def test_the_log_is_bounded_by_count_and_its_floor_is_the_last_event_forgotten() -> None:
    log = log_of(5_000, LogBounds(count=100))
    assert len(log) == 100
    assert log.floor == EventId(EPOCH, 4_900)
    assert log.knows(EventId(EPOCH, 4_900))
    assert not log.knows(EventId(EPOCH, 4_899))
    assert numbers(log.after(log.floor, 3)) == [4_901, 4_902, 4_903]


def test_the_log_is_bounded_by_size() -> None:
    log = log_of(1_000, LogBounds(size_bytes=100_000))
    assert log.size_bytes <= 100_000
    assert 50 < len(log) < 200


def test_the_log_is_bounded_by_age_though_nothing_happens() -> None:
    log = log_of(10, LogBounds(age_s=60.0))
    log.trim(T0 + 65.5)
    assert numbers(log.after(log.floor, 99)) == [6, 7, 8, 9, 10]


def test_who_asks_for_what_is_forgotten_is_told_a_reset_and_then_goes_on() -> None:
    log = log_of(200, LogBounds(count=100))
    follower = Follower(EventId(EPOCH, 50), EVERYTHING)
    (told,) = follower.take(log, T0)
    assert (told.event.type, told.id) == ("reset", EventId(EPOCH, 200))
    assert told.event.data["reason"] == "start"
    log.push(happening(201), T0)
    assert numbers(follower.take(log, T0)) == [201]


def test_who_becomes_too_slow_is_told_a_reset() -> None:
    log = log_of(200, LogBounds(count=100))
    follower = Follower(EventId(EPOCH, 150), EVERYTHING)
    follower.take(log, T0)
    for number in range(201, 450):
        log.push(happening(number), T0)
    (told,) = follower.take(log, T0)
    assert (told.event.type, told.event.data["reason"]) == ("reset", "lost")


@pytest.mark.parametrize("position", [EventId(EPOCH - 1, 7), EventId(EPOCH + 1, 1), EventId(0, 0)])
def test_an_id_of_an_unknown_epoch_is_answered_by_a_reset(position: EventId) -> None:
    (told,) = Follower(position, EVERYTHING).take(log_of(9), T0)
    assert told.event.type == "reset"


def test_ids_of_former_epochs_are_known_while_their_events_are_kept() -> None:
    log = EventLog(EventId(EPOCH - 5, 0), EPOCH)
    for number in (1, 2, 3):
        log.push(happening(number, epoch=EPOCH - 5), T0)
    log.push(happening(1, epoch=EPOCH), T0)
    assert numbers(log.after(EventId(EPOCH - 5, 2), 9)) == [3, 1]
    assert log.knows(EventId(EPOCH - 5, 3))
    assert log.knows(EventId(EPOCH, 0))
    assert not log.knows(EventId(EPOCH - 5, 4)), "it was told, but nobody kept what came then"


def test_an_id_that_another_process_of_ours_told_already_is_waited_for() -> None:
    log = log_of(5)
    follower = Follower(EventId(EPOCH, 7), EVERYTHING)
    assert follower.take(log, T0) == []
    for number in (6, 7, 8):
        log.push(happening(number), T0)
    assert numbers(follower.take(log, T0)) == [8]


def test_who_has_nothing_begins_with_the_present_or_with_all_that_is_kept() -> None:
    log = log_of(3)
    assert [t.event.type for t in Follower(None, EVERYTHING).take(log, T0)] == ["reset"]
    assert numbers(Follower(None, EVERYTHING, at_end=False).take(log, T0)) == [1, 2, 3]


def test_a_position_moves_past_what_is_not_wanted() -> None:
    log = log_of(700)
    follower = Follower(EventId(EPOCH, 0), EventFilter(types=["publisher.*"]))
    assert follower.take(log, T0) == []
    assert follower.position == EventId(EPOCH, 700)


def chatty(count: int, bounds: LogBounds) -> EventLog:
    """A log to which one path.state in twenty events was pushed among chat."""
    log = EventLog(EventId(EPOCH, 0), EPOCH, bounds)
    for number in range(1, count + 1):
        log.push(happening(number, STATE if number % 20 == 1 else "chat"), T0)
    return log


def test_a_chatty_audience_pushes_nothing_of_others_out() -> None:
    log = chatty(1_000, LogBounds(count=200))
    states = [n for n in range(1, 1_001) if n % 20 == 1]
    assert numbers(Follower(EventId(EPOCH, 0), STATES).take(log, T0)) == states
    assert len(log) == 150, "half of the room, and the fifty others"
    assert log.floor == EventId(EPOCH, 0)


def test_a_chatty_audience_takes_half_of_the_bytes_at_most() -> None:
    log = chatty(4_000, LogBounds(size_bytes=100_000))
    assert log.size_bytes <= 100_000
    assert len(Follower(EventId(EPOCH, 2_700), STATES).take(log, T0)) > 50


def test_who_wants_chat_cannot_go_on_from_where_some_is_forgotten() -> None:
    log = chatty(1_000, LogBounds(count=200))
    for types in ([], ["chat"], ["session.*", "c*"]):
        (told,) = Follower(EventId(EPOCH, 500), EventFilter(types=types)).take(log, T0)
        assert (told.event.type, told.id) == ("reset", EventId(EPOCH, 1_000))
    assert numbers(Follower(EventId(EPOCH, 998), EVERYTHING).take(log, T0)) == [999, 1_000]
    assert numbers(Follower(log.frequent_floor, EVERYTHING).take(log, T0))[0] == 896


@pytest.mark.parametrize(
    ("kind", "missed_by", "not_missed_by"),
    [
        ("chat", ([], ["chat"], ["c*", "session.*"]), (["session.*"], ["segment.*"], ["path.*"])),
        ("segment.ready", (["segment.*"], ["*"]), ([], ["chat"], ["path.*"])),
    ],
)
def test_what_is_forgotten_resets_those_alone_who_would_have_been_told_it(
    kind: str, missed_by: tuple[list[str], ...], not_missed_by: tuple[list[str], ...]
) -> None:
    log = EventLog(EventId(EPOCH, 0), EPOCH, LogBounds(count=200))
    for number in range(1, 1_001):
        log.push(happening(number, STATE if number % 20 == 1 else kind), T0)
    for types in missed_by:
        assert Follower(EventId(EPOCH, 500), EventFilter(types=types)).is_lost(log)
    for types in not_missed_by:
        wanted = EventFilter(types=types)
        assert not Follower(EventId(EPOCH, 500), wanted).is_lost(log)
        assert not Follower(EventId(EPOCH, 500), AnyOf([wanted])).is_lost(log)
    both = AnyOf([EventFilter(types=types) for types in (missed_by[0], not_missed_by[0])])
    assert Follower(EventId(EPOCH, 500), both).is_lost(log)


def test_who_asks_for_all_that_is_kept_gets_it_though_chat_is_forgotten_between() -> None:
    log = chatty(1_000, LogBounds(count=200))
    got = numbers(Follower(None, EVERYTHING, at_end=False).take(log, T0))
    assert got[:4] == [1, 21, 41, 61]
    assert got[-105:] == list(range(896, 1_001))


def test_ids_of_chat_that_is_forgotten_are_known_in_former_epochs() -> None:
    log = EventLog(EventId(EPOCH, 0), EPOCH + 1, LogBounds(count=200))
    for number in range(1, 1_000):
        log.push(happening(number, STATE if number < 9 else "chat", epoch=EPOCH), T0)
    for number in range(1, 400):
        log.push(happening(number, "chat", epoch=EPOCH + 1), T0)
    assert log.knows(EventId(EPOCH, 990))
    assert not Follower(EventId(EPOCH, 990), STATES).is_lost(log)
    assert Follower(EventId(EPOCH, 990), EVERYTHING).is_lost(log)
    assert not log.knows(EventId(EPOCH, 1_000))


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_skipped_silently_whatever_is_forgotten(seed: int) -> None:
    """Followers that stall at random: what each is told has no hole but where a reset stands, and
    a reset stands only where there is one."""
    chance = random.Random(seed)
    log = EventLog(EventId(EPOCH, 0), EPOCH, LogBounds(count=40))
    types: list[list[str]] = [[], ["path.*"], ["chat"], ["path.*", "c*"], ["segment.*"], ["s*"]]
    filters = [EventFilter(types=one) for one in types]
    followers = [Follower(EventId(EPOCH, 0), one) for one in filters * 3]
    after = {id(one): 0 for one in followers}
    pushed: list[LoggedEvent] = []
    for number in range(1, 1_500):
        rare, often = chance.choice([0.02, 1.0]), chance.choice([0.2, 5.0])
        kinds = [STATE, "chat", "segment.ready", "session.opened"]
        kind = chance.choices(kinds, [1, often, often, rare])[0]
        pushed.append(happening(number, kind))
        log.push(pushed[-1], T0)
        if chance.random() < 0.2:
            follower = chance.choice(followers)
            known = after[id(follower)]
            told = follower.take(log, T0)
            wanted = [e for e in pushed[known:] if follower.wanted.matches(e.event)]
            if told and told[0].event.type != "reset":
                assert numbers(told) == numbers(wanted)[: len(told)]
            elif told:
                kept = set(numbers(log.entries))
                assert not kept.issuperset(numbers(wanted)) or known < log.floor.number
            assert follower.position is not None
            after[id(follower)] = follower.position.number


def test_a_snapshot_is_what_the_events_until_its_id_say() -> None:
    log = EventLog(EventId(EPOCH, 0), EPOCH, LogBounds(count=2))
    for entry in (
        happening(1, STATE, "live/a", state="live", reason="first sample"),
        happening(2, STATE, "live/b", state="live", reason="first sample"),
        happening(3, STATE, "live/a", state="ended", reason="gone"),
        happening(4, CLOSED, "live/b"),
        happening(5, STATE, "live/c", state="starting", reason="rtmp"),
    ):
        log.push(entry, T0)
    assert {path: seen["state"] for path, seen in log.paths.items()} == {
        "live/a": "ended", "live/c": "starting",
    }  # fmt: skip
    assert {path: seen["state"] for path, seen in log.base_paths.items()} == {
        "live/a": "ended", "live/b": "live",
    }  # fmt: skip
    (told,) = Follower(None, EventFilter(paths=["*/c"])).take(log, T0)
    assert told.event.data["paths"] == {
        "live/c": {
            "state": "starting",
            "reason": "rtmp",
            "detail": "",
            "state_version": 5,
            "since": T0 + 5,
        }
    }
    log.push(happening(1, STARTED, "", epoch=EPOCH + 1), T0)
    assert log.paths == {}, "a server that started knows nothing of paths yet"


def test_filters_are_patterns_of_paths_and_types() -> None:
    event = happening(1, "publisher.rejected", "live/a").event
    assert EventFilter(["live/*"], ["publisher.*", "path.state"]).matches(event)
    assert not EventFilter(["vod/*"]).matches(event)
    assert not EventFilter(types=["path.*"]).matches(event)
    assert AnyOf([EventFilter(["vod/*"]), EventFilter(["live/?"])]).matches(event)
    assert not AnyOf([]).matches(event)


def test_what_few_want_is_told_to_who_names_it() -> None:
    event = happening(1, "segment.ready").event
    assert not EVERYTHING.matches(event)
    assert EventFilter(types=["segment.*"]).matches(event)


def test_filters_are_bounded() -> None:
    for patterns in (["a"] * 17, ["a" * 257]):
        with pytest.raises(FilterError):
            EventFilter(patterns)


def test_an_event_is_read_as_it_was_written() -> None:
    entry = happening(3, text='line\nbreak "quoted" \u2028')
    assert b"\n" not in entry.body
    assert read_event(entry.body) == entry
    with pytest.raises(ValueError, match="no event id"):
        read_event(entry.body.replace(str(EPOCH).encode(), b"x"))
