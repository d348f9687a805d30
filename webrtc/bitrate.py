"""How fast a counter of bytes rises; sans-IO."""

from __future__ import annotations


class Bitrate:
    """Bits per second between the last two readings; owned by whoever reads the counter."""

    def __init__(self) -> None:
        self.bits_per_second = 0
        self._last: tuple[int, float] | None = None

    def read(self, count_bytes: int, now: float) -> None:
        """What the counter says now; about once a second."""
        if self._last is not None:
            before, since = self._last
            if now <= since:
                return
            self.bits_per_second = max(0, int(8 * (count_bytes - before) / (now - since)))
        self._last = count_bytes, now
