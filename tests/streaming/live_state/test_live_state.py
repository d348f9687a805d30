"""The live windows of an origin on a real disk, and what its successor finds there."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from segmenter.window_records import ExpiredRecord
from streaming.config_paths import PathConfig
from streaming.live_state import journal_thread
from streaming.live_state.live_state import LiveState, SavedPath, load_path, packaging_key
from streaming.live_state.path_journal import BEHIND_S, RETRY_S, PathJournal
from streaming.media_store import MediaStore, StoreReader
from streaming.origin import Origin
from streaming.shelf_feed import ShelfFeed
from tests.segmenter.stage import AUDIO, SOURCE, START, audio, interleaved, video

NAME = "live/a"
CONFIG = PathConfig(window_s=10)


class Machine:
    """An origin of one path with its disk; `reboot` is its successor's start."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = float(START)
        self.uptime = 0.0
        self.boot()

    def boot(self) -> None:
        self.store = MediaStore()
        self.feed = ShelfFeed(self.store)
        self.live_state = LiveState(str(self.root), {}, self.store.open_reader())

    def begin(self, saved: SavedPath | None = None) -> None:
        journal = self.live_state.journal(NAME, CONFIG, saved.notes if saved else ())
        self.journal = journal
        if journal is not None:
            journal._monotonic = lambda: self.uptime
        self.origin = Origin(NAME, CONFIG, self.feed, journal)
        if saved is None:
            return
        self.origin.begin_restore(saved.presentation, self.now)
        for rendition in saved.presentation.renditions:
            for segment in rendition.contiguous:
                if not segment.is_gap:
                    data = saved.read(rendition.name, segment.msn)
                    self.origin.restore_segment(rendition.name, segment, data, self.now)
        self.origin.finish_restore(self.now)

    def play(self, at: float, seconds: float, *, breaks: bool = False) -> None:
        self.origin.set_tracks([SOURCE, AUDIO], (), self.now)
        self.go_on(at, seconds, breaks=breaks)

    def go_on(self, at: float, seconds: float, *, breaks: bool = False) -> None:
        tracks = {"source": 90_000, "audio": 48_000}
        streams = (
            video(at=at, seconds=seconds, breaks=breaks),
            audio(at=at, seconds=seconds, breaks=breaks),
        )
        for sample in interleaved(*streams):
            now = sample.dts / tracks[sample.track]
            self.uptime += now - self.now
            self.now = now
            self.origin.write([sample], self.now)
            if int(self.now) != int(self.now - 0.02):
                self.origin.handle_timer(self.now)
                self.wait_written()

    def wait_written(self) -> None:
        """Until the thread has done everything."""
        thread = self.live_state._thread
        while thread is not None and thread._jobs:
            time.sleep(0.0005)

    def kill(self) -> SavedPath | None:
        """What the successor finds; all that was handed to the disk has been written."""
        self.live_state.close()
        self.boot()
        files = self.live_state.saved_paths().get(NAME, [])
        return load_path(NAME, files)

    def text(self) -> bytes:
        """The source's playlist."""
        put = self.feed._current.get(f"/{NAME}/source/index.m3u8")
        return put.body if put is not None else b""

    def served(self, rendition: str) -> dict[int, bytes]:
        """The media of all segments that can be fetched now."""
        reader = StoreReader(self.store.open_reader())
        found = {}
        for msn in self.feed._renditions[NAME, rendition].segments:
            place = self.feed.place_of(NAME, rendition, msn)
            if place is not None:
                data = reader.read(*place)
                assert data is not None
                found[msn] = data
        return found

    def files(self) -> list[Path]:
        return sorted(self.root.rglob("*.journal"))

    def size_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.files())


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "state")
    made.begin()
    yield made
    made.live_state.close()


def test_a_successor_lists_the_same_playlists(machine: Machine) -> None:
    machine.play(0, 25)
    machine.origin.pause(machine.now)
    before = machine.text()
    machine.begin(machine.kill())
    assert machine.text() == before
    assert machine.origin.statistics().segments > 8


def test_the_media_are_those_that_were_served(machine: Machine) -> None:
    machine.play(0, 9)
    served = machine.served("source")
    assert len(served) == 4
    saved = machine.kill()
    assert saved is not None
    assert {msn: saved.read("source", msn) for msn in served} == served
    machine.begin(saved)
    assert machine.served("source") == served


def test_a_second_kill_before_the_publisher_is_back_loses_nothing(machine: Machine) -> None:
    machine.play(0, 15)
    machine.begin(machine.kill())
    before = machine.text()
    assert before.count(b"#EXT-X-GAP") == 1
    for _ in range(3):
        machine.begin(machine.kill())
        assert machine.text() == before


def test_what_is_kept_is_bounded_and_the_oldest_files_go(machine: Machine) -> None:
    machine.play(0, 60)
    machine.live_state.close()
    bound = machine.size_bytes()
    names = machine.files()
    assert 1 < len(names) < 9
    machine.boot()
    machine.begin()
    machine.play(60, 120)
    saved = machine.kill()
    assert saved is not None
    assert machine.size_bytes() < 1.3 * bound
    assert not set(names) & set(machine.files())


def test_files_of_a_predecessor_go_as_well(machine: Machine) -> None:
    machine.play(0, 20)
    machine.begin(machine.kill())
    former = machine.files()
    machine.play(22, 80, breaks=True)
    machine.live_state.close()
    assert former
    assert not set(former) & set(machine.files())


def test_files_of_a_rendition_that_is_no_more_go_with_the_others(machine: Machine) -> None:
    machine.play(0, 5)
    machine.journal.write(  # type: ignore[union-attr]
        [ExpiredRecord("audio", 1 << 40)], list, lambda *_: None, machine.now
    )
    saved = machine.kill()
    assert saved is not None
    assert [rendition.name for rendition in saved.presentation.renditions] == ["source"]
    assert all(set(note.last_msn) <= {"source"} for note in saved.notes)


def test_of_an_ended_path_nothing_is_left(machine: Machine) -> None:
    machine.play(0, 9)
    machine.origin.end(machine.now)
    assert machine.kill() is None
    assert not machine.files()
    assert not any(machine.live_state.saved_paths())


def test_a_file_of_another_path_or_version_is_removed_and_costs_nothing_else(
    machine: Machine,
) -> None:
    machine.play(0, 9)
    machine.live_state.close()
    files = machine.files()
    (files[0].parent / "000000000000.journal").write_bytes(b"something else")
    saved = load_path(NAME, machine.files())
    assert saved is not None
    assert machine.files() == files
    assert load_path("live/b", files) is None
    assert not machine.files()


def test_nobody_else_may_read_it(machine: Machine) -> None:
    machine.play(0, 5)
    machine.live_state.close()
    assert stat.S_IMODE(machine.root.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in machine.files())


# -- disks that fail -------------------------------------------------------------------------


def failing(error: int) -> Callable[[int, int, int, int], None]:
    def copy(source: int, offset: int, size: int, target: int) -> None:
        raise OSError(error, os.strerror(error))

    return copy


def test_a_full_disk_costs_the_history_and_one_line_and_is_tried_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    machine.play(0, 5)
    machine.wait_written()
    with monkeypatch.context() as full:
        full.setattr(journal_thread, "copy_bytes", failing(errno.ENOSPC))
        machine.go_on(5, 3)
        machine.wait_written()
        machine.go_on(8, 10)
        machine.wait_written()
        assert not machine.files(), "a journal that ends too early would take numbers back"
        machine.go_on(18, RETRY_S + 2)
        machine.wait_written()
    warning = "path live/a: its live window is not kept on disk: No space left on device"
    assert [r.message for r in caplog.records if "kept on disk" in r.message] == [warning]
    machine.go_on(20 + RETRY_S, RETRY_S + 30)
    machine.origin.pause(machine.now)
    last = machine.text()
    machine.begin(machine.kill())
    assert machine.text() == last
    assert any("is kept on disk again" in r.message for r in caplog.records)


def test_a_disk_that_is_far_behind_is_given_up(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.play(0, 5)
    machine.wait_written()
    assert machine.files()
    monkeypatch.setattr(journal_thread.JournalThread, "behind_s", BEHIND_S + 1)
    machine.go_on(5, 5)
    monkeypatch.undo()
    machine.wait_written()
    assert machine.journal is not None
    assert machine.journal.failures == 1
    assert machine.journal.is_suspended
    assert not machine.files()


def test_a_directory_in_use_is_left_to_its_user(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(tmp_path)
    other = LiveState(str(tmp_path), {}, MediaStore().open_reader())
    assert other.root is None
    assert other.journal(NAME, CONFIG) is None
    assert "another origin uses it" in caplog.text
    machine.live_state.close()
    third = LiveState(str(tmp_path), {}, MediaStore().open_reader())
    assert third.root == tmp_path
    third.close()


def test_a_directory_that_cannot_be_made_costs_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    without = LiveState(str(tmp_path / "file" / "state"), {}, MediaStore().open_reader())
    assert not without.statistics().is_kept
    assert without.saved_paths() == {}
    assert len(caplog.records) == 1
    without.handle_timer(START)
    without.close()


def test_a_lock_goes_with_its_process(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.live_state.close()
    file = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(file)


# -- clocks and settings ---------------------------------------------------------------------


def test_a_successor_does_not_begin_before_the_latest_moment_seen(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    far = 4_000_000_000.0
    machine.live_state.handle_timer(far)
    machine.kill()
    assert machine.live_state.started_utc == far + 10
    machine.live_state.close()


def test_the_moment_seen_is_no_hindrance_while_the_clock_is_right(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.live_state.handle_timer(1_000_000_000.0)
    machine.kill()
    assert machine.live_state.started_utc == 1_000_000_000.0
    machine.live_state.close()


def test_settings_that_change_segments_change_the_packaging_and_others_do_not() -> None:
    key = packaging_key(PathConfig())
    assert packaging_key(PathConfig(segment_duration_s=4)) != key
    assert packaging_key(PathConfig(ladder="copy")) != key
    assert packaging_key(PathConfig(window_s=60, linger_s=5, publish_key="x")) == key


def test_without_a_directory_nothing_is_kept() -> None:
    memory = LiveState("memory", {}, MediaStore().open_reader())
    assert memory.root is None
    assert isinstance(memory.journal(NAME, CONFIG), PathJournal | None)
    assert memory.journal(NAME, CONFIG) is None
