"""The log on disk: files of JSON lines, read at the start.

A file is "<epoch>-<number>.jsonl", named by its first event, or "<epoch>-<number>.frequent.jsonl":
events of frequent types stand in files of their own, which go sooner. Its first line says what it
follows, by which a reader knows whether anything is missing. What has been written is in the page
cache, which outlives a process that is killed; nothing is synced.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from streaming.events.event import FREQUENT, EventId, LoggedEvent, parse_id, read_event

logger = logging.getLogger(__name__)

FOLDER: Final = "events"
FILE_BYTES: Final = 1_048_576
"""Some thousand events; a new file begins with each start, too."""
FILE_S: Final = 86_400.0
"""A file has a day of events at the most: it goes as a whole, and some are to be kept for days."""
MOST_FILE_BYTES: Final = 16 * FILE_BYTES
"""A larger one is not ours."""
SUFFIX: Final = ".jsonl"
FREQUENT_SUFFIX: Final = ".frequent.jsonl"


class FileHead(Struct, tag_field="head", tag="events", frozen=True):
    """The first line of a file."""

    follows: str
    """The id of the event before its first one, of those that stand in such files."""
    forgotten: str
    """Such events may be gone up to this id."""
    by_type: dict[str, str] | None = None
    """Of frequent types, up to which id events of each may be gone. Without: up to `forgotten`."""


class KeptEvents(NamedTuple):
    """What earlier servers told, as far as it can be gone on from."""

    entries: list[LoggedEvent]
    """In order."""
    floor: EventId | None
    """The last event before those; None where there are none."""
    forgotten: dict[str, EventId]
    """Of each frequent type the last event after the floor that is not there, where one is not."""


@dataclass(slots=True)
class _File:
    entries: list[LoggedEvent]
    follows: EventId | None = None
    forgotten: EventId | None = None
    by_type: dict[str, EventId] = field(default_factory=dict)


_head_decoder = msgspec.json.Decoder(FileHead)


def read_events(folder: Path) -> KeptEvents:
    """What is in the files from where nothing is missing. Blocks, never raises."""
    files = [_read_file(file) for file in event_files(folder)]
    links = [link for file in files for link in _links(file)]
    floor = _floor(sorted(links))
    if floor is None:
        return KeptEvents([], None, {})
    entries = [entry for file in files for entry in file.entries if entry.id > floor]
    entries.sort(key=lambda entry: entry.id)
    gone = max([floor, *(file.forgotten for file in files if file.forgotten is not None)])
    unbroken_after = _begin_of_unbroken(entries)
    frequent_floor = max(gone, unbroken_after)
    left_out = [e for e in entries if e.event.type in FREQUENT and e.id <= frequent_floor]
    kept = [e for e in entries if e.event.type not in FREQUENT or e.id > frequent_floor]
    if unbroken_after > gone:  # nobody has said what is missing there
        return KeptEvents(kept, floor, dict.fromkeys(FREQUENT, unbroken_after))
    return KeptEvents(kept, floor, _forgotten(files, left_out))


def _forgotten(files: list[_File], left_out: list[LoggedEvent]) -> dict[str, EventId]:
    """Of each frequent type the last event that has gone, or is left out of what is read."""
    gone = [item for file in files for item in file.by_type.items()]
    gone += [(entry.event.type, entry.id) for entry in left_out]
    return dict(sorted(gone, key=lambda item: item[1]))


def event_files(folder: Path, suffix: str = "") -> list[Path]:
    """The files there are with a suffix, or all, oldest first."""
    try:
        names = [file for file in folder.iterdir() if file.suffix == SUFFIX]
    except OSError:
        return []
    found = [(first_id(file), file) for file in names]
    return [
        file
        for number, file in sorted((n, f) for n, f in found if n is not None)
        if suffix in ("", "".join(file.suffixes))
    ]


def first_id(file: Path) -> EventId | None:
    """Of the event that a file is named by; None where it is none of ours."""
    stem, dot, suffix = file.name.partition(".")
    return parse_id(stem) if dot + suffix in (SUFFIX, FREQUENT_SUFFIX) else None


class _Link(NamedTuple):
    """An event that is not of the frequent types, and which of these was written before it."""

    id: EventId
    follows: EventId | None


def _links(file: _File) -> list[_Link]:
    links, before = [], file.follows
    for entry in file.entries:
        if entry.event.type not in FREQUENT:
            links.append(_Link(entry.id, before))
            before = entry.id
    return links


def _floor(links: list[_Link]) -> EventId | None:
    """What the last unbroken row of them follows; None where there are none.

    An epoch that begins after another one without its first event follows a hole, too.
    """
    floor = EventId(links[0].id.epoch, links[0].id.number - 1) if links else None
    for before, this in pairwise(links):
        if not _is_next(before.id, this.id) and this.follows != before.id:
            floor = EventId(this.id.epoch, this.id.number - 1)
    return floor


def _begin_of_unbroken(entries: list[LoggedEvent]) -> EventId:
    """The id before the events at the end among which no number is missing."""
    first = entries[0].id
    for before, this in pairwise(entries):
        if not _is_next(before.id, this.id):
            first = this.id
    return EventId(first.epoch, first.number - 1)


def _is_next(before: EventId, this: EventId) -> bool:
    if this.epoch > before.epoch:
        return this.number == 1
    return this == (before.epoch, before.number + 1)


def _read_file(file: Path) -> _File:
    try:
        if file.stat().st_size > MOST_FILE_BYTES:
            raise OSError("it is too large to be ours")
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        logger.warning("events: %s: %s", file, error)
        return _File([])
    found = _File([])
    for line in lines[:-1]:  # after the last line break: nothing, or what a kill cut off
        try:
            if line.startswith(b'{"head"'):
                head = _head_decoder.decode(line)
                found.follows, found.forgotten = parse_id(head.follows), parse_id(head.forgotten)
                found.by_type = _ids_by_type(head)
            else:
                found.entries.append(read_event(line))
        except ValueError as error:
            logger.warning("events: %s is damaged: %s", file, error)
            break
    return found


def _ids_by_type(head: FileHead) -> dict[str, EventId]:
    texts = head.by_type if head.by_type is not None else dict.fromkeys(FREQUENT, head.forgotten)
    ids = {kind: parse_id(text) for kind, text in texts.items()}
    return {kind: at for kind, at in ids.items() if at is not None}
