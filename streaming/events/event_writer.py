"""The log on its way to the disk: a thread of its own, and the files that it writes.

A file goes when the log has forgotten all of its events, so the files are as bounded as the log,
and one file more of each series.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from streaming.events import event_files
from streaming.events.event import FREQUENT, EventId, LoggedEvent, encoder
from streaming.events.event_files import FREQUENT_SUFFIX, SUFFIX, FileHead, first_id

logger = logging.getLogger(__name__)

RETRY_S: Final = 30.0
"""How long a disk that failed is left alone."""
LOOK_S: Final = 60.0
"""How often free space is looked at, while anything happens."""
LOW_BYTES: Final = 512 * 1_048_576
"""The live windows of a few dozen paths."""
CLOSE_WAIT_S: Final = 2.0
NONE_FORGOTTEN: Final[Mapping[str, EventId]] = {}


@dataclass(frozen=True, slots=True)
class _Job:
    entry: LoggedEvent
    floor: EventId
    """Files with nothing above it may go."""
    forgotten: Mapping[str, EventId]
    """Of frequent types; their files with nothing above either may go."""


class EventSeries:
    """Owns the file being written of one series, the frequent types or the others."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder = folder
        self._suffix = suffix
        self._descriptor: int | None = None
        self._written_bytes = 0
        self._begun_utc = 0.0
        self._last: EventId | None = None

    def write(
        self,
        entries: Sequence[LoggedEvent],
        floor: EventId,
        forgotten: Mapping[str, EventId] = NONE_FORGOTTEN,
    ) -> None:
        """The next ones; files with nothing above `floor` and `forgotten`, of frequent types, may
        go. Raises OSError."""
        now_utc = entries[0].event.ts
        is_full = self._written_bytes > event_files.FILE_BYTES
        is_old = now_utc - self._begun_utc > event_files.FILE_S
        if self._descriptor is None or is_full or is_old:
            self._begin_file(entries[0].id, floor, forgotten)
            self._begun_utc = now_utc
        self._append(b"".join(entry.body + b"\n" for entry in entries))
        self._last = entries[-1].id

    def skip(self, last: EventId) -> None:
        """Events up to `last` are not written."""
        self._last = last

    def close(self) -> None:
        """The next event begins a file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _begin_file(self, first: EventId, floor: EventId, forgotten: Mapping[str, EventId]) -> None:
        self.close()
        gone = max([floor, *forgotten.values()])
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = event_files.event_files(self._folder, self._suffix)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._folder / f"{first}{self._suffix}", flags, 0o600)
        self._written_bytes = 0
        by_type = {kind: str(at) for kind, at in forgotten.items()}
        head = FileHead(str(self._last or ""), str(gone), by_type)
        self._append(encoder.encode(head) + b"\n")
        # A file's last event is before the next file's first.
        for file, following in pairwise(files):
            begins = first_id(following)
            if begins is not None and begins <= gone:
                file.unlink(missing_ok=True)

    def _append(self, data: bytes) -> None:
        assert self._descriptor is not None
        self._written_bytes += len(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


class EventWriter:
    """Owns the thread and the files being written; nobody else touches the disk for events.

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
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._frequent = EventSeries(folder, FREQUENT_SUFFIX)
        self._others = EventSeries(folder, SUFFIX)
        self._retry_at = 0.0
        self.failures = 0
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def write(self, entry: LoggedEvent, floor: EventId, forgotten: Mapping[str, EventId]) -> None:
        """Queues an event; files with nothing above what the log has forgotten may go."""
        self._queue.put(_Job(entry, floor, dict(forgotten)))

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
                self._write(batch)
                self._on_written(batch[-1].entry.id)
            self._look_at_disk()
        self._close_files()

    def _write(self, jobs: list[_Job]) -> None:
        """All of them in order: who is killed meanwhile leaves no hole."""
        for is_frequent, group in groupby(jobs, lambda job: job.entry.event.type in FREQUENT):
            series = self._frequent if is_frequent else self._others
            row = list(group)
            forgotten = row[-1].forgotten if is_frequent else NONE_FORGOTTEN
            entries = [job.entry for job in row]
            if time.monotonic() < self._retry_at:
                series.skip(entries[-1].id)
                continue
            try:
                series.write(entries, row[-1].floor, forgotten)
            except OSError as error:
                series.skip(entries[-1].id)
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

    def _give_up(self, error: OSError) -> None:
        """What is on disk ends before what is told: nobody may be let go on from there."""
        self.failures += 1
        self._retry_at = time.monotonic() + RETRY_S
        logger.warning("events: not kept on disk for now: %s", error.strerror or error)
        self._close_files()
        for file in event_files.event_files(self._folder):
            with contextlib.suppress(OSError):
                file.unlink()

    def _close_files(self) -> None:
        self._frequent.close()
        self._others.close()
