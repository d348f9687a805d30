"""The transcoder's input queue: bounded in media time and bytes, dropping whole groups of pictures.

The rule. A sample that makes the queue longer than `most_s` or larger than `most_bytes` empties
it up to the newest sync sample inside; when there is none, the queue drops everything, this
sample and all that follow until the next sync sample. Control items are never dropped, and a
discontinuity that was on a dropped sample is said by the next one kept.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from segmenter.media import Sample

C = TypeVar("C")

MOST_QUEUED_S = 4.0
"""Two default segments: later than that no live player waits for a rung."""
MOST_QUEUED_BYTES = 64_000_000
"""4 s of 100 Mb/s, and some."""

MOST_STEP_S = 1.0
"""A publisher's pause is no lag: the time between two samples counts at most so much."""


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """What waits and what was lost."""

    samples: int
    lag_s: float
    """Media time between the newest sample received and the one last taken."""
    dropped_samples: int
    skipping: bool
    """Dropping right now, until the next sync sample."""


class GopQueue(Generic[C]):
    """Owned by one thread that takes; one other thread puts, and never waits."""

    def __init__(
        self,
        most_s: float = MOST_QUEUED_S,
        most_bytes: int = MOST_QUEUED_BYTES,
        timescale: int = 1,
    ) -> None:
        self._most_s = most_s
        self._most_bytes = most_bytes
        self._items: deque[tuple[Sample | C, float]] = deque()
        self._changed = threading.Condition()
        self._timescale = timescale
        self._samples = 0
        self._bytes = 0
        self._last_dts: int | None = None
        self._newest_s = 0.0
        self._taken_s = 0.0
        self._skipping = False
        self._owed = False
        self._dropped = 0

    def put_control(self, item: C, timescale: int = 0) -> None:
        """Queues `item`; with `timescale`, samples behind it count in these ticks."""
        with self._changed:
            self._items.append((item, self._newest_s))
            if timescale:
                self._timescale = timescale
                self._last_dts = None
                self._skipping = False
            self._changed.notify()

    def put(self, sample: Sample) -> None:
        """Queues `sample`, or drops by the rule."""
        with self._changed:
            if self._skipping and not sample.is_sync:
                self._dropped += 1
                self._owed = self._owed or sample.discontinuity
                return
            self._skipping = False
            if self._owed:
                sample, self._owed = replace(sample, discontinuity=True), False
            self._append(sample)
            if self._is_full():
                self._drop()
            self._changed.notify()

    def take(self) -> Sample | C:
        """The next item; waits for one."""
        with self._changed:
            while not self._items:
                self._changed.wait()
            item, self._taken_s = self._items.popleft()
            if isinstance(item, Sample):
                self._samples -= 1
                self._bytes -= len(item.data)
            return item

    def take_all(self) -> list[Sample | C]:
        """Everything that waits; for an owner that must not."""
        with self._changed:
            items = [item for item, _ in self._items]
            self._items.clear()
            self._samples = self._bytes = 0
            self._taken_s = self._newest_s
            return items

    def statistics(self) -> QueueStatistics:
        """The present state; any thread may ask."""
        with self._changed:
            lag_s = self._newest_s - self._taken_s
            return QueueStatistics(self._samples, lag_s, self._dropped, self._skipping)

    def _append(self, sample: Sample) -> None:
        if self._last_dts is not None and not sample.discontinuity:
            step_s = (sample.dts - self._last_dts) / self._timescale
            self._newest_s += min(max(step_s, 0.0), MOST_STEP_S)
        self._last_dts = sample.dts
        if not self._items:
            self._taken_s = max(self._taken_s, self._newest_s - MOST_STEP_S)
        self._items.append((sample, self._newest_s))
        self._samples += 1
        self._bytes += len(sample.data)

    def _is_full(self) -> bool:
        return self._newest_s - self._taken_s > self._most_s or self._bytes > self._most_bytes

    def _drop(self) -> None:
        """Keeps the control items, and the samples from the newest sync sample on."""
        before = self._samples
        broken = any(isinstance(i, Sample) and i.discontinuity for i, _ in self._items)
        self._items = self._kept()
        samples = [(item, at_s) for item, at_s in self._items if isinstance(item, Sample)]
        self._samples = len(samples)
        self._bytes = sum(len(sample.data) for sample, _ in samples)
        self._taken_s = samples[0][1] if samples else self._newest_s
        if samples and self._is_full():  # that one group alone is too much
            self._items = deque(pair for pair in self._items if not isinstance(pair[0], Sample))
            self._samples = self._bytes = 0
            self._taken_s = self._newest_s
        self._skipping = not self._samples
        self._dropped += before - self._samples
        self._owe(broken)

    def _owe(self, broken: bool) -> None:
        """Time broke somewhere in what was there: the first sample that is left says so."""
        for index, (item, at_s) in enumerate(self._items):
            if isinstance(item, Sample):
                if broken and not item.discontinuity:
                    self._items[index] = replace(item, discontinuity=True), at_s
                return
        self._owed = self._owed or broken

    def _kept(self) -> deque[tuple[Sample | C, float]]:
        kept: deque[tuple[Sample | C, float]] = deque()
        wanted = True
        for item, at_s in reversed(self._items):
            if not isinstance(item, Sample):
                kept.appendleft((item, at_s))
            elif wanted:
                kept.appendleft((item, at_s))
                wanted = not item.is_sync
        if wanted:  # no sync sample at all: what is left is the tail of a group
            kept = deque(pair for pair in kept if not isinstance(pair[0], Sample))
        return kept
