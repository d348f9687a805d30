"""Media of viewers that came by TCP: the fan-out sends UDP alone, so it sends to us on loopback.

    fan-out ─SRTP→ inner ─loopback→ the viewer's relay ─framed→ its connection
    fan-out ←RTCP─ inner ←loopback─ the viewer's relay ←framed─ its connection

Only viewers have a relay; a publisher's media go to its session like all else.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from webrtc.ice import Flow
from webrtc.rtcp import is_rtcp
from webrtc.udp_mux import Receive

_MAX_DATAGRAM_BYTES = 2_048
_MAX_DATAGRAMS = 64
"""Taken of one viewer at one go, so that a key frame for it does not hold up the event loop."""

Send = Callable[[Flow, bytes], None]


class TcpRelay:
    """Owns a UDP socket for each viewer by TCP, and the one in the fan-out that they talk to.

    ``inner`` is that one, bound to loopback; ``number`` is its place among the fan-out's sockets
    and ``receive`` the fan-out's. The TCP mux starts, feeds and closes it.
    """

    def __init__(self, inner: socket.socket, number: int, receive: Receive) -> None:
        self._inner = inner
        self._number = number
        self._receive = receive
        self._sockets: dict[Flow, socket.socket] = {}
        self._send: Send = _drop
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        """How many viewers it serves."""
        return len(self._sockets)

    def start(self, send: Send) -> None:
        """Begin; ``send`` brings a datagram to a connection."""
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._inner.fileno(), self._receive, self._number)

    def open(self, flow: Flow) -> Flow:
        """A viewer's relay, made when there is none: what the fan-out has to send to."""
        assert self._loop is not None, "start comes first"
        if flow not in self._sockets:
            own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            own.setblocking(False)
            own.bind(("127.0.0.1", 0))
            own.connect(self._inner.getsockname())  # nobody else's datagrams come in
            self._sockets[flow] = own
            self._loop.add_reader(own.fileno(), self._read, flow, own)
        host, port = self._sockets[flow].getsockname()
        return Flow(self._number, host, port)

    def forward(self, datagram: bytes, flow: Flow) -> bool:
        """Give a viewer's RTCP to the fan-out; whether it was that."""
        own = self._sockets.get(flow)
        if own is None or not is_rtcp(datagram):
            return False
        with contextlib.suppress(OSError):  # a full buffer: the next report says the same
            own.send(datagram)
        return True

    def close_flow(self, flow: Flow) -> None:
        """Its connection has ended."""
        own = self._sockets.pop(flow, None)
        if own is not None:
            assert self._loop is not None
            self._loop.remove_reader(own.fileno())
            own.close()

    def close(self) -> None:
        """End all; the fan-out's socket is closed by whoever made it."""
        for flow in list(self._sockets):
            self.close_flow(flow)
        if self._loop is not None:
            self._loop.remove_reader(self._inner.fileno())

    def _read(self, flow: Flow, own: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(_MAX_DATAGRAMS):
                self._send(flow, own.recv(_MAX_DATAGRAM_BYTES))


def _drop(flow: Flow, datagram: bytes) -> None:
    """Nobody is there before `start`."""
