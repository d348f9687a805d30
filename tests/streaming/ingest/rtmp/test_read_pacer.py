from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from streaming.ingest.rtmp.read_pacer import (
    BURST_BYTES,
    BURST_INTERVAL_S,
    INTERVAL_S,
    MAX_SHARE,
    RELAXED_TICKS,
    ReadPacer,
)


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


class FakeReader:
    """Counts its reads; each takes as long as it is told."""

    def __init__(self, room: Room, took_s: float = 0.0) -> None:
        self.room, self.took_s = room, took_s
        self.reads = 0
        self.size_bytes = 0
        self.relaxed = False
        self.fails = self.aborted = self.stops = False

    def read_nowait(self) -> None:
        self.reads += 1
        if self.fails:
            raise RuntimeError("a bug")
        if not self.stops:
            self.room.pacer.rest(self, self.took_s, self.size_bytes, relaxed=self.relaxed)

    def abort(self) -> None:
        self.aborted = True


class Room:
    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.pacer = ReadPacer(cast(asyncio.AbstractEventLoop, self.loop), self.loop.time)

    def reader(self, took_s: float = 0.0) -> FakeReader:
        """One that has just been read."""
        reader = FakeReader(self, took_s)
        self.pacer.rest(reader, took_s)
        return reader


@pytest.fixture
def room() -> Room:
    return Room()


def test_who_was_read_rests_till_the_next_tick(room: Room) -> None:
    reader = room.reader()
    room.loop.pass_time(INTERVAL_S * 0.9)
    assert reader.reads == 0
    room.loop.pass_time(INTERVAL_S * 0.2)
    assert reader.reads == 1
    room.loop.pass_time(INTERVAL_S * 10)
    assert reader.reads == 11


def test_one_tick_reads_all(room: Room) -> None:
    readers = []
    for _ in range(10):
        readers.append(room.reader())
        room.loop.pass_time(INTERVAL_S / 20)
    assert len(room.loop.timers) == 1
    room.loop.pass_time(INTERVAL_S * 0.6)
    assert [reader.reads for reader in readers] == [1] * 10


def test_publishers_that_nobody_watches_are_read_together_and_seldom(room: Room) -> None:
    watched, *relaxed = (room.reader() for _ in range(4))
    for reader in relaxed:
        reader.relaxed = True
    for _ in range(RELAXED_TICKS * 5):
        before = [reader.reads for reader in relaxed]
        room.loop.pass_time(INTERVAL_S)
        assert len({after.reads - reads for after, reads in zip(relaxed, before, strict=True)}) == 1
    assert watched.reads == RELAXED_TICKS * 5
    assert {reader.reads for reader in relaxed} <= {5, 6}


def test_who_is_watched_again_is_read_at_each_tick(room: Room) -> None:
    reader = room.reader()
    reader.relaxed = True
    room.loop.pass_time(INTERVAL_S * RELAXED_TICKS * 2)
    reader.relaxed = False
    room.loop.pass_time(INTERVAL_S * RELAXED_TICKS)
    before = reader.reads
    room.loop.pass_time(INTERVAL_S * 10)
    assert reader.reads == before + 10


def test_a_burst_of_who_is_read_seldom_is_what_several_ticks_would_have_given(room: Room) -> None:
    reader = room.reader()
    reader.relaxed = True
    reader.size_bytes = BURST_BYTES * RELAXED_TICKS - 1
    room.loop.pass_time(INTERVAL_S * RELAXED_TICKS * 3)
    usual = reader.reads
    assert usual <= 5
    reader.size_bytes += 1
    room.loop.pass_time(INTERVAL_S * RELAXED_TICKS)
    assert reader.reads > usual + 10


def test_a_read_that_took_long_is_followed_by_a_long_rest(room: Room) -> None:
    flood, usual = room.reader(took_s=INTERVAL_S), room.reader()
    ticks = round(10 / MAX_SHARE)
    room.loop.pass_time(INTERVAL_S * (ticks + 0.5))
    assert usual.reads == ticks
    assert flood.reads == 10


def test_a_burst_is_read_to_its_end_between_ticks(room: Room) -> None:
    reader, usual = room.reader(), room.reader()
    reader.size_bytes = BURST_BYTES
    room.loop.pass_time(INTERVAL_S * 1.01)
    room.loop.pass_time(BURST_INTERVAL_S * 3)
    assert reader.reads == 4
    reader.size_bytes = BURST_BYTES - 1
    room.loop.pass_time(BURST_INTERVAL_S * 3)
    assert (reader.reads, usual.reads) == (5, 1)
    room.loop.pass_time(INTERVAL_S)
    assert (reader.reads, usual.reads) == (6, 2)


def test_a_flood_rests_however_much_it_sends(room: Room) -> None:
    flood = room.reader(took_s=INTERVAL_S)
    flood.size_bytes = BURST_BYTES * 10
    room.loop.pass_time(INTERVAL_S * 100)
    assert flood.reads <= 10


def test_nobody_at_rest_means_no_ticks(room: Room) -> None:
    reader = room.reader()
    reader.stops = True
    room.loop.pass_time(INTERVAL_S * 3)
    assert (reader.reads, room.loop.timers) == (1, [])


def test_who_leaves_is_not_read_any_more(room: Room) -> None:
    reader = room.reader()
    room.pacer.leave(reader)
    room.pacer.leave(reader)
    room.loop.pass_time(INTERVAL_S * 3)
    assert reader.reads == 0


def test_a_bug_over_one_reader_costs_the_others_nothing(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    broken, usual = room.reader(), room.reader()
    broken.fails = True
    room.loop.pass_time(INTERVAL_S * 3.5)
    assert (broken.aborted, broken.reads, usual.reads) == (True, 1, 3)
    assert "cannot be read" in caplog.text


def test_a_closed_pacer_ticks_no_more(room: Room) -> None:
    reader = room.reader()
    room.pacer.close()
    assert all(timer.cancelled for timer in room.loop.timers)
    room.loop.pass_time(INTERVAL_S * 3)
    assert reader.reads == 0
