"""Turns in which followers are told: once rendered for all, nobody held up by another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable

import pytest

from streaming.events.event import EventId, LoggedEvent
from streaming.events.event_filter import EventFilter
from streaming.events.event_messages import EventsBegin, EventsTold
from streaming.server import followers as module
from streaming.server.followers import Followers, Following
from tests.streaming.events.happenings import EPOCH, happening, numbers
from tests.streaming.server.conftest import until

ALL = EventFilter()
LAST = f"{EPOCH}-0"


class FakeSink:
    """Takes everything, unless it is told not to."""

    def __init__(self, key: Hashable = "a", fails: bool = False) -> None:
        self.key = key
        self.is_behind = False
        self.rendered = 0
        self.told: list[bytes] = []
        self._fails = fails

    def render(self, told: list[LoggedEvent]) -> bytes:
        self.rendered += 1
        kinds = {entry.event.type for entry in told}
        return f"{'reset' if 'reset' in kinds else numbers(told)}".encode()

    def render_heartbeat(self, position: EventId) -> bytes:
        return b"heartbeat"

    def write(self, data: bytes) -> None:
        if self._fails:
            raise RuntimeError("planted")
        self.told.append(data)


@pytest.fixture
def followers() -> Followers:
    followers = Followers()
    followers.begin(EventsBegin(EPOCH, LAST, {}, 10, 1 << 20, 1e9))
    return followers


def tell(followers: Followers, *counts: int) -> None:
    followers.told(EventsTold(tuple(happening(n).body for n in counts)))


def follow(followers: Followers, sink: FakeSink, wanted: EventFilter = ALL) -> Following:
    following = followers.open(LAST, wanted)
    following.tell_by(sink)
    return following


async def test_the_same_bytes_go_to_all_who_are_told_the_same(followers: Followers) -> None:
    sinks = [FakeSink() for _ in range(50)]
    for sink in sinks:
        follow(followers, sink)
    tell(followers, 1)
    tell(followers, 2)
    await until(lambda: all(sink.told for sink in sinks))
    assert {tuple(sink.told) for sink in sinks} == {(b"[1, 2]",)}
    assert len({id(sink.told[0]) for sink in sinks}) == 1
    assert sum(sink.rendered for sink in sinks) == 1


async def test_sinks_of_another_kind_and_other_wants_are_rendered_apart(
    followers: Followers,
) -> None:
    sinks = [FakeSink("a"), FakeSink("b"), FakeSink("a")]
    for sink, wanted in zip(sinks, (ALL, ALL, EventFilter(["vod/*"])), strict=True):
        follow(followers, sink, wanted)
    tell(followers, 1)
    followers.told(EventsTold((happening(2, path="vod/x").body,)))
    await until(lambda: all(sink.told for sink in sinks))
    assert [sink.told for sink in sinks] == [[b"[1, 2]"], [b"[1, 2]"], [b"[2]"]]


async def test_what_one_does_without_is_not_kept_from_another_at_the_same_place(
    followers: Followers,
) -> None:
    """Who asks for all that is kept knows that chat is missing, unlike who comes back."""
    chat = [happening(n, "test.tick" if n == 1 else "chat").body for n in range(1, 21)]
    followers.told(EventsTold(tuple(chat)))
    newcomer, returned = FakeSink(), FakeSink()
    all_kept = followers.open("0", ALL)
    all_kept.tell_by(newcomer)
    follow(followers, returned)
    assert newcomer.told == [b"[1, 16, 17, 18, 19, 20]"]
    assert returned.told == [b"reset"]
    follow(followers, states := FakeSink(), EventFilter(types=["test.*"]))
    assert states.told == [b"[1]"]


async def test_what_happens_in_a_turn_is_told_in_the_next(followers: Followers) -> None:
    sink = FakeSink()
    follow(followers, sink)
    for number in range(1, 4):
        tell(followers, number)
        await until(lambda: len(sink.told) == number)  # noqa: B023
    assert sink.told == [b"[1]", b"[2]", b"[3]"]


async def test_one_that_cannot_be_told_holds_nobody_up(
    followers: Followers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    broken, sink = FakeSink(fails=True), FakeSink()
    for one in (broken, sink):
        follow(followers, one)
    tell(followers, 1)
    await until(lambda: bool(sink.told))
    assert len(followers) == 1
    tell(followers, 2)
    await until(lambda: len(sink.told) == 2)


async def test_one_that_is_behind_is_told_when_it_has_room(
    followers: Followers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    sink = FakeSink()
    sink.is_behind = True
    follow(followers, sink)
    tell(followers, 1, 2)
    await asyncio.sleep(0)
    assert sink.told == []
    sink.is_behind = False
    await until(lambda: sink.told == [b"[1, 2]"])


async def test_one_that_was_behind_for_too_long_is_told_a_reset(
    followers: Followers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    sink, other = FakeSink(), FakeSink()
    for one in (sink, other):
        follow(followers, one)
    sink.is_behind = True
    for number in range(1, 30):  # the log keeps ten
        tell(followers, number)
        await until(lambda: len(other.told) == number)  # noqa: B023
    sink.is_behind = False
    await until(lambda: sink.told == [b"reset"])


async def test_polls_gather_what_happens_while_they_rest(
    followers: Followers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_REST_S", 0.2)
    first = followers.open(LAST, ALL, 60.0)
    waiting = asyncio.create_task(first.wait())
    await asyncio.sleep(0)
    tell(followers, 1)
    assert numbers((await waiting).told) == [1]
    followers.close(first)
    tell(followers, 2)
    second = followers.open(f"{EPOCH}-1", ALL, 60.0)
    waiting = asyncio.create_task(second.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    tell(followers, 3)
    assert numbers((await waiting).told) == [2, 3]
    followers.close(second)


async def test_the_end_of_the_process_lets_everybody_go(followers: Followers) -> None:
    poll, stream = followers.open(LAST, ALL, 60.0), follow(followers, FakeSink())
    waits = asyncio.gather(poll.wait(), stream.wait_over())
    await asyncio.sleep(0)
    followers.shut()
    batch, _ = await waits
    assert batch.told == []


async def test_everybody_may_be_let_go_and_others_come_after_them(followers: Followers) -> None:
    poll, stream = followers.open(LAST, ALL, 60.0), follow(followers, FakeSink())
    waits = asyncio.gather(poll.wait(), stream.wait_over())
    await asyncio.sleep(0)
    followers.let_go()
    batch, _ = await waits
    assert batch.told == []
    later = asyncio.create_task(followers.open(LAST, ALL, 60.0).wait())
    await asyncio.sleep(0)
    assert not later.done()
    later.cancel()
