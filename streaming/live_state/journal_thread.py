"""The one thread that writes journals: everything here may block on a disk, nothing else may.

The main process hands over jobs and goes on. They are done in their order; what a job may cost is
the copy of one segment from the media store into the page cache (half a millisecond for each
megabyte, without the GIL). Nothing is synced: the page cache outlives a process that is killed,
and a power cut takes the viewers, too.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from segmenter.window_records import Record
from streaming.live_state.journal_format import MARK, Place, write_record
from streaming.live_state.journal_messages import HeadMessage, to_message

logger = logging.getLogger(__name__)

FILE_MODE: Final = 0o600
"""Media may be nobody else's business."""

CLOSE_WAIT_S: Final = 2.0
"""How long a shutdown waits for the disk; what is not written by then is lost, as after a kill."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record to write, and where in the media store the media that follow it are."""

    record: Record
    at_utc: float
    media: Place | None = None


class JournalFile:
    """One file being written; its journal makes it, only the thread touches the disk for it."""

    def __init__(self, path: Path, head: HeadMessage) -> None:
        self.path = path
        self.head = head
        self.failure = ""
        """Why nothing more can be written to it; set by the thread."""
        self.is_given_up = False
        """Set by the journal: what is still queued for it need not be done."""
        self.has_media = False
        """Whether a segment has been written; set by the thread."""
        self._descriptor: int | None = None

    def append(self, entries: Sequence[Entry], copy: Callable[[int, Place], None]) -> None:
        """Writes entries. Raises OSError."""
        file = self._open()
        waiting = bytearray()
        for entry in entries:
            media = entry.media
            message = to_message(entry.record, entry.at_utc)
            waiting += write_record(message, media.size_bytes if media else 0)
            if media is not None:
                _write_all(file, waiting)
                waiting.clear()
                copy(file, media)
                self.has_media = True
        _write_all(file, waiting)

    def close(self) -> None:
        """No more is written."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> int:
        if self._descriptor is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self.path, flags, FILE_MODE)
            _write_all(self._descriptor, MARK + write_record(self.head))
        return self._descriptor


@dataclass(frozen=True, slots=True)
class ThreadStatistics:
    """What the thread has done; counters only rise."""

    written_bytes: int
    failures: int
    """Files that could not be written to the end."""
    behind_s: float
    """How long the oldest job has waited."""


class JournalThread:
    """Owns the thread and its queue; `LiveState` starts and closes it.

    ``store`` is a descriptor of the media store, which it closes. Jobs are given from one other
    thread. The queue has no bound of its own: who gives jobs looks at `behind_s` first.
    """

    def __init__(self, store: int) -> None:
        self._store = store
        self._jobs: deque[tuple[float, Callable[[], None]]] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()  # a semaphore in C
        self._is_closing = False
        self._written_bytes = 0
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="journals", daemon=True)
        self._thread.start()

    @property
    def behind_s(self) -> float:
        """How long the oldest job has waited; 0 when there is none."""
        try:
            return time.monotonic() - self._jobs[0][0]
        except IndexError:
            return 0.0

    def write(self, file: JournalFile, entries: Sequence[Entry]) -> None:
        """Appends to a file; on an error the file takes no more, and goes if it can."""
        self._give(lambda: self._write(file, entries))

    def finish(self, file: JournalFile) -> None:
        """Nothing more comes for this file."""
        self._give(file.close)

    def delete(self, paths: Sequence[Path]) -> None:
        """Removes files, and their directory if it is empty then."""
        self._give(lambda: delete_files(paths))

    def call(self, job: Callable[[], None]) -> None:
        """Anything else that touches the disk; OSErrors are logged."""
        self._give(job)

    def close(self) -> None:
        """Waits for the disk a little, then leaves it behind."""
        self._is_closing = True
        self._wake.put(None)
        self._thread.join(CLOSE_WAIT_S)
        if self._thread.is_alive():
            logger.warning("live state: the disk is too slow, %d jobs left", len(self._jobs))

    def statistics(self) -> ThreadStatistics:
        """A snapshot."""
        return ThreadStatistics(self._written_bytes, self._failures, self.behind_s)

    def _give(self, job: Callable[[], None]) -> None:
        self._jobs.append((time.monotonic(), job))
        # Asked afterwards: where another one is there, the thread looks again before it waits.
        if len(self._jobs) == 1:
            self._wake.put(None)

    def _run(self) -> None:
        while True:
            self._wake.get()
            while self._jobs:
                self._do(self._jobs[0][1])
                self._jobs.popleft()
            if self._is_closing:
                os.close(self._store)
                return

    @staticmethod
    def _do(job: Callable[[], None]) -> None:
        try:
            job()
        except OSError as error:
            logger.warning("live state: %s", error)
        except Exception:
            logger.exception("live state: a job failed")

    def _write(self, file: JournalFile, entries: Sequence[Entry]) -> None:
        if file.failure or file.is_given_up:
            return
        try:
            file.append(entries, self._copy)
        except OSError as error:
            self._failures += 1
            file.failure = error.strerror or str(error)
            with contextlib.suppress(OSError):
                file.close()
            # A file that ends before what was served must not be restored: numbers would go back.
            delete_files(_siblings(file.path))

    def _copy(self, file: int, media: Place) -> None:
        copy_bytes(self._store, media.offset, media.size_bytes, file)
        self._written_bytes += media.size_bytes


def delete_files(paths: Sequence[Path]) -> None:
    """Removes files that may have gone, and their directories once these are empty.

    What cannot be removed is at least made unreadable to us: overwriting needs no space.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("live state: cannot remove %s: %s", path, error.strerror)
            with contextlib.suppress(OSError), path.open("r+b") as file:
                file.write(bytes(len(MARK)))
    for folder in {path.parent for path in paths}:
        with contextlib.suppress(OSError):
            folder.rmdir()


def copy_bytes(source: int, offset: int, size: int, target: int) -> None:
    """Copies a range of the media store to the end of a file. Raises OSError."""
    while size > 0:
        count = _send(source, offset, size, target)
        if not count:
            raise OSError(errno.EIO, "the media store ends too early")
        offset += count
        size -= count


def _send(source: int, offset: int, size: int, target: int) -> int:
    if sys.platform == "linux":  # elsewhere sendfile wants a socket
        try:
            return os.sendfile(target, source, offset, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS):
                raise
    data = os.pread(source, min(size, 1 << 20), offset)
    _write_all(target, data)
    return len(data)


def _siblings(path: Path) -> list[Path]:
    try:
        return sorted(path.parent.iterdir())
    except OSError:
        return [path]


def _write_all(file: int, data: bytes | bytearray) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
