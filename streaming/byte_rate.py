"""How fast bytes come. Sans-IO."""

from __future__ import annotations

RATE_WINDOW_S = 5.0
"""Long enough to smooth a GOP's key frame, short enough to follow a publisher's change."""


class ByteRate:
    """Bits per second over the last full window; owned by whoever counts the bytes."""

    def __init__(self, now_utc: float) -> None:
        self._since = now_utc
        self._bytes = 0
        self._last = 0

    def add(self, size_bytes: int, now_utc: float) -> None:
        """So many bytes have come."""
        self._bytes += size_bytes
        if now_utc - self._since >= RATE_WINDOW_S:
            self._last = self.bits_per_second(now_utc)
            self._since, self._bytes = now_utc, 0

    def bits_per_second(self, now_utc: float) -> int:
        """Of the last full window; of the first one while it lasts."""
        elapsed = now_utc - self._since
        if elapsed >= RATE_WINDOW_S or (not self._last and elapsed > 0):
            return int(self._bytes * 8 / elapsed)
        return self._last
