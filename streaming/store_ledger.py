"""Who has which bytes of the media store: logs in regions of a sparse file. Sans-IO.

Each rendition has a log, which only grows at its end and is freed at its head. A log lies in a
region of its own, so what it appends is contiguous, and the range of a segment is that of its
parts. A region that is nearly used up is followed by another, between two segments.

    file    │ marks │ region 1            │ region 2            │ …
    region          │ freed ▏live ▏never written               │
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from segmenter.errors import UsageError


@dataclass(frozen=True, slots=True)
class Geometry:
    """How the file is cut, in bytes; the file's own limit is ``region_bytes * region_count``."""

    region_bytes: int
    region_count: int
    room_bytes: int
    """A segment begins in a new region where less than this is left: no segment is longer."""
    punches_holes: bool = True
    """False: pages cannot be given back to the system, so used regions are used again first."""
    page_bytes: int = 4096
    """What can be freed is whole pages."""


@dataclass(frozen=True, slots=True)
class Freed:
    """Bytes that are no longer needed. Readers are told by the mark before they are taken away."""

    region: int
    mark: int
    """Everything of the region before this offset has gone."""
    offset: int
    length: int
    """Whole pages; 0 when only the mark has moved."""


class _Run:
    """The part of a log that lies in one region; offsets are of the file."""

    __slots__ = ("end", "freed", "region", "start")

    def __init__(self, region: int, start: int) -> None:
        self.region = region
        self.start = self.end = self.freed = start


class Log:
    """One rendition's bytes; opaque to everyone but the ledger."""

    __slots__ = ("runs",)

    def __init__(self) -> None:
        self.runs: deque[_Run] = deque()


class StoreLedger:
    """Owns the bookkeeping; the store calls it before it writes and before it frees.

    When ``limit_bytes`` are held nothing more is given out until something is freed: what is
    listed already is kept, and what is new is refused.
    """

    def __init__(self, geometry: Geometry, limit_bytes: int) -> None:
        self._geometry = geometry
        self._next_region = 1
        self._freed_regions: deque[int] = deque()
        self.limit_bytes = limit_bytes
        self.held_bytes = 0

    def allocate(self, log: Log, size: int, *, starts_segment: bool) -> int | None:
        """Where the next ``size`` bytes of ``log`` go; None when there is no room for them."""
        if self.held_bytes + size > self.limit_bytes:
            return None
        run = log.runs[-1] if log.runs else None
        room = max(self._geometry.room_bytes, size)
        if run is None or (starts_segment and self._left(run) < room):
            run = self._open_run(log)
        if run is None or self._left(run) < size:
            return None
        offset = run.end
        run.end += size
        self.held_bytes += size
        return offset

    def take_back(self, log: Log, offset: int) -> None:
        """What was allocated last, at ``offset``, could not be written."""
        run = log.runs[-1]
        if not run.start <= offset <= run.end:
            raise UsageError(f"offset {offset} is not of the log's end")
        self.held_bytes -= run.end - offset
        run.end = offset

    def free(self, log: Log, before: int | None) -> list[Freed]:
        """The log needs nothing any more that it wrote before the bytes at ``before`` (None: ever).

        The last page of a log stays until it is closed.
        """
        if not log.runs:
            return []
        if before is None:
            before = log.runs[-1].end
        freed: list[Freed] = []
        while len(log.runs) > 1 and not log.runs[0].start <= before < log.runs[0].end:
            freed.append(self._free_run(log.runs.popleft()))
        run = log.runs[0]
        if not run.start <= before <= run.end:
            raise UsageError(f"offset {before} is not of the log")
        self.held_bytes -= before - run.start
        run.start = before
        return [*freed, self._punch(run, before - before % self._geometry.page_bytes)]

    def close(self, log: Log) -> list[Freed]:
        """The log needs nothing any more and will not grow."""
        freed = [self._free_run(run) for run in log.runs]
        log.runs.clear()
        return freed

    def _open_run(self, log: Log) -> _Run | None:
        region = self._take_region()
        if region is None:
            return None
        run = _Run(region, region * self._geometry.region_bytes)
        log.runs.append(run)
        return run

    def _take_region(self) -> int | None:
        # Rather a fresh one than a used one: a late reader must not find another log's bytes.
        is_used_up = self._next_region >= self._geometry.region_count
        if self._freed_regions and (is_used_up or not self._geometry.punches_holes):
            return self._freed_regions.popleft()
        if is_used_up:
            return None
        self._next_region += 1
        return self._next_region - 1

    def _left(self, run: _Run) -> int:
        return (run.region + 1) * self._geometry.region_bytes - run.end

    def _free_run(self, run: _Run) -> Freed:
        self.held_bytes -= run.end - run.start
        run.start = run.end
        page = self._geometry.page_bytes
        self._freed_regions.append(run.region)
        return self._punch(run, -(-run.end // page) * page)

    def _punch(self, run: _Run, to: int) -> Freed:
        """Free whole pages up to ``to``; those before were freed already."""
        offset, run.freed = run.freed, max(run.freed, to)
        return Freed(run.region, run.start, offset, run.freed - offset)
