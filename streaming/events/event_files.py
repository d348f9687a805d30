"""The log on disk: files of JSON lines, written by a thread of their own, read at the start.

A file is "<epoch>-<number>.jsonl", named by its first event. What has been written is in the page
cache, which outlives a process that is killed; nothing is synced. A file goes when the log has
forgotten all of its events, so the files are as bounded as the log, and one file more.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from streaming.events.event import EventId, LoggedEvent, parse_id, read_event
from streaming.events.event_log import unbroken

logger = logging.getLogger(__name__)

FOLDER: Final = "events"
FILE_BYTES: Final = 1_048_576
"""Some thousand events; a new file begins with each start, too."""
MOST_FILE_BYTES: Final = 16 * FILE_BYTES
"""A larger one is not ours."""
RETRY_S: Final = 30.0
"""How long a disk that failed is left alone."""
LOOK_S: Final = 60.0
"""How often free space is looked at, while anything happens."""
LOW_BYTES: Final = 512 * 1_048_576
"""The live windows of a few dozen paths."""
CLOSE_WAIT_S: Final = 2.0


def read_events(folder: Path) -> list[LoggedEvent]:
    """What earlier servers told, in order, from where nothing is missing. Blocks, never raises."""
    entries: list[LoggedEvent] = []
    for file in event_files(folder):
        entries += _read_file(file)
    entries.sort(key=lambda entry: entry.id)
    return unbroken(entries)


def event_files(folder: Path) -> list[Path]:
    """The files there are, oldest first."""
    try:
        found = [(parse_id(file.stem), file) for file in folder.glob("*.jsonl")]
    except OSError:
        return []
    return [file for number, file in sorted((n, f) for n, f in found if n is not None)]


def _read_file(file: Path) -> list[LoggedEvent]:
    try:
        if file.stat().st_size > MOST_FILE_BYTES:
            raise OSError("it is too large to be ours")
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        logger.warning("events: %s: %s", file, error)
        return []
    entries = []
    for line in lines[:-1]:  # after the last line break: nothing, or what a kill cut off
        try:
            entries.append(read_event(line))
        except ValueError as error:
            logger.warning("events: %s is damaged: %s", file, error)
            break
    return entries


class EventWriter:
    """Owns the thread and the file being written; nobody else touches the disk for events.

    `on_written` is called in the thread with the id up to which everything is in the page cache.
    """

    def __init__(
        self,
        folder: Path,
        on_written: Callable[[EventId], None],
        on_disk_low: Callable[[int, int], None] = lambda free_bytes, total_bytes: None,
    ) -> None:
        self._folder = folder
        self._on_disk_low = on_disk_low
        self._is_disk_low = False
        self._look_at = 0.0
        self._on_written = on_written
        self._queue: SimpleQueue[tuple[LoggedEvent, EventId] | None] = SimpleQueue()
        self._descriptor: int | None = None
        self._written_bytes = 0
        self._retry_at = 0.0
        self.failures = 0
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def write(self, entry: LoggedEvent, floor: EventId) -> None:
        """Queues an event; files with nothing above `floor` may go."""
        self._queue.put((entry, floor))

    def close(self) -> None:
        """Waits for the disk a little."""
        self._queue.put(None)
        self._thread.join(CLOSE_WAIT_S)

    def _run(self) -> None:
        is_open = True
        while is_open:
            jobs = [self._queue.get()]
            while not self._queue.empty():
                jobs.append(self._queue.get())
            batch = [job for job in jobs if job is not None]
            is_open = len(batch) == len(jobs)
            if batch:
                self._write([entry for entry, _ in batch], batch[-1][1])
                self._on_written(batch[-1][0].id)
            self._look_at_disk()
        self._close_file()

    def _write(self, entries: list[LoggedEvent], floor: EventId) -> None:
        if time.monotonic() < self._retry_at:
            return
        try:
            if self._descriptor is None or self._written_bytes > FILE_BYTES:
                self._begin_file(entries[0].id, floor)
            self._append(b"".join(entry.body + b"\n" for entry in entries))
        except OSError as error:
            self._give_up(error)

    def _look_at_disk(self) -> None:
        """Now and then: whether there is room for live windows and for this log."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        try:
            seen = os.statvfs(self._folder)
        except OSError:
            return
        free, total = seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize
        was_low, self._is_disk_low = self._is_disk_low, free < LOW_BYTES
        if self._is_disk_low and not was_low:
            self._on_disk_low(free, total)

    def _begin_file(self, first: EventId, floor: EventId) -> None:
        self._close_file()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = event_files(self._folder)
        # A file's last event is the one before the next file's first.
        for file, following in pairwise(files):
            begins = parse_id(following.stem)
            if begins is not None and begins <= floor:
                file.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._folder / f"{first}.jsonl", flags, 0o600)
        self._written_bytes = 0

    def _append(self, data: bytes) -> None:
        assert self._descriptor is not None
        self._written_bytes += len(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def _give_up(self, error: OSError) -> None:
        """What is on disk ends before what is told: nobody may be let go on from there."""
        self.failures += 1
        self._retry_at = time.monotonic() + RETRY_S
        logger.warning("events: not kept on disk for now: %s", error.strerror or error)
        self._close_file()
        for file in event_files(self._folder):
            with contextlib.suppress(OSError):
                file.unlink()

    def _close_file(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)
