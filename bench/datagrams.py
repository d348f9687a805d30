"""UDP by the dozen: sendmmsg, recvmmsg and GSO from Python, by ctypes; no checks, no comfort."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from typing import Any

SOL_UDP, UDP_SEGMENT = 17, 103
BUFFER_BYTES = 4 << 20
MAX_BYTES = 2048
SO_TIMESTAMPNS = 35
STAMP = "=Qiiqq"
STAMP_BYTES = struct.calcsize(STAMP)

_libc = ctypes.CDLL(None, use_errno=True)


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p), ("name_size", ctypes.c_uint32),
        ("pieces", ctypes.c_void_p), ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_size_t), ("length", ctypes.c_uint),
    ]  # fmt: skip


def open_socket(port: int = 0) -> socket.socket:
    """A non-blocking one on loopback with large buffers."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        opened.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    opened.bind(("127.0.0.1", port))
    return opened


class Outgoing:
    """Messages prepared once and sent often; of each: port, bytes, bytes of each packet in it."""

    def __init__(self, messages: Sequence[tuple[int, bytes, int]]) -> None:
        self._kept: list[Any] = []
        self.packets = sum(-(-len(data) // size) for _port, data, size in messages)
        self.count = len(messages)
        self._messages = (_Message * len(messages))()
        for message, (port, data, size) in zip(self._messages, messages, strict=True):
            address = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, b"\x7f\0\0\1")
            message.name, message.name_size = self._keep(address), 16
            piece = _Iovec(self._keep(data), len(data))
            self._kept.append(piece)
            message.pieces, message.piece_count = ctypes.addressof(piece), 1
            if len(data) > size:
                control = struct.pack("=QiiH6x", 18, SOL_UDP, UDP_SEGMENT, size)
                message.control, message.control_size = self._keep(control), len(control)

    def _keep(self, data: bytes) -> int:
        self._kept.append(ctypes.create_string_buffer(data, len(data)))
        return ctypes.addressof(self._kept[-1])

    def send(self, opened: socket.socket, at_once: int = 64) -> None:
        """All of them. Raises OSError."""
        start, size = ctypes.addressof(self._messages), ctypes.sizeof(_Message)
        number, at = opened.fileno(), 0
        while at < self.count:
            count = min(at_once, self.count - at)
            sent = _libc.sendmmsg(number, ctypes.c_void_p(start + at * size), count, 0)
            if sent < 0:
                raise OSError(ctypes.get_errno(), "sendmmsg")
            at += sent


class Incoming:
    """Takes what waits at a socket, 64 datagrams at one go."""

    AT_ONCE = 64

    def __init__(self) -> None:
        self._buffers = ctypes.create_string_buffer(self.AT_ONCE * MAX_BYTES)
        base = ctypes.addressof(self._buffers)
        pieces = [_Iovec(base + at * MAX_BYTES, MAX_BYTES) for at in range(self.AT_ONCE)]
        self._pieces = (_Iovec * self.AT_ONCE)(*pieces)
        self._messages = (_Message * self.AT_ONCE)()
        for message, piece in zip(self._messages, self._pieces, strict=True):
            message.pieces, message.piece_count = ctypes.addressof(piece), 1

    def take(self, number: int) -> int:
        """How many came, by a socket's file number; `datagram` has them until the next call."""
        count = _libc.recvmmsg(number, self._messages, self.AT_ONCE, socket.MSG_DONTWAIT, None)
        return max(int(count), 0)

    def datagram(self, index: int) -> bytes:
        """One of those taken."""
        start = index * MAX_BYTES
        return self._buffers.raw[start : start + self._messages[index].length]


class StampedIncoming(Incoming):
    """The same, and when the system took each datagram in, however late it is looked at here."""

    def __init__(self) -> None:
        super().__init__()
        self._controls = ctypes.create_string_buffer(self.AT_ONCE * STAMP_BYTES)
        base = ctypes.addressof(self._controls)
        for at, message in enumerate(self._messages):
            message.control, message.control_size = base + at * STAMP_BYTES, STAMP_BYTES

    @staticmethod
    def stamp(opened: socket.socket) -> None:
        """Asks for the stamps of what comes to a socket."""
        opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def take(self, number: int) -> int:
        """See Incoming."""
        for message in self._messages:
            message.control_size = STAMP_BYTES  # what was used of it, after a call
        return super().take(number)

    def utc_s(self, index: int) -> float:
        """When one of those taken came."""
        _size, _level, _kind, seconds, ns = struct.unpack_from(
            STAMP, self._controls, index * STAMP_BYTES
        )
        return float(seconds + ns / 1e9)
