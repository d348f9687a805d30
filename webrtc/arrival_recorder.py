"""When a publisher's packets came, for its own congestion control (transport-wide); sans-IO."""

from __future__ import annotations

from typing import Final

from webrtc.publisher_rtcp import render_arrivals

INTERVAL_S: Final = 0.1
"""Between messages: libwebrtc sends each 50 to 250 ms."""

MAX_PACKETS: Final = 500
"""Of one message: 0.1 s of 50 Mb/s. What is older and has not come is given up."""


class ArrivalRecorder:
    """Owns what one publisher has not been told yet."""

    def __init__(self, ssrc: int) -> None:
        self._ssrc = ssrc
        self._arrivals: dict[int, float] = {}
        self._next: int | None = None
        self._number = 0
        self._due = 0.0

    def record(self, sequence: int, now: float) -> None:
        """A packet with this transport-wide number (16 bits) came."""
        if self._next is None:
            self._next = sequence
        step = (sequence - self._next) & 0xFFFF
        number = self._next + (step if step < 0x8000 else step - 0x10000)
        if number >= self._next:
            self._arrivals.setdefault(number, now)

    def take_feedback(self, media_ssrc: int, now: float) -> bytes | None:
        """The message that is due, or None."""
        if not self._arrivals or self._next is None or now < self._due:
            return None
        self._due = now + INTERVAL_S
        last = max(self._arrivals)
        first = max(self._next, last - MAX_PACKETS + 1)
        times = [self._arrivals.get(number) for number in range(first, last + 1)]
        feedback = render_arrivals(self._ssrc, media_ssrc, first, times, self._number)
        self._number += 1
        self._arrivals.clear()
        self._next = last + 1
        return feedback
