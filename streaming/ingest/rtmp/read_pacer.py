"""Reads of live publishers, gathered: all of them are read together, at the ticks of one timer.

A publisher's bytes come in a packet or two at a time, and waking for each costs more than reading
them. So the event loop does not watch a live publisher's socket; it is read at the next tick, and
with it all others, whose news then leave for the delivery processes in one go.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger(__name__)

INTERVAL_S = 0.030
"""Between the reads of one publisher: a frame of most. Costs 15 ms of latency on average, a
thirteenth of a part; without it a publisher is read 70 times a second and more."""

MAX_SHARE = 0.1
"""Of the event loop's time for one publisher: what a read took decides how long it rests. A usual
stream takes under 0.005, so only a flood is slowed down, and by its own TCP connection."""


class PacedReader(Protocol):
    """A session of a live publisher."""

    def read_nowait(self) -> None:
        """Read what has come, and rest again if there may be more to come."""

    def abort(self) -> None:
        """Drop the connection."""


class ReadPacer:
    """Owns the tick of one server; sessions call ``rest`` after each read of a live publisher."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._resting: dict[PacedReader, float] = {}
        self._tick: asyncio.TimerHandle | None = None

    def rest(self, reader: PacedReader, took_s: float) -> None:
        """Have ``reader`` read at the tick after its rest; ``took_s``: what its last read took."""
        self._resting[reader] = self._clock() + took_s * (1 / MAX_SHARE - 1)
        if self._tick is None:
            self._tick = self._loop.call_later(INTERVAL_S, self._read)

    def leave(self, reader: PacedReader) -> None:
        """``reader`` is not to be called any more."""
        self._resting.pop(reader, None)

    def close(self) -> None:
        """Stop ticking; whoever rests is not read."""
        self._resting.clear()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _read(self) -> None:
        self._tick = self._loop.call_later(INTERVAL_S, self._read) if self._resting else None
        now = self._clock()
        due = [reader for reader, until in self._resting.items() if until <= now]
        for reader in due:
            if self._resting.pop(reader, None) is None:
                continue
            try:
                reader.read_nowait()
            except Exception:  # as an event loop has it: it costs that connection
                logger.exception("a publisher cannot be read")
                reader.abort()
