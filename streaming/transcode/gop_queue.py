"""The transcoder's input queue: bounded in media time and bytes, dropping whole groups of pictures.

The rule. A sample that makes the queue longer than `most_s` or larger than `most_bytes` empties
it up to the newest sync sample inside; when there is none, the queue drops everything, this
sample and all that follow until the next sync sample. Control items are never dropped.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from segmenter.media import Sample

C = TypeVar("C")

MOST_QUEUED_S = 4.0
"""Two default segments: later than that no live player waits for a rung."""
MOST_QUEUED_BYTES = 64_000_000
"""4 s of 100 Mb/s, and some."""


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

    def __init__(self, most_s: float = MOST_QUEUED_S, most_bytes: int = MOST_QUEUED_BYTES) -> None:
        self._most_s = most_s
        self._most_bytes = most_bytes
        self._items: deque[Sample | C] = deque()
        self._changed = threading.Condition()
        self._timescale = 1
        self._samples = 0
        self._bytes = 0
        self._newest: int | None = None
        self._taken: int | None = None
        self._skipping = False
        self._dropped = 0

    def put_control(self, item: C, timescale: int = 0) -> None:
        """Queues `item`; with `timescale`, samples behind it count in these ticks, from anew."""
        with self._changed:
            self._items.append(item)
            if timescale:
                self._timescale = timescale
                self._newest = self._taken = None
                self._skipping = False
            self._changed.notify()

    def put(self, sample: Sample) -> None:
        """Queues `sample`, or drops by the rule."""
        with self._changed:
            if self._skipping and not sample.is_sync:
                self._dropped += 1
                return
            self._skipping = False
            self._append(sample)
            if self._lag_s() > self._most_s or self._bytes > self._most_bytes:
                self._drop()
            self._changed.notify()

    def take(self) -> Sample | C:
        """The next item; waits for one."""
        with self._changed:
            while not self._items:
                self._changed.wait()
            item = self._items.popleft()
            if isinstance(item, Sample):
                self._samples -= 1
                self._bytes -= len(item.data)
                self._taken = item.dts
            return item

    def statistics(self) -> QueueStatistics:
        """The present state; any thread may ask."""
        with self._changed:
            return QueueStatistics(self._samples, self._lag_s(), self._dropped, self._skipping)

    def _append(self, sample: Sample) -> None:
        self._items.append(sample)
        self._samples += 1
        self._bytes += len(sample.data)
        self._newest = sample.dts
        if self._taken is None:
            self._taken = sample.dts

    def _lag_s(self) -> float:
        if self._newest is None or self._taken is None:
            return 0.0
        return max(0.0, (self._newest - self._taken) / self._timescale)

    def _drop(self) -> None:
        sync = next((s for s in reversed(self._items) if isinstance(s, Sample) and s.is_sync), None)
        kept: deque[Sample | C] = deque()
        keep = False
        for item in self._items:
            keep = keep or item is sync
            if keep or not isinstance(item, Sample):
                kept.append(item)
        self._dropped += len(self._items) - len(kept)
        self._items = kept
        samples = [item for item in kept if isinstance(item, Sample)]
        self._samples = len(samples)
        self._bytes = sum(len(sample.data) for sample in samples)
        self._taken = samples[0].dts if samples else self._newest
        self._skipping = sync is None or self._bytes > self._most_bytes or self._too_long(samples)

    def _too_long(self, samples: list[Sample]) -> bool:
        return self._lag_s() > self._most_s and len(samples) > 1
