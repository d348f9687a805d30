"""What a soak found wrong: sentences with the second they were noticed."""

from __future__ import annotations

import time

MOST_KEPT = 200
"""A server that is broken for an hour says the same thing thousands of times."""


class Findings:
    """Collects; shared by everyone who watches."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.left_out = 0
        self._started = time.monotonic()

    @property
    def age_s(self) -> float:
        """Seconds since the soak began."""
        return time.monotonic() - self._started

    def add(self, who: str, what: str) -> None:
        """Something is wrong now."""
        if len(self.sentences) < MOST_KEPT:
            self.sentences.append(f"{self.age_s:7.1f} s  {who}: {what}")
        else:
            self.left_out += 1
