"""Viewers of each path, told when they changed and not too often; and floods, told in sum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

VIEWERS: Final = "viewer.count"
EVERY_S: Final = 5.0


class ViewerNews:
    """Remembers what was told of viewers. Sans-IO."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}
        self._told_utc: dict[str, float] = {}

    def push(self, counts: Mapping[str, int], now_utc: float) -> list[tuple[str, int]]:
        """Paths whose viewers are to be told now, with how many there are."""
        news = []
        for path in counts.keys() | self._told.keys():
            count = counts.get(path, 0)
            if count == self._told.get(path, 0):
                if not count and now_utc - self._told_utc[path] >= EVERY_S:
                    del self._told[path], self._told_utc[path]
                continue
            if now_utc - self._told_utc.get(path, 0.0) >= EVERY_S:
                self._told[path], self._told_utc[path] = count, now_utc
                news.append((path, count))
        return news


class Flood:
    """Lets through so many events a second, and counts the others: an attacker decides how often
    publishers are rejected, and would push everything else out of the log. Sans-IO."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens = burst
        self._at_utc = 0.0
        self._withheld = 0

    def push(self, data: dict[str, Any], now_utc: float) -> dict[str, Any] | None:
        """The data to tell, with how many were not told before it; None: not this one."""
        gained = self._rate * max(0.0, now_utc - self._at_utc)
        self._tokens = min(self._burst, self._tokens + gained)
        self._at_utc = now_utc
        if self._tokens < 1:
            self._withheld += 1
            return None
        self._tokens -= 1
        withheld, self._withheld = self._withheld, 0
        return {**data, "withheld": withheld} if withheld else data
