"""What a follower that does not read may cost: bounds on the buffers up to its network."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final

MOST_UNSENT_BYTES: Final = 65_536
"""Who has not taken so much is told nothing more until it has; it then goes on in the log, or is
told a reset. A batch is as large again, and the socket's buffer: together 192 KiB."""
SOCKET_BYTES: Final = 32_768
"""Of the system's own buffer, which doubles it for its records; else it grows to megabytes for who
does not read. 640 kB/s at 100 ms: more than all events that are kept, within seconds."""


def bound_buffers(transport: asyncio.BaseTransport | None) -> None:
    """Of a connection that is to follow."""
    connection = transport.get_extra_info("socket") if transport is not None else None
    if connection is not None:
        with contextlib.suppress(OSError):  # it has gone
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)


def unsent_bytes(transport: asyncio.WriteTransport | None) -> int:
    """What waits in this process for the client to take it."""
    return transport.get_write_buffer_size() if transport is not None else 0
