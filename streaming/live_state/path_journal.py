"""What one path keeps on disk: a few files, the oldest of which go as their media expire."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from segmenter.window_records import EndedRecord, ExpiredRecord, Record, SegmentRecord
from streaming.live_state.journal_format import Place
from streaming.live_state.journal_messages import HeadMessage
from streaming.live_state.journal_thread import Entry, JournalFile, JournalThread

logger = logging.getLogger(__name__)

SUFFIX: Final = ".journal"

BEHIND_S: Final = 5.0
"""A disk that lets jobs wait for longer is not relied on: far below the half minute for which the
media store still has what is to be copied, far above what a busy disk takes."""

RETRY_S: Final = 30.0
"""After a failure a path begins a new journal; a full disk may have room again by then."""

LONGEST_TURN_S: Final = 60.0
"""A file takes half a window, at most this: of a window of a day not half a day lingers on."""


@dataclass(slots=True)
class FileNote:
    """What the journal knows of one of its files without reading it."""

    path: Path
    last_msn: dict[str, int] = field(default_factory=dict)
    """Number of the latest media in it, by rendition."""


class PathJournal:
    """Owns the files of one path; its origin writes, its pipeline closes.

    It never blocks and never raises. When the disk fails, is full or far behind, all files of the
    path are given up, because a journal that ends before what was served must not be restored;
    after RETRY_S a new one begins, which knows nothing of what was before.
    """

    def __init__(
        self,
        folder: Path,
        head: HeadMessage,
        thread: JournalThread,
        turn_s: float,
        notes: Sequence[FileNote] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``notes`` are of files that a restored path has from an earlier origin."""
        self._folder = folder
        self._head = head
        self._thread = thread
        self._turn_s = min(turn_s, LONGEST_TURN_S)
        self._notes = deque(notes)
        self._monotonic = monotonic
        self._file: JournalFile | None = None
        self._began_at = 0.0
        self._retry_at = 0.0
        self._generation = max((generation(note.path) for note in notes), default=0)
        self._expired: dict[str, int] = {}
        self._is_failing = False
        self.failures = 0

    @property
    def is_suspended(self) -> bool:
        """Whether nothing is written for now."""
        return self._monotonic() < self._retry_at

    def write(
        self,
        records: Sequence[Record],
        head: Callable[[], Sequence[Record]],
        place: Callable[[str, int], Place | None],
        now_utc: float,
    ) -> None:
        """Keeps records; `head` gives what a new file has to begin with.

        `place` says where in the media store the segment of a rendition is.
        """
        if any(isinstance(record, EndedRecord) for record in records):
            self.discard()
            return
        if not self._is_usable():
            return
        file = self._file
        if file is None or self._monotonic() - self._began_at >= self._turn_s:
            file = self._begin_file()
            self._thread.write(file, [Entry(record, now_utc) for record in head()])
        entries = []
        for record in records:
            media = None
            if isinstance(record, SegmentRecord) and not record.segment.is_gap:
                media = place(record.rendition, record.segment.msn)
                if media is None:
                    continue
                self._notes[-1].last_msn[record.rendition] = record.segment.msn
            if isinstance(record, ExpiredRecord):
                self._expired[record.rendition] = record.last_msn
            entries.append(Entry(record, now_utc, media))
        self._thread.write(file, entries)
        self._drop_expired()

    def discard(self) -> None:
        """Nothing of this path is to be restored."""
        file, self._file = self._file, None
        if file is not None:
            file.is_given_up = True
            self._thread.finish(file)
        if self._notes:
            self._thread.delete([note.path for note in self._notes])
            self._notes.clear()

    def close(self) -> None:
        """The origin stops; what is written stays to be restored."""
        file, self._file = self._file, None
        if file is not None:
            self._thread.finish(file)

    def _is_usable(self) -> bool:
        if self._monotonic() < self._retry_at:
            return False
        failure = self._file.failure if self._file is not None else ""
        if not failure and self._thread.behind_s > BEHIND_S:
            failure = f"the disk is {self._thread.behind_s:.0f} s behind"
        if failure:
            self._suspend(failure)
            return False
        if self._is_failing and self._file is not None and self._file.has_media:
            self._is_failing = False
            logger.info("path %s: its live window is kept on disk again", self._head.path)
        return True

    def _suspend(self, failure: str) -> None:
        self.failures += 1
        self._retry_at = self._monotonic() + RETRY_S
        if not self._is_failing:
            self._is_failing = True
            path = self._head.path
            logger.warning("path %s: its live window is not kept on disk: %s", path, failure)
        self.discard()

    def _begin_file(self) -> JournalFile:
        if self._file is not None:
            self._thread.finish(self._file)
        self._began_at = self._monotonic()
        # A file given up may still be on a disk that is full: its name is not used again.
        self._generation += 1
        path = self._folder / f"{self._generation:012d}{SUFFIX}"
        self._notes.append(FileNote(path))
        self._file = JournalFile(path, self._head)
        return self._file

    def _drop_expired(self) -> None:
        expired = []
        while len(self._notes) > 1 and all(
            msn <= self._expired.get(rendition, -1)
            for rendition, msn in self._notes[0].last_msn.items()
        ):
            expired.append(self._notes.popleft().path)
        if expired:
            self._thread.delete(expired)


def generation(path: Path) -> int:
    """The number in a file's name, by which files of a path are in order; -1 for other files."""
    return int(path.stem) if path.suffix == SUFFIX and path.stem.isdecimal() else -1
