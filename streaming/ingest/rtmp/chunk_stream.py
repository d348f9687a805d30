"""RTMP chunk streams (RTMP 1.0, 5.3), sans-IO: bytes to messages and back.

A chunk is a basic header (format and chunk stream id), a message header that leaves out what has
not changed, an extended timestamp when 24 bits do not suffice, and at most one chunk size of
payload. Chunks of several streams interleave; within one they are in order.

Two things make reading cheap. A message that lies in one chunk and one read is one slice. And the
continuation chunks of a longer message carry the same header bytes at a fixed distance, so a run
of them is checked by one strided comparison and stripped by one strided deletion, both in C: a
peer that stays at 128-byte chunks costs little more than one that does not.
"""

from __future__ import annotations

import struct
from typing import Any, Protocol

from streaming.errors import RtmpError
from streaming.ingest.rtmp import messages
from streaming.ingest.rtmp.limits import (
    MAX_CHUNK_BYTES,
    MAX_CHUNK_STREAMS,
    MAX_COMMAND_BYTES,
    MAX_EMPTY_MESSAGES,
    MAX_MEDIA_BYTES,
    MIN_CHUNK_BYTES,
)
from streaming.ingest.rtmp.messages import MEDIA_TYPES, Message

DEFAULT_CHUNK_BYTES = 128

_EXTENDED = 0xFFFFFF
_UINT32 = 0xFFFFFFFF
_INT24 = struct.Struct(">HB")
_STREAM_ID = struct.Struct("<I")
_MESSAGE_HEADER_BYTES = (11, 7, 3, 0)

_MAX_RUN = 256
"""Chunks stripped at once: bounds what a run that breaks off early has looked at in vain."""


class _ChunkStream:
    """What later chunk headers of one stream leave out, and its unfinished message."""

    __slots__ = (
        "basic",
        "body",
        "delta",
        "extended",
        "length",
        "message_stream_id",
        "timestamp",
        "type_id",
    )

    def __init__(self, basic: bytes) -> None:
        self.basic = basic
        """Basic header of its continuation chunks."""
        self.timestamp = 0
        self.delta = 0
        self.length = 0
        self.type_id = 0
        self.message_stream_id = 0
        self.extended = b""
        self.body: bytearray | None = None


class OrdinaryMedia(Protocol):
    """Takes the media messages of a live publisher that are nothing special.

    As C does it, for the messages of one ``push``: what it takes comes before all that is returned.
    """

    @property
    def count(self) -> int:
        """How many messages it has taken."""

    def read_chunks(self, data: bytes, position: int, longest: int, streams: dict[int, Any]) -> int:
        """Take chunks that are one message of up to ``longest`` bytes each, and bring ``streams``
        up to date. Gives where the first that is not taken begins."""

    def read_message(self, message: Message) -> bool:
        """Take a message, or not."""


class ChunkReader:
    """Owns the receiving side of a connection's chunk streams; RtmpConnection feeds it.

    Obeys Set Chunk Size and Abort by itself, since they change how the next byte is read; they
    are not among the messages it returns. ``max_media_bytes`` bounds one media message, and twice
    that all unfinished ones together.
    """

    def __init__(self, max_media_bytes: int = MAX_MEDIA_BYTES) -> None:
        self._max_media_bytes = max_media_bytes
        self._chunk_bytes = DEFAULT_CHUNK_BYTES
        self._streams: dict[int, _ChunkStream] = {}
        self._current: _ChunkStream | None = None
        self._chunk_left = 0
        self._tail = b""
        self._unfinished_bytes = 0
        self._empty_messages = 0

    def push(self, data: bytes, media: OrdinaryMedia | None = None) -> list[Message]:
        """Messages that ``data`` completes, in order, but those that ``media`` takes before them.

        Raises RtmpError; the reader is then dead.
        """
        if self._tail:
            data = self._tail + data
            self._tail = b""
        out: list[Message] = []
        view = memoryview(data)
        position, end = 0, len(data)
        while position < end:
            stream = self._current
            if stream is None and media is not None:
                after = self._read_ordinary(media, data, position, out)
                if after > position:
                    position = after
                    continue
                media = None if out else media
            if stream is None:
                after = self._read_header(data, position, end)
                if after < 0:
                    self._tail = data[position:]
                    break
                position = after
                stream = self._current
                assert stream is not None
                length = stream.length
                if length == self._chunk_left and length <= end - position and stream.body is None:
                    self._finish(stream, data[position : position + length], out)
                    position += length
                    continue
            position = self._read_body(stream, view, position, end, out)
        return out

    def _read_ordinary(
        self, media: OrdinaryMedia, data: bytes, position: int, out: list[Message]
    ) -> int:
        """Let ``media`` take what it can from the chunk at ``position`` on; gives where that ends.

        Nothing after a message that it cannot: it may change what is ordinary.
        """
        if out:
            if not media.read_message(out[0]):
                return position
            out.clear()
        longest = min(self._chunk_bytes, self._max_media_bytes)
        after = media.read_chunks(data, position, longest, self._streams)
        if after > position:
            self._empty_messages = 0
        return after

    # -- headers -------------------------------------------------------------------------------

    def _read_header(self, data: bytes, position: int, end: int) -> int:
        """Read one chunk's headers; returns where its payload starts, -1 when data are missing."""
        first = data[position]
        form = first >> 6
        chunk_stream_id = first & 0x3F
        after = position + 1
        if chunk_stream_id < 2:  # 5.3.1.1: one or two more bytes hold the id
            after += 1 + chunk_stream_id
            if after > end:
                return -1
            chunk_stream_id = 64 + int.from_bytes(data[position + 1 : after], "little")
        stream = self._streams.get(chunk_stream_id)
        if stream is None:
            basic = bytes((first | 0xC0,)) + data[position + 1 : after]
            stream = self._open(chunk_stream_id, form, basic)
        if form == 3:
            after = self._continue(stream, data, after, end)
        else:
            after = self._begin(stream, form, data, after, end)
        if after >= 0:
            left = stream.length if stream.body is None else stream.length - len(stream.body)
            self._chunk_left = left if left < self._chunk_bytes else self._chunk_bytes
            self._current = stream
        return after

    def _open(self, chunk_stream_id: int, form: int, basic: bytes) -> _ChunkStream:
        if form > 1:  # librtmp may open with form 1; forms 2 and 3 would not know the length
            raise RtmpError(
                f"chunk stream {chunk_stream_id} starts with a type {form} chunk",
                value=chunk_stream_id,
            )
        if len(self._streams) >= MAX_CHUNK_STREAMS:
            raise RtmpError(f"more than {MAX_CHUNK_STREAMS} chunk streams")
        stream = self._streams[chunk_stream_id] = _ChunkStream(basic)
        return stream

    @staticmethod
    def _continue(stream: _ChunkStream, data: bytes, after: int, end: int) -> int:
        """Type 3: the next chunk of a message, or a new message like the one before."""
        # 5.3.1.3 wants the extended timestamp repeated; old encoders leave it out.
        if stream.extended and stream.extended.startswith(data[after : after + 4]):
            after += 4
            if after > end:
                return -1
        if stream.body is None:
            stream.timestamp = (stream.timestamp + stream.delta) & _UINT32
        return after

    def _begin(self, stream: _ChunkStream, form: int, data: bytes, start: int, end: int) -> int:
        """Types 0, 1 and 2: a new message with a header of 11, 7 or 3 bytes."""
        after = start + _MESSAGE_HEADER_BYTES[form]
        if after > end:
            return -1
        high, low = _INT24.unpack_from(data, start)
        time = high << 8 | low
        extended = b""
        if time == _EXTENDED:
            extended = data[after : after + 4]
            after += 4
            if after > end:
                return -1
            time = int.from_bytes(extended, "big")
        if stream.body is not None:
            raise RtmpError(f"a type {form} chunk inside a message", value=form)
        stream.delta = time  # also after type 0: a type 3 that follows repeats it (5.3.1.2.4)
        stream.timestamp = time if form == 0 else (stream.timestamp + time) & _UINT32
        stream.extended = extended
        if form < 2:
            high, low = _INT24.unpack_from(data, start + 3)
            stream.length = high << 8 | low
            stream.type_id = data[start + 6]
            if stream.length > self._max_media_bytes or stream.type_id not in MEDIA_TYPES:
                self._check_length(stream)
        if form == 0:
            (stream.message_stream_id,) = _STREAM_ID.unpack_from(data, start + 7)
        return after

    def _check_length(self, stream: _ChunkStream) -> None:
        limit = self._max_media_bytes if stream.type_id in MEDIA_TYPES else MAX_COMMAND_BYTES
        if stream.length > limit:
            raise RtmpError(
                f"message of type {stream.type_id} with {stream.length} bytes, over {limit}",
                value=stream.length,
            )

    # -- payload -------------------------------------------------------------------------------

    def _read_body(
        self, stream: _ChunkStream, view: memoryview, position: int, end: int, out: list[Message]
    ) -> int:
        """Collect what is there of a message in several chunks or reads; returns the position."""
        body = stream.body
        if body is None:
            body = stream.body = bytearray()
        had = len(body)
        stop = min(position + self._chunk_left, end)
        body += view[position:stop]
        self._chunk_left -= stop - position
        if not self._chunk_left:
            self._current = None
            stop = self._read_run(stream, body, view, stop, end)
        self._unfinished_bytes += len(body) - had
        if len(body) == stream.length:
            self._unfinished_bytes -= stream.length
            stream.body = None
            self._finish(stream, bytes(body), out)
        elif self._unfinished_bytes > 2 * self._max_media_bytes:
            raise RtmpError(f"{self._unfinished_bytes} bytes in unfinished messages")
        return stop

    def _read_run(
        self, stream: _ChunkStream, body: bytearray, view: memoryview, position: int, end: int
    ) -> int:
        """Take the full continuation chunks that follow each other here; returns their end."""
        header = stream.basic + stream.extended
        stride = len(header) + self._chunk_bytes
        count = min(
            (stream.length - len(body)) // self._chunk_bytes, (end - position) // stride, _MAX_RUN
        )
        for index, byte in enumerate(header):
            if not count:
                return position
            column = view[position + index : position + count * stride : stride].tobytes()
            count -= len(column.lstrip(bytes((byte,))))
        stop = position + count * stride
        run = bytearray(view[position:stop])
        for _ in header:
            del run[::stride]
            stride -= 1
        body += run
        return stop

    def _finish(self, stream: _ChunkStream, payload: bytes, out: list[Message]) -> None:
        self._current = None
        type_id = stream.type_id
        if not payload:
            self._empty_messages += 1
            if self._empty_messages > MAX_EMPTY_MESSAGES:
                raise RtmpError(f"more than {MAX_EMPTY_MESSAGES} empty messages in a row")
            return
        self._empty_messages = 0
        if type_id > messages.ABORT:
            out.append(Message(type_id, stream.timestamp, stream.message_stream_id, payload))
        elif type_id == messages.SET_CHUNK_SIZE:
            self._set_chunk_size(payload)
        elif type_id == messages.ABORT:
            self._abort(payload)

    def _set_chunk_size(self, payload: bytes) -> None:
        size = (messages.read_uint32(payload) or 0) & 0x7FFFFFFF
        if size < MIN_CHUNK_BYTES:
            raise RtmpError(f"chunk size {size} is under {MIN_CHUNK_BYTES}", value=size)
        self._chunk_bytes = min(size, MAX_CHUNK_BYTES)

    def _abort(self, payload: bytes) -> None:
        """Drop the unfinished message of a chunk stream (5.4.2)."""
        stream = self._streams.get(messages.read_uint32(payload) or 0)
        if stream is not None and stream.body is not None:
            self._unfinished_bytes -= len(stream.body)
            stream.body = None


class ChunkWriter:
    """Owns the sending side: whole messages in type 0 chunks, for what we send is rare and small.

    ``chunk_bytes`` follows our own Set Chunk Size messages.
    """

    def __init__(self) -> None:
        self.chunk_bytes = DEFAULT_CHUNK_BYTES

    def write(
        self, chunk_stream_id: int, type_id: int, payload: bytes, stream_id: int = 0
    ) -> bytes:
        """One message as chunks; ``chunk_stream_id`` is 2 to 63, the timestamp is always 0."""
        out = bytearray((chunk_stream_id, 0, 0, 0))
        out += len(payload).to_bytes(3, "big")
        out.append(type_id)
        out += stream_id.to_bytes(4, "little")
        out += payload[: self.chunk_bytes]
        for start in range(self.chunk_bytes, len(payload), self.chunk_bytes):
            out.append(0xC0 | chunk_stream_id)
            out += payload[start : start + self.chunk_bytes]
        return bytes(out)
