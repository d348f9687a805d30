"""When a peer's socket is read: by the event loop as bytes come, or at the pacer's ticks."""

from __future__ import annotations

import asyncio
import enum
import fcntl
import os
import struct
import termios
import time
from collections.abc import Callable

from streaming.ingest.rtmp.read_pacer import ReadPacer

MAX_READ_BYTES = 768 * 1024
"""Of one publisher at a tick: 200 Mb/s, twice what is allowed in the long run."""

MOST_PROMPT_S = 0.003
"""Who takes longer for what one event gave is read at ticks, as all others are: it floods."""

_SIZE = struct.Struct("i")
_NO_BYTES = bytes(_SIZE.size)


class Pace(enum.Enum):
    """How soon a peer's bytes are to be read."""

    AT_ONCE = "at once"
    """It is no publisher yet, or none any more: the event loop reads it."""
    PROMPT = "prompt"
    """Somebody counts milliseconds: the event loop reads it unless it floods."""
    AT_TICKS = "at ticks"
    RELAXED = "relaxed"
    """Nobody watches: every sixth tick or so will do."""


class PacedSocket:
    """Owns who reads one accepted socket; its session is the only caller, and the pacer.

    ``take_bytes`` is called with all that is read, by whomever; ``pace`` tells what holds after.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        pacer: ReadPacer,
        take_bytes: Callable[[bytes], None],
        pace: Callable[[], Pace],
    ) -> None:
        self.is_encrypted = transport.get_extra_info("sslcontext") is not None
        """Only the event loop can read that, so the pacer never does."""
        self._transport = transport
        self._pacer = pacer
        self._take_bytes = take_bytes
        self._pace = pace
        self._descriptor: int | None = None
        """Of the socket, while the pacer has it read."""

    def take(self, data: bytes) -> None:
        """The event loop has read ``data``."""
        started = time.monotonic()
        self._take_bytes(data)
        pace = self._pace()
        if self.is_encrypted or self._transport.is_closing() or _is_for_loop(pace, started):
            return
        self._leave_loop()
        self._rest(pace, started, len(data))

    def read_nowait(self) -> None:
        """See PacedReader: the socket of a live publisher is read here, not by the event loop."""
        descriptor, started = self._descriptor, time.monotonic()
        if descriptor is None:
            return
        try:
            data = os.read(descriptor, _waiting_bytes(descriptor))
        except BlockingIOError:
            self._rest(self._pace(), started, 0)
            return
        except OSError:
            self.return_to_loop()
            return
        if data:
            self._take_bytes(data)
        pace = self._pace()
        if data and not _is_for_loop(pace, started):
            self._rest(pace, started, len(data))
        else:
            self.return_to_loop()  # which finds out by itself that the peer has gone

    def abort(self) -> None:
        """See PacedReader: drops the connection."""
        self._transport.abort()

    def return_to_loop(self) -> None:
        """From now on the event loop reads it."""
        if self.leave() and not self._transport.is_closing():
            self._transport.resume_reading()

    def leave(self) -> bool:
        """The pacer reads it no more; whether it did."""
        self._pacer.leave(self)
        if self._descriptor is None:
            return False
        os.close(self._descriptor)
        self._descriptor = None
        return True

    def _leave_loop(self) -> None:
        """From now on the pacer has this read. The descriptor is a copy: a transport that closes
        gives its own back to the system, which may be another connection's the moment after."""
        self._transport.pause_reading()
        if self._descriptor is None:
            self._descriptor = os.dup(self._transport.get_extra_info("socket").fileno())

    def _rest(self, pace: Pace, started: float, size_bytes: int) -> None:
        took_s = time.monotonic() - started
        self._pacer.rest(self, took_s, size_bytes, relaxed=pace is Pace.RELAXED)


def _is_for_loop(pace: Pace, started: float) -> bool:
    if pace is Pace.PROMPT:
        return time.monotonic() - started < MOST_PROMPT_S
    return pace is Pace.AT_ONCE


def _waiting_bytes(descriptor: int) -> int:
    """How much to read: what has come, so that frames are not cut for want of room in a buffer.

    One that is too large costs more than asking: what is given back of it is mapped each time.
    """
    waiting: int = _SIZE.unpack(fcntl.ioctl(descriptor, termios.FIONREAD, _NO_BYTES))[0]
    return min(max(waiting, 1), MAX_READ_BYTES)
