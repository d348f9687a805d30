"""The live windows on disk: kept while they live, and loaded when an origin starts.

What is kept is bounded: of each path its window, what must stay downloadable after, and half a
window more. Nothing is waited for: a thread writes, and a path whose journal fails does without.
"""

from __future__ import annotations

import logging
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from segmenter.saved_window import SavedPresentation
from segmenter.window_records import Record, replay
from streaming.config_paths import PathConfig
from streaming.live_state.journal_format import JournalContent, Place, read_journal
from streaming.live_state.journal_messages import HeadMessage
from streaming.live_state.journal_thread import JournalThread, ThreadStatistics, delete_files
from streaming.live_state.path_journal import FileNote, PathJournal
from streaming.live_state.state_dir import CLOCK_S, StateDir, find_state_dir

logger = logging.getLogger(__name__)

LONGEST_ABSENCE_S: Final = 600.0
"""A window that was written longer ago is not gone on with: a reboot or an upgrade takes less, and
viewers have left. Its numbers still count."""

_PACKAGING: Final = (
    "segment_duration_s",
    "part_duration_s",
    "ladder",
    "audio",
)


@dataclass(frozen=True, slots=True)
class SavedPath:
    """What an earlier origin left of a path."""

    path: str
    presentation: SavedPresentation
    packaging: str
    latest_utc: float
    notes: tuple[FileNote, ...]
    places: dict[tuple[str, int], tuple[Path, Place]]
    """By rendition and number: where the media of segments are."""

    def read(self, rendition: str, msn: int) -> bytes | None:
        """The media of a segment; None when they are not there any more. Blocks."""
        found = self.places.get((rendition, msn))
        if found is None:
            return None
        path, place = found
        try:
            with path.open("rb") as file:
                data = os.pread(file.fileno(), place.size_bytes, place.offset)
        except OSError as error:
            logger.warning("live state: %s: %s", path, error.strerror)
            return None
        return data if len(data) == place.size_bytes else None


@dataclass(frozen=True, slots=True)
class LiveStateStatistics:
    """How the live state fares."""

    is_kept: bool
    thread: ThreadStatistics


class LiveState:
    """Owns the state directory and the thread that writes to it; the composition root makes it.

    Without a directory it keeps nothing and has nothing.
    """

    def __init__(self, configured: str, environment: Mapping[str, str], store: int) -> None:
        """`store` is a descriptor of the media store, which it closes.

        A directory that cannot be used costs one line in the log.
        """
        self._dir = _open_dir(configured, environment)
        self._thread: JournalThread | None = None
        if self._dir is None:
            os.close(store)
        else:
            self._thread = JournalThread(store)
        self._clock_at = 0.0

    @property
    def root(self) -> Path | None:
        """Where state is kept; None when it is not."""
        return self._dir.root if self._dir is not None else None

    @property
    def started_utc(self) -> float:
        """An origin must not begin before this; 0 when nothing is known.

        Where the system's clock has been set back meanwhile it may have seen CLOCK_S more.
        """
        latest = self._dir.latest_utc if self._dir is not None else 0.0
        return latest + CLOCK_S if time.time() < latest else latest

    def saved_paths(self) -> dict[str, list[Path]]:
        """Paths of which something is left, those written to last first, with their files."""
        if self._dir is None:
            return {}
        try:
            found = self._dir.journals()
            return dict(sorted(found.items(), key=lambda item: -item[1][-1].stat().st_mtime))
        except OSError as error:
            logger.warning("live state: %s", error)
            return {}

    def journal(
        self, path: str, config: PathConfig, notes: Sequence[FileNote] = ()
    ) -> PathJournal | None:
        """Where a path's origin keeps its window; None when nothing is kept."""
        if self._dir is None or self._thread is None:
            return None
        head = HeadMessage(path, packaging_key(config))
        folder = self._dir.folder(path)
        return PathJournal(folder, head, self._thread, config.window_s / 2, notes)

    def forget(self, files: Sequence[Path]) -> None:
        """Removes files, in the thread."""
        if self._thread is not None and files:
            self._thread.delete(files)

    def handle_timer(self, now_utc: float) -> None:
        """Notes the time now and then."""
        state_dir, thread = self._dir, self._thread
        if state_dir is None or thread is None or now_utc - self._clock_at < CLOCK_S:
            return
        if not thread.behind_s:
            self._clock_at = now_utc
            thread.call(lambda: state_dir.write_clock(now_utc))

    def close(self) -> None:
        """Waits a little until everything is written."""
        if self._thread is not None:
            self._thread.close()
        if self._dir is not None:
            self._dir.close()

    def statistics(self) -> LiveStateStatistics:
        """A snapshot."""
        if self._thread is None:
            return LiveStateStatistics(False, ThreadStatistics(0, 0, 0.0))
        return LiveStateStatistics(True, self._thread.statistics())


def packaging_key(config: PathConfig) -> str:
    """Of the settings without which a window cannot be gone on with."""
    values = [msgspec.to_builtins(getattr(config, name)) for name in _PACKAGING]
    return f"{zlib.crc32(msgspec.json.encode(values)):08x}"


def load_path(path: str, files: Sequence[Path]) -> SavedPath | None:
    """What the journals of a path say. Blocks; never raises.

    None when nothing can be listed; then the files have no use and are removed.
    """
    records: list[Record] = []
    readable: list[tuple[Path, JournalContent]] = []
    for file in files:
        content = _read(file)
        if content is None or content.head.path != path:
            delete_files([file])
            continue
        records += content.records
        readable.append((file, content))
    saved = replay(records)
    if saved is None:
        delete_files([file for file, _ in readable])
        return None
    kept = {(r.name, segment.msn) for r in saved.renditions for segment in r.segments}
    notes = []
    places: dict[tuple[str, int], tuple[Path, Place]] = {}
    for file, content in readable:
        note = FileNote(file)
        for (rendition, msn), place in content.places.items():
            places[rendition, msn] = file, place
            if (rendition, msn) in kept:  # others will never be said to expire
                note.last_msn[rendition] = max(msn, note.last_msn.get(rendition, 0))
        notes.append(note)
    latest_utc = max(content.latest_utc for _, content in readable)
    packaging = readable[-1][1].head.packaging
    return SavedPath(path, saved, packaging, latest_utc, tuple(notes), places)


def _read(file: Path) -> JournalContent | None:
    try:
        with file.open("rb") as opened:
            descriptor = opened.fileno()
            size = os.fstat(descriptor).st_size
            content = read_journal(lambda at, count: os.pread(descriptor, count, at), size)
    except OSError as error:
        logger.warning("live state: %s: %s", file, error.strerror)
        return None
    if content is None:
        logger.warning("live state: %s is not a journal of this version", file)
    elif content.torn_bytes:
        logger.info("live state: %s ends with %d bytes of no use", file, content.torn_bytes)
    return content


def _open_dir(configured: str, environment: Mapping[str, str]) -> StateDir | None:
    root = find_state_dir(configured, environment)
    if root is None:
        return None
    try:
        return StateDir(root)
    except OSError as error:
        logger.warning(
            "live state: %s cannot be used (%s): live windows are kept in memory alone, and a "
            "restart interrupts viewers",
            root,
            error.strerror or error,
        )
        return None
