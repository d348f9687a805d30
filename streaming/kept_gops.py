"""What an off-air publisher sent lately, so that it can go on air without waiting for a key frame.

The rule. Kept is what arrived since a sync sample of the leading track. As soon as a later one has
reached back far enough (`reach_s`, what a switch must cover), everything before it is dropped. A
group of pictures that outgrows its bounds is dropped whole, and the next sync sample begins anew.
"""

from __future__ import annotations

from collections import deque

from segmenter.media import Sample

LONGEST_GOP_S = 4.0
"""Twice the usual key frame distance. The viewers of what begins with a key frame so long ago are
that much further behind; with longer groups the next key frame is waited for."""

KEPT_BYTES = 16 << 20
"""Six seconds of 20 Mb/s."""

SMALL_HOLE_S = 0.1
"""Rather a hole of three frames than a group of pictures that viewers have seen already."""


class KeptGops:
    """Owned by the slot of one publisher; `reach_s` is how far back its samples may be needed."""

    def __init__(self, reach_s: float) -> None:
        self.reach_s = reach_s
        self._samples: deque[tuple[Sample, float]] = deque()
        self._bytes = 0
        self._entries: deque[tuple[int, float]] = deque()
        """Number and arrival of each sync sample that is kept, oldest first."""
        self._first = 0
        """Number of the oldest sample kept."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept that one could begin with."""
        return not self._entries

    def push(self, sample: Sample, now_utc: float, *, is_entry: bool) -> None:
        """Keeps a sample; `is_entry`: what follows it can be decoded."""
        if is_entry:
            self._entries.append((self._first + len(self._samples), now_utc))
        elif not self._entries:
            return
        self._samples.append((sample, now_utc))
        self._bytes += sample.size_bytes
        while len(self._entries) > 1 and now_utc - self._entries[1][1] >= self.reach_s:
            self._drop_oldest()
        while self._entries and self._is_too_much(now_utc):
            self._drop_oldest()

    def clear(self) -> None:
        """Nothing of this may go on air: the publisher stalled or changed its tracks."""
        self._first += len(self._samples)
        self._samples.clear()
        self._entries.clear()
        self._bytes = 0

    def take_newest(self) -> list[tuple[Sample, float]]:
        """Samples and their arrivals from the newest sync sample on; nothing is kept any more."""
        return self._take(self._entries[-1][0]) if self._entries else []

    def take_from(self, end_utc: float) -> list[tuple[Sample, float]]:
        """The same from where media on air ended, with the least that was on air already.

        Empty where that would be more than LONGEST_GOP_S: then the next sync sample is due first.
        """
        limit = end_utc + SMALL_HOLE_S
        before = [entry for entry in self._entries if entry[1] <= limit]
        entry = before[-1] if before else next(iter(self._entries), None)
        if entry is None or end_utc - entry[1] > LONGEST_GOP_S:
            self.clear()
            return []
        return self._take(entry[0])

    def _take(self, number: int) -> list[tuple[Sample, float]]:
        taken = list(self._samples)[max(0, number - self._first) :]
        self.clear()
        return taken

    def _is_too_much(self, now_utc: float) -> bool:
        most_s = self.reach_s + LONGEST_GOP_S
        return now_utc - self._entries[0][1] > most_s or self._bytes > KEPT_BYTES

    def _drop_oldest(self) -> None:
        """Up to the next sync sample, everything if there is none."""
        self._entries.popleft()
        if not self._entries:
            self.clear()
            return
        while self._first < self._entries[0][0]:
            sample, _ = self._samples.popleft()
            self._bytes -= sample.size_bytes
            self._first += 1
