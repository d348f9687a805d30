"""Whether a publisher's sound and picture drift apart, from what its timeline says each second.

Timestamps of both run with clocks of their own where an encoder takes them from two devices. How
far sound is ahead of the picture at first is the encoder's latency; that it changes is the fault.
Sans-IO.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from statistics import fmean
from typing import Final

MEASURES: Final = 10
"""Means of so many seconds: what one read brings of either track is uneven by a quarter second."""


class AvDrift:
    """Remembers how far apart they were at first, of one publisher after the other."""

    def __init__(self) -> None:
        self._publisher: Hashable = None
        self._first: list[float] = []
        self._latest: deque[float] = deque(maxlen=MEASURES)

    def push(self, publisher: Hashable, skew_s: float | None) -> float:
        """By how much sound has run ahead (behind: negative) since the publisher began, seconds.

        `publisher` is another one where what was measured means nothing any more; `skew_s` is None
        where one of the two does not come.
        """
        if publisher != self._publisher:
            self._publisher = publisher
            self._first.clear()
            self._latest.clear()
        if skew_s is None:
            return 0.0
        if len(self._first) < MEASURES:
            self._first.append(skew_s)
            return 0.0
        self._latest.append(skew_s)
        if len(self._latest) < MEASURES:
            return 0.0
        return fmean(self._latest) - fmean(self._first)
