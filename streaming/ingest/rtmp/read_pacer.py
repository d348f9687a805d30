"""Reads of live publishers, gathered: the event loop wakes for all of them together.

A publisher's bytes come in a packet or two at a time, and waking for each costs more than reading
them. So a transport that has been read rests until the next tick, one timer for all transports.
"""

from __future__ import annotations

import asyncio

INTERVAL_S = 0.030
"""Between the reads of one publisher: a frame of most. Costs 15 ms of latency on average, a
thirteenth of a part; without it a publisher is read 70 times a second and more."""

MAX_SHARE = 0.1
"""Of the event loop's time for one publisher: what a read took decides how long it rests. A usual
stream takes under 0.005, so only a flood is slowed down, and by its own TCP connection."""


class ReadPacer:
    """Owns the tick of one server; sessions call ``rest`` after each read of a live publisher."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._resting: dict[asyncio.ReadTransport, float] = {}
        self._tick: asyncio.TimerHandle | None = None

    def rest(self, transport: asyncio.ReadTransport, started: float, ended: float) -> None:
        """Stop reading ``transport`` till the tick after its rest; times are the loop's."""
        transport.pause_reading()
        self._resting[transport] = ended + (ended - started) * (1 / MAX_SHARE - 1)
        if self._tick is None:
            self._tick = self._loop.call_later(INTERVAL_S, self._wake)

    def wake(self, transport: asyncio.ReadTransport) -> None:
        """End the rest of ``transport`` early, if it rests."""
        if self._resting.pop(transport, None) is not None and not transport.is_closing():
            transport.resume_reading()

    def close(self) -> None:
        """Stop ticking; whoever rests is not woken."""
        self._resting.clear()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _wake(self) -> None:
        now = self._loop.time()
        resting, self._resting = self._resting, {}
        for transport, until in resting.items():
            if until > now:
                self._resting[transport] = until
            elif not transport.is_closing():
                transport.resume_reading()
        self._tick = self._loop.call_later(INTERVAL_S, self._wake) if self._resting else None
