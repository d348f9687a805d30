"""The link between two of our processes: framed messages over a Unix socket pair.

A frame is a 4-byte big-endian length and one msgpack message of the link's tagged union. `Link`
is the event-loop end, `BlockingLink` the end of a worker that has threads instead of a loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar, cast

import msgspec

from streaming.errors import LinkBrokenError

M = TypeVar("M")

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""A segment at 100 Mb/s for 4 s is 50 MB; anything larger is a bug of ours."""

_LENGTH = struct.Struct(">I")


class FrameReader(Generic[M]):
    """Bytes in, messages out; sans-IO."""

    def __init__(self, message_type: Any) -> None:
        self._decoder = msgspec.msgpack.Decoder(message_type)
        self._buffer = bytearray()

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[M]:
        """Returns the messages completed by `data`.

        Raises LinkBrokenError when a frame is too large or not of the link's messages.
        """
        buffer = self._buffer
        buffer += data
        messages: list[M] = []
        start = 0
        while len(buffer) - start >= 4:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > MAX_FRAME_BYTES:
                raise LinkBrokenError(f"frame of {length} bytes exceeds {MAX_FRAME_BYTES}")
            end = start + 4 + length
            if len(buffer) < end:
                break
            messages.append(self._decode(buffer, start + 4, end))
            start = end
        if start:
            del buffer[:start]
        return messages

    def _decode(self, buffer: bytearray, start: int, end: int) -> M:
        with memoryview(buffer) as view, view[start:end] as frame:
            try:
                message: M = self._decoder.decode(frame)
            except msgspec.MsgspecError as error:
                raise LinkBrokenError(f"undecodable message: {error}") from error
        return message


_encoder = msgspec.msgpack.Encoder()


def encode_frame(message: Any) -> bytearray:
    """One message as a frame; encoded behind its length, for a segment's bytes are megabytes."""
    frame = bytearray()
    _encoder.encode_into(message, frame, _LENGTH.size)
    _LENGTH.pack_into(frame, 0, len(frame) - _LENGTH.size)
    return frame


class Link(asyncio.Protocol, Generic[M]):
    """Owns one end of a link on the event loop; its creator sends, closes and gets the messages.

    `buffered_bytes` says how much the other end is behind; what to drop then is the sender's
    written rule, never the link's.
    """

    def __init__(
        self,
        message_type: Any,
        on_message: Callable[[M], None],
        on_closed: Callable[[], None],
        on_open: Callable[[Link[M]], None] = lambda link: None,
    ) -> None:
        self._reader: FrameReader[M] = FrameReader(message_type)
        self._on_message = on_message
        self._on_closed = on_closed
        self._on_open = on_open
        self._transport: asyncio.Transport | None = None
        self._frames: list[bytearray] = []
        self._frames_bytes = 0

    @classmethod
    async def open(
        cls,
        end: socket.socket,
        message_type: Any,
        on_message: Callable[[M], None],
        on_closed: Callable[[], None],
        on_open: Callable[[Link[M]], None] = lambda link: None,
    ) -> Link[M]:
        """Takes over the socket `end`. `on_open` comes before any message: on a busy loop some
        have been read when this returns."""
        end.setblocking(False)
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(
            lambda: cls(message_type, on_message, on_closed, on_open), sock=end
        )
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no asyncio.Transport by type.
        self._transport = cast(asyncio.Transport, transport)
        self._on_open(self)

    def data_received(self, data: bytes) -> None:
        for message in self._reader.receive_data(data):
            self._on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._frames.clear()
        self._frames_bytes = 0
        self._on_closed()

    @property
    def buffered_bytes(self) -> int:
        """Bytes accepted from us and not yet by the kernel."""
        if self._transport is None:
            return 0
        return self._frames_bytes + self._transport.get_write_buffer_size()

    @property
    def closed(self) -> bool:
        """True once the other end or we have gone."""
        return self._transport is None

    def send(self, message: Any) -> None:
        """Queues one message; silently nothing once closed (`on_closed` has said so)."""
        if self._transport is not None:
            self.send_frame(encode_frame(message))

    def send_frame(self, frame: bytearray) -> None:
        """Queues a frame made by `encode_frame`, for several links of the same messages.

        What is queued in one turn of the loop leaves together at its end: a system call for each
        of a part's and its playlist's frames, and the other end woken by each, was a fifth of the
        main process's CPU.
        """
        if self._transport is None:
            return
        if not self._frames:
            asyncio.get_running_loop().call_soon(self._flush)
        self._frames.append(frame)
        self._frames_bytes += len(frame)

    def close(self) -> None:
        """Flushes and closes."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def _flush(self) -> None:
        frames, self._frames, self._frames_bytes = self._frames, [], 0
        if self._transport is not None and frames:
            self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))


class BlockingLink(Generic[M]):
    """The end of a link in a worker process: blocking reads in one thread, sends from any."""

    def __init__(self, end: socket.socket, message_type: Any) -> None:
        end.setblocking(True)
        self._socket = end
        self._reader: FrameReader[M] = FrameReader(message_type)
        self._lock = threading.Lock()

    @classmethod
    def from_fd(cls, fd: int, message_type: Any) -> BlockingLink[M]:
        """Takes over an inherited file descriptor."""
        return cls(socket.socket(fileno=fd), message_type)

    def messages(self) -> Iterator[M]:
        """Yields messages until the other end has gone."""
        while True:
            try:
                data = self._socket.recv(262_144)
            except OSError:
                return
            if not data:
                return
            yield from self._reader.receive_data(data)

    def send(self, message: Any) -> None:
        """Sends one message, blocking while the other end is behind.

        Raises LinkBrokenError when the other end has gone.
        """
        frame = encode_frame(message)
        with self._lock:
            try:
                self._socket.sendall(frame)
            except OSError as error:
                raise LinkBrokenError("the other process has gone") from error

    def close(self) -> None:
        """Closes; a reader in another thread returns."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
