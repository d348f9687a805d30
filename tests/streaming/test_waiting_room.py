"""Requests that wait are released together, once, and forgotten when they leave."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streaming import waiting_room
from streaming.waiting_room import Outcome, Ticket, WaitingRoom

URL = "/live/foo/720p/index.m3u8"


class Waiter:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def __call__(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def enter(
    room: WaitingRoom, moment: object, url: str = URL, deadline: float = 6.0
) -> tuple[Waiter, Ticket]:
    waiter = Waiter()
    ticket = room.wait(url, moment, deadline, waiter)
    assert ticket is not None
    return waiter, ticket


def at_least(newest: tuple[int, int]) -> Callable[[object], bool]:
    return lambda moment: isinstance(moment, tuple) and moment <= newest


def test_those_whose_moment_has_come_are_released_and_the_others_stay() -> None:
    room = WaitingRoom()
    early, _ = enter(room, (7, 1))
    late, _ = enter(room, (7, 2))
    assert room.serve(URL, at_least((7, 1))) == 1
    assert early.outcomes == [Outcome.DUE]
    assert late.outcomes == []
    assert len(room) == 1


def test_a_moment_is_asked_about_once_for_everyone_who_waits_for_it() -> None:
    room = WaitingRoom()
    waiters = [enter(room, (7, 1))[0] for _ in range(50)]
    asked: list[object] = []

    def is_due(moment: object) -> bool:
        asked.append(moment)
        return True

    assert room.serve(URL, is_due) == 50
    assert asked == [(7, 1)]
    assert all(waiter.outcomes == [Outcome.DUE] for waiter in waiters)


def test_other_urls_are_not_touched() -> None:
    room = WaitingRoom()
    other, _ = enter(room, (7, 1), url="/live/foo/360p/index.m3u8")
    assert room.serve(URL, lambda moment: True) == 0
    assert other.outcomes == []


def test_a_client_that_left_is_forgotten_at_once_and_never_called() -> None:
    room = WaitingRoom()
    waiter, ticket = enter(room, (7, 1))
    ticket.leave()
    ticket.leave()
    assert len(room) == 0
    assert room.serve(URL, lambda moment: True) == 0
    assert room.close() == 0
    assert waiter.outcomes == []


def test_one_that_leaves_while_its_group_is_released_is_not_called() -> None:
    room = WaitingRoom()
    tickets: list[Ticket] = []
    first = room.wait(URL, (7, 1), 6.0, lambda outcome: tickets[0].leave())
    assert first is not None
    second, ticket = enter(room, (7, 1))
    tickets.append(ticket)
    room.serve(URL, lambda moment: True)
    assert second.outcomes == []
    assert len(room) == 0


def test_one_may_enter_again_from_its_own_release() -> None:
    room = WaitingRoom()
    again = Waiter()
    room.wait(URL, (7, 5), 6.0, lambda outcome: room.wait(URL, (8, 0), 6.0, again) and None)
    room.serve(URL, at_least((7, 5)))
    assert len(room) == 1
    room.serve(URL, at_least((8, 0)))
    assert again.outcomes == [Outcome.DUE]


def test_who_waits_past_the_deadline_is_told_so() -> None:
    room = WaitingRoom()
    early, _ = enter(room, (7, 1), deadline=6.0)
    late, _ = enter(room, (7, 1), deadline=6.5)
    assert room.expire(5.9) == 0
    assert room.expire(6.0) == 1
    assert early.outcomes == [Outcome.LATE]
    assert late.outcomes == []
    assert room.late == 1
    assert len(room) == 1


def test_closing_releases_everyone_at_the_named_urls() -> None:
    room = WaitingRoom()
    here, _ = enter(room, (7, 1))
    there, _ = enter(room, (7, 1), url="/live/bar/720p/index.m3u8")
    assert room.close(lambda url: url.startswith("/live/foo/")) == 1
    assert here.outcomes == [Outcome.CLOSED]
    assert there.outcomes == []
    assert room.close() == 1
    assert there.outcomes == [Outcome.CLOSED]


def test_a_full_room_turns_requests_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_room, "MAX_WAITING", 1)
    room = WaitingRoom()
    enter(room, (7, 1))
    assert room.wait(URL, (7, 2), 6.0, Waiter()) is None
    assert len(room) == 1


def test_a_shut_room_releases_everyone_and_lets_nobody_in() -> None:
    room, outcomes = WaitingRoom(), list[Outcome]()
    assert room.wait("/a", 1, 10.0, outcomes.append) is not None
    assert room.shut() == 1
    assert outcomes == [Outcome.CLOSED]
    assert room.wait("/a", 1, 10.0, outcomes.append) is None


def test_a_group_that_leaves_while_another_is_released_is_not_missed() -> None:
    room, outcomes = WaitingRoom(), list[Outcome]()
    later: list[Ticket] = []
    room.wait("/a", 1, 10.0, lambda _: [ticket.leave() for ticket in later].clear())
    ticket = room.wait("/a", 2, 10.0, outcomes.append)
    assert ticket is not None
    later.append(ticket)
    assert room.serve("/a", lambda _: True) == 1
    assert outcomes == []
