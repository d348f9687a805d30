from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from streaming.ingest.rtmp.read_pacer import INTERVAL_S, MAX_SHARE, ReadPacer


class FakeTimer:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.cancelled = at, call, False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """Time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[FakeTimer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(self.now + delay, call))
        return self.timers[-1]

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer.at <= end and not timer.cancelled]:
            timer = min(due, key=lambda each: each.at)
            self.timers.remove(timer)
            self.now = timer.at
            timer.call()
        self.now = end


class FakeTransport:
    def __init__(self) -> None:
        self.reading = True
        self.closing = False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing


class Room:
    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.pacer = ReadPacer(cast(asyncio.AbstractEventLoop, self.loop))

    def rest(self, transport: FakeTransport, took_s: float = 0.0) -> None:
        started = self.loop.now
        self.pacer.rest(cast(asyncio.ReadTransport, transport), started, started + took_s)


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_transport_that_was_read_rests_till_the_next_tick(room: Room) -> None:
    transport = FakeTransport()
    room.rest(transport)
    room.loop.pass_time(INTERVAL_S * 0.9)
    assert not transport.reading
    room.loop.pass_time(INTERVAL_S * 0.1)
    assert transport.reading


def test_one_tick_wakes_all(room: Room) -> None:
    transports = [FakeTransport() for _ in range(10)]
    for transport in transports:
        room.rest(transport)
        room.loop.pass_time(INTERVAL_S / 20)
    assert len(room.loop.timers) == 1
    room.loop.pass_time(INTERVAL_S / 2)
    assert all(transport.reading for transport in transports)


def test_a_read_that_took_long_is_followed_by_a_long_rest(room: Room) -> None:
    transport, usual = FakeTransport(), FakeTransport()
    took_s = INTERVAL_S
    room.rest(transport, took_s)
    room.rest(usual)
    rest_s = took_s / MAX_SHARE
    room.loop.pass_time(INTERVAL_S)
    assert (transport.reading, usual.reading) == (False, True)
    room.loop.pass_time(rest_s - INTERVAL_S * 1.5)
    assert not transport.reading
    room.loop.pass_time(INTERVAL_S * 1.5)
    assert transport.reading


def test_nobody_at_rest_means_no_ticks(room: Room) -> None:
    room.rest(FakeTransport())
    room.loop.pass_time(INTERVAL_S * 2)
    assert room.loop.timers == []


def test_a_transport_may_be_woken_early(room: Room) -> None:
    transport = FakeTransport()
    room.rest(transport)
    room.pacer.wake(cast(asyncio.ReadTransport, transport))
    assert transport.reading


def test_a_transport_that_is_closing_is_left_alone(room: Room) -> None:
    early, late = FakeTransport(), FakeTransport()
    room.rest(early)
    room.rest(late)
    early.closing = late.closing = True
    room.pacer.wake(cast(asyncio.ReadTransport, early))
    room.loop.pass_time(INTERVAL_S)
    assert not early.reading
    assert not late.reading


def test_a_closed_pacer_ticks_no_more(room: Room) -> None:
    room.rest(FakeTransport())
    room.pacer.close()
    assert all(timer.cancelled for timer in room.loop.timers)
