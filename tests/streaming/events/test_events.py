"""Events on their way: to the disk, to copies of the log, and over a restart."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import streaming.events.event_files as event_files
import streaming.events.event_writer as event_writer
import streaming.events.events as events_module
from streaming.events.event import (
    FREQUENT,
    STARTED,
    STATE,
    Event,
    EventId,
    LoggedEvent,
    log_event,
    read_event,
)
from streaming.events.event_files import KeptEvents, read_events
from streaming.events.event_filter import EventFilter
from streaming.events.event_log import EventLog, LogBounds
from streaming.events.event_messages import EventsBegin, EventsReplayed, EventsTold
from streaming.events.event_writer import EventSeries, EventWriter
from streaming.events.events import Events
from streaming.events.follower import Follower
from streaming.link import FrameReader
from streaming.server.followers import Followers
from streaming.shelf_messages import ToDelivery
from tests.streaming.events.happenings import EPOCH, T0, happening, numbers
from tests.streaming.server.conftest import until


class Clock:
    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def server(
    root: Path | None, clock: Callable[[], float], bounds: LogBounds | None = None
) -> AsyncIterator[Events]:
    events = Events(root, clock, bounds or LogBounds())
    events.start({})
    yield events
    events.close()


class Copy:
    """A process's end of a link: holds the log as a delivery process does."""

    def __init__(self) -> None:
        self.buffered_bytes = 0
        self.followers = Followers(lambda: T0)
        self.replays = 0
        self.begun = 0
        self._reader: FrameReader[Any] = FrameReader(ToDelivery)

    def send_frame(self, frame: bytearray) -> None:
        for message in self._reader.receive_data(frame):
            match message:
                case EventsBegin():
                    self.begun += 1
                    self.followers.begin(message)
                case EventsTold():
                    self.followers.told(message)
                case EventsReplayed():
                    self.replays += 1

    @property
    def numbers(self) -> list[int]:
        log = self.followers.log
        return numbers(log.after(log.floor, 100_000))


async def test_a_log_goes_on_over_a_restart_with_a_new_epoch(tmp_path: Path) -> None:
    clock = Clock()
    async with server(tmp_path, clock) as events:
        events.emit("test.tick", "live/a", {"n": 1})
        await until(lambda: len(events.log) == 2)
        position, first_epoch = events.log.last, events.log.epoch
    async with server(tmp_path, clock) as events:
        assert events.log.epoch == first_epoch + 1, "though the clock stands still"
        events.emit("test.tick", "live/a", {"n": 2})
        await until(lambda: len(events.log) == 4)
        told = events.log.after(position, 9)
        assert [(one.id.number, one.event.type) for one in told] == [(1, STARTED), (2, "test.tick")]


async def test_an_event_is_told_when_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    append = EventSeries._append

    def slow(self: EventSeries, data: bytes) -> None:
        gate.wait()
        append(self, data)

    monkeypatch.setattr(EventSeries, "_append", slow)
    async with server(tmp_path, Clock()) as events:
        events.emit("test.tick")
        await asyncio.sleep(0.01)
        assert len(events.log) == 0
        assert events.statistics().untold == 2
        gate.set()
        await until(lambda: len(events.log) == 2)
        (file,) = (tmp_path / "events").iterdir()
        assert len(file.read_bytes().splitlines()) == 3, "its head and two events"


async def test_a_disk_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(EventSeries, "_append", lambda self, data: gate.wait())
    monkeypatch.setattr(events_module, "WRITE_S", 0.02)
    async with server(tmp_path, Clock()) as events:
        events.emit("test.tick")
        await until(lambda: len(events.log) == 2)
        gate.set()
        events.emit("test.tick")
        await until(lambda: len(events.log) == 3)
        assert numbers(events.log.after(events.log.floor, 9)) == [1, 2, 3]


async def test_a_disk_that_fails_leaves_nothing_to_go_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(tmp_path, Clock()) as events:
        await until(lambda: len(events.log) == 1)

        def full(self: EventSeries, data: bytes) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(EventSeries, "_append", full)
            events.emit("test.tick")
            await until(lambda: len(events.log) == 2)
        assert events.statistics().failures == 1
        events.emit("test.tick")
        await until(lambda: len(events.log) == 3)
    assert read_events(tmp_path / "events").entries == []


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    lines = b"".join(happening(n).body + b"\n" for n in (1, 2, 3))
    (tmp_path / f"{EPOCH}-1.jsonl").write_bytes(lines[:-10])
    assert numbers(read_events(tmp_path).entries) == [1, 2]


def test_nothing_before_damage_is_gone_on_from(tmp_path: Path) -> None:
    (tmp_path / f"{EPOCH}-1.jsonl").write_bytes(happening(1).body + b"\nrubbish\n")
    (tmp_path / f"{EPOCH}-3.jsonl").write_bytes(happening(3).body + b"\n")
    (tmp_path / "notes.txt").write_text("not ours")
    assert numbers(read_events(tmp_path).entries) == [3]


def test_the_files_are_bounded_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "FILE_BYTES", 2_000)
    written = threading.Semaphore(0)
    writer = EventWriter(tmp_path, lambda _: written.release())
    for number in range(1, 501):
        floor = EventId(EPOCH, max(0, number - 50))
        writer.write(happening(number), floor, {})
        written.acquire()
    writer.close()
    kept = numbers(read_events(tmp_path).entries)
    assert kept[-1] == 500
    assert 420 < kept[0] <= 451, "what the log has, and one file more"


def test_where_little_happens_files_go_by_their_age(tmp_path: Path) -> None:
    log = EventLog(EventId(EPOCH, 0), EPOCH, LogBounds(age_s=3 * 86_400.0))
    written = threading.Semaphore(0)
    writer = EventWriter(tmp_path, lambda _: written.release())
    for hour in range(0, 240, 5):
        at, ts = EventId(EPOCH, hour // 5 + 1), T0 + hour * 3_600
        entry = log_event(at, Event(str(at), ts, "chat" if hour % 2 else STATE, "live/a"))
        log.push(entry, ts)
        writer.write(entry, log.floor, log.forgotten)
        written.acquire()
    writer.close()
    lines = [line for file in tmp_path.iterdir() for line in file.read_bytes().splitlines()]
    there = [read_event(line).event.ts for line in lines if not line.startswith(b'{"head"')]
    assert T0 + 235 * 3_600 - min(there) < 5.1 * 86_400, "three days, and a file before and behind"
    assert len(there) >= 3 * 24 // 5
    assert {entry.id for entry in log.entries} <= {e.id for e in read_events(tmp_path).entries}


@pytest.mark.parametrize(
    ("there", "left"),
    [((1, 2, 4, 5), [4, 5]), ((1, 2, 3), [1, 2, 3]), ((2, 3), [2, 3]), ((), [])],
)
def test_only_an_unbroken_end_is_gone_on_from(
    tmp_path: Path, there: tuple[int, ...], left: list[int]
) -> None:
    for number in there:
        (tmp_path / f"{EPOCH}-{number}.jsonl").write_bytes(happening(number).body + b"\n")
    assert numbers(read_events(tmp_path).entries) == left


def test_an_epoch_without_its_beginning_follows_a_hole(tmp_path: Path) -> None:
    (tmp_path / f"{EPOCH}-1.jsonl").write_bytes(happening(1).body + b"\n")
    later = tmp_path / f"{EPOCH + 9}-1.jsonl"
    later.write_bytes(b"".join(happening(n, epoch=EPOCH + 9).body + b"\n" for n in (1, 2)))
    assert numbers(read_events(tmp_path).entries) == [1, 1, 2]
    later.rename(tmp_path / f"{EPOCH + 9}-2.jsonl")
    (tmp_path / f"{EPOCH + 9}-2.jsonl").write_bytes(happening(2, epoch=EPOCH + 9).body + b"\n")
    assert numbers(read_events(tmp_path).entries) == [2]


def write_all(folder: Path, log: EventLog, told: list[LoggedEvent]) -> None:
    """Events on their way into a log and onto the disk, each written before the next one comes."""
    written = threading.Semaphore(0)
    writer = EventWriter(folder, lambda _: written.release())
    for entry in told:
        log.push(entry, T0)
        writer.write(entry, log.floor, log.forgotten)
        written.acquire()
    writer.close()


def size_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def test_a_chatty_audience_pushes_nothing_of_others_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "FILE_BYTES", 2_000)
    log = EventLog(EventId(EPOCH, 0), EPOCH, LogBounds(count=100))
    kinds = ["path.state" if number % 100 == 1 else "chat" for number in range(1, 2_001)]
    write_all(tmp_path, log, [happening(n, kind) for n, kind in enumerate(kinds, 1)])
    kept = read_events(tmp_path)
    others = [entry for entry in kept.entries if entry.event.type not in FREQUENT]
    assert numbers(others) == list(range(1, 2_001, 100))
    assert kept.floor == EventId(EPOCH, 0)
    assert set(kept.forgotten) == {"chat"}
    assert EventId(EPOCH, 1_920) < kept.forgotten["chat"] <= log.frequent_floor
    assert size_bytes(tmp_path) < 20_000, "2,000 events are 240,000"


def test_what_was_forgotten_at_the_end_of_an_epoch_is_known_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "FILE_BYTES", 500)
    log = EventLog(EventId(EPOCH, 0), EPOCH, LogBounds(count=20))
    write_all(tmp_path, log, [happening(1, "path.state")])
    write_all(tmp_path, log, [happening(n, "chat") for n in range(2, 41)])
    second = [happening(1, STARTED, "", epoch=EPOCH + 1)]
    second += [happening(n, "chat", epoch=EPOCH + 1) for n in range(2, 41)]
    write_all(tmp_path, log, second)
    kept = read_events(tmp_path)
    again = log_from(kept)
    for types in (["path.*"], ["segment.ready"], ["session.*"]):
        assert not Follower(EventId(EPOCH, 1), EventFilter(types=types)).is_lost(again)
    for number in (1, 20, 40):
        assert Follower(EventId(EPOCH, number), EventFilter()).is_lost(again)


def log_from(kept: KeptEvents) -> EventLog:
    """What a server that starts makes of what is on disk."""
    log = EventLog(kept.floor or EventId(0, 0), EPOCH + 2, forgotten=kept.forgotten)
    for entry in kept.entries:
        log.push(entry, T0)
    return log


def test_a_restart_does_not_forget_of_which_type_something_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_files, "FILE_BYTES", 1_000)
    log = EventLog(EventId(EPOCH, 0), EPOCH, LogBounds(count=40))
    kinds = ["path.state", "chat", *["segment.ready"] * 96]
    write_all(tmp_path, log, [happening(n, kind) for n, kind in enumerate(kinds, 1)])
    for again in (log, log_from(read_events(tmp_path))):
        assert Follower(EventId(EPOCH, 1), EventFilter()).is_lost(again), "chat is forgotten"
        assert not Follower(EventId(EPOCH, 2), EventFilter()).is_lost(again)
        assert Follower(EventId(EPOCH, 2), EventFilter(types=["segment.*"])).is_lost(again)
        assert not Follower(EventId(EPOCH, 1), EventFilter(types=["session.*"])).is_lost(again)


def test_what_damage_took_may_have_been_of_any_frequent_type(tmp_path: Path) -> None:
    log = EventLog(EventId(EPOCH, 0), EPOCH)
    write_all(tmp_path, log, [happening(n, STATE if n % 5 == 1 else "chat") for n in range(1, 21)])
    (frequent,) = tmp_path.glob("*.frequent.jsonl")
    lines = frequent.read_bytes().splitlines(keepends=True)
    frequent.write_bytes(b"".join([*lines[:6], b"rubbish\n", *lines[7:]]))
    again = log_from(read_events(tmp_path))
    assert not Follower(EventId(EPOCH, 1), EventFilter(types=["path.*"])).is_lost(again)
    for kind in FREQUENT:
        assert Follower(EventId(EPOCH, 1), EventFilter(types=[kind])).is_lost(again)


async def test_a_copy_that_is_behind_in_a_chatty_time_begins_anew_and_keeps_the_rest() -> None:
    async with server(None, Clock(), LogBounds(count=20)) as events:
        copy = Copy()
        events.feed.attach(copy)
        copy.buffered_bytes = 1 << 30
        events.emit("path.state")
        for _ in range(50):
            events.emit("chat")
        copy.buffered_bytes = 0
        events.feed.pump()
        assert copy.begun == 2
        assert copy.numbers == [1, 2, *range(43, 53)]
        assert copy.followers.log.frequent_floor == EventId(events.log.epoch, 42)
        assert copy.followers.log.floor == EventId(events.log.epoch, 0)


async def test_without_a_directory_the_log_is_in_memory_alone() -> None:
    async with server(None, Clock()) as events:
        events.emit("test.tick")
        assert len(events.log) == 2


async def test_a_copy_gets_what_happened_and_what_happens() -> None:
    async with server(None, Clock()) as events:
        events.emit("test.tick")
        copy = Copy()
        events.feed.attach(copy)
        assert copy.numbers == [1, 2]
        assert copy.replays == 1
        events.emit("test.tick")
        assert copy.numbers == [1, 2, 3]
        events.feed.detach(copy)
        events.emit("test.tick")
        assert copy.numbers == [1, 2, 3]


async def test_a_copy_that_is_behind_catches_up_when_its_link_has_room() -> None:
    async with server(None, Clock()) as events:
        copy = Copy()
        events.feed.attach(copy)
        copy.buffered_bytes = 1 << 30
        for _ in range(700):
            events.emit("test.tick")
        assert copy.numbers == [1]
        events.feed.pump()
        assert copy.numbers == [1]
        copy.buffered_bytes = 0
        events.emit("test.tick")
        events.feed.pump()
        assert copy.numbers == list(range(1, 703))
        assert copy.begun == 1


async def test_a_copy_that_is_too_far_behind_begins_anew() -> None:
    async with server(None, Clock(), LogBounds(count=10)) as events:
        copy = Copy()
        events.feed.attach(copy)
        copy.buffered_bytes = 1 << 30
        for _ in range(50):
            events.emit("test.tick")
        copy.buffered_bytes = 0
        events.feed.pump()
        assert copy.begun == 2
        assert copy.numbers == list(range(42, 52))
        assert not copy.followers.log.knows(EventId(events.log.epoch, 1))


async def test_a_disk_that_runs_full_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_writer, "LOW_BYTES", 1 << 60)
    monkeypatch.setattr(event_writer, "LOOK_S", 0.0)
    async with server(tmp_path, Clock()) as events:
        for _ in range(3):
            events.emit("test")
        await until(lambda: len(events.log) >= 5)
        low = [e.event for e in events.log.after(events.log.floor, 9) if e.event.type == "disk.low"]
        assert [event.data["of"] for event in low] == ["state_dir"]
        assert 0 < low[0].data["free_bytes"] <= low[0].data["total_bytes"]
