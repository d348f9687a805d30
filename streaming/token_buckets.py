"""How often each of many may do something. Sans-IO."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST_REMEMBERED: Final = 10_000
"""Of those who did it lately, 2 MB; who comes by more names than that may do it more often."""


class TokenBuckets:
    """Owns a bucket for each name: `burst` at once, then `rate` a second."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Name to the tokens left and when that was; latest last."""

    def take(self, name: str, now: float) -> bool:
        """Whether `name` may do it once more, just now."""
        left, at = self._buckets.get(name, (self._burst, now))
        left = min(self._burst, left + self._rate * max(0.0, now - at))
        may = left >= 1
        self._buckets[name] = (left - 1 if may else left), now
        self._buckets.move_to_end(name)
        while len(self._buckets) > MOST_REMEMBERED:
            self._buckets.popitem(last=False)
        return may
