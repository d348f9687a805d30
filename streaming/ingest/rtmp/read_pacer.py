"""Reads of live publishers, gathered: all of them are read together, at the ticks of one timer.

A publisher's bytes come in a packet or two at a time, and waking for each costs more than reading
them. So the event loop does not watch a live publisher's socket; it is read at the next tick, and
with it all others, whose news then leave for the delivery processes in one go.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import Protocol

logger = logging.getLogger(__name__)

INTERVAL_S = 0.030
"""Between the reads of one publisher: a frame of most. Costs 15 ms of latency on average, a
thirteenth of a part; without it a publisher is read 70 times a second and more."""

BURST_BYTES = 48 * 1024
"""Who sent as much between two reads is in the middle of a key frame: its TCP window (128 KB at
first) is full, so waiting for the tick would take a big frame several of them."""

BURST_INTERVAL_S = 0.002
"""Between the reads of a burst."""

RELAXED_TICKS = 6
"""Of the ticks every so many is one for publishers that nobody watches: less than a part's length.
What a read costs beside its bytes is shared by six times as many, and nobody feels the 150 ms."""

MAX_SHARE = 0.1
"""Of the event loop's time for one publisher: what a read took decides how long it rests. A usual
stream takes under 0.005, so only a flood is slowed down, and by its own TCP connection."""


class PacedReader(Protocol):
    """The socket of a live publisher."""

    def read_nowait(self) -> None:
        """Read what has come, and rest again if there may be more to come."""

    def abort(self) -> None:
        """Drop the connection."""


class ReadPacer:
    """Owns the tick of one server; sockets call ``rest`` after each read of a live publisher."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._resting: dict[PacedReader, float] = {}
        self._tick: asyncio.TimerHandle | None = None
        self._burst: asyncio.TimerHandle | None = None
        self._bursting: set[PacedReader] = set()
        self._relaxed: set[PacedReader] = set()
        self._ticks = 0

    def rest(
        self, reader: PacedReader, took_s: float, size_bytes: int = 0, *, relaxed: bool = False
    ) -> None:
        """Have ``reader`` read at the tick after its rest, or sooner if it sent a burst.

        ``took_s`` is what its last read took, ``size_bytes`` what that gave. One that is
        ``relaxed`` is read at every RELAXED_TICKS-th tick only.
        """
        self._resting[reader] = self._clock() + took_s * (1 / MAX_SHARE - 1)
        if self._tick is None:
            self._tick = self._loop.call_later(INTERVAL_S, self._read)
        if relaxed:
            self._relaxed.add(reader)
            size_bytes //= RELAXED_TICKS
        else:
            self._relaxed.discard(reader)
        if size_bytes >= BURST_BYTES:
            self._bursting.add(reader)
            if self._burst is None:
                self._burst = self._loop.call_later(BURST_INTERVAL_S, self._read_bursts)

    def leave(self, reader: PacedReader) -> None:
        """``reader`` is not to be called any more."""
        self._resting.pop(reader, None)
        self._relaxed.discard(reader)
        self._bursting.discard(reader)

    def close(self) -> None:
        """Stop ticking; whoever rests is not read."""
        self._resting.clear()
        self._relaxed.clear()
        self._bursting.clear()
        for timer in (self._tick, self._burst):
            if timer is not None:
                timer.cancel()
        self._tick = self._burst = None

    def _read(self) -> None:
        self._tick = self._loop.call_later(INTERVAL_S, self._read) if self._resting else None
        self._ticks += 1
        if self._ticks % RELAXED_TICKS:
            relaxed = self._relaxed
            self._read_due([reader for reader in self._resting if reader not in relaxed])
        else:
            self._read_due(list(self._resting))

    def _read_bursts(self) -> None:
        self._burst = None
        bursting, self._bursting = self._bursting, set()
        self._read_due(bursting)

    def _read_due(self, readers: Iterable[PacedReader]) -> None:
        now = self._clock()
        for reader in readers:
            if self._resting.get(reader, math.inf) > now:
                continue
            del self._resting[reader]
            try:
                reader.read_nowait()
            except Exception:  # as an event loop has it: it costs that connection
                logger.exception("a publisher cannot be read")
                reader.abort()
