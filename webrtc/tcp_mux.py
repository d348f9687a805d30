"""ICE-TCP passive candidates (RFC 6544) on one port, for networks that block UDP.

Each datagram travels behind a 2-byte length (RFC 4571). A connection has to begin with a check of
one of our peers and is a flow like any other from then on. A viewer whose connection does not keep
up loses datagrams, whole ones, and asks for them again or for a key frame.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from webrtc.flow_table import FlowTable
from webrtc.ice import TCP, Flow
from webrtc.tcp_relay import TcpRelay

MAX_CONNECTIONS = 1_000
"""UDP is how peers are meant to come; each connection is a descriptor and up to 512 kB."""

_LOOK_S = 10.0
"""How often a connection is looked at: one that is no peer's, not yet or no longer, is closed."""

_MAX_UNSENT_BYTES = 512 << 10
"""One second of 4 Mb/s; what is older is of no use to a viewer."""

_MAX_FRAME_BYTES = 2_048


class Rfc4571Reader:
    """Bytes of a connection in, datagrams out (RFC 4571); at most one frame waits."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def push(self, data: bytes) -> list[bytes]:
        """Whole datagrams so far. Raises ValueError when one is larger than a datagram is."""
        self._waiting += data
        datagrams: list[bytes] = []
        position = 0
        while len(self._waiting) - position >= 2:
            size = int.from_bytes(self._waiting[position : position + 2], "big")
            if size > _MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {size} bytes")
            if len(self._waiting) - position - 2 < size:
                break
            datagrams.append(bytes(self._waiting[position + 2 : position + 2 + size]))
            position += 2 + size
        del self._waiting[:position]
        return datagrams


class _Connection(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, mux: TcpMux) -> None:
        self._mux = mux
        self._reader = Rfc4571Reader()
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self.flow = Flow(TCP, "", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance: uvloop's transports are no asyncio.Transport.
        self._transport = cast(asyncio.Transport, transport)
        host, port = transport.get_extra_info("peername")[:2]
        self.flow = Flow(TCP, host, port)
        if not self._mux.add(self):
            self.abort()
            return
        self._look_later()

    def _look_later(self) -> None:
        self._watch = asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def data_received(self, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        try:
            datagrams = self._reader.push(data)
        except ValueError:
            self.abort()
            return
        for datagram in datagrams:
            if not self._mux.receive(datagram, self.flow, now):
                self.abort()  # RFC 6544 does not foresee anything before a check
                return

    def connection_lost(self, error: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._mux.remove(self)

    def send(self, datagram: bytes) -> bool:
        """Whether the connection takes it."""
        transport = self._transport
        if transport is None or transport.get_write_buffer_size() > _MAX_UNSENT_BYTES:
            return False
        transport.write(len(datagram).to_bytes(2, "big") + datagram)
        return True

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _look(self) -> None:
        if self._mux.table.endpoint_of(self.flow) is None:
            self.abort()
        else:
            self._look_later()


class TcpMux:
    """Accepts connections on its socket and feeds the flow table; sends for sessions.

    Through ``relay`` viewers' media come and go, which the fan-out sends by UDP alone. Made,
    started and closed by the composition root.
    """

    def __init__(self, listening: socket.socket, table: FlowTable, relay: TcpRelay) -> None:
        self.table = table
        self._listening = listening
        self._relay = relay
        self._connections: dict[Flow, _Connection] = {}
        self._server: asyncio.Server | None = None
        self.unsent = 0
        """Datagrams that a connection did not take."""

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listening.getsockname()[1]
        return port

    async def start(self) -> None:
        """Accept connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), sock=self._listening)
        self._relay.start(self.send)

    def send(self, flow: Flow, datagram: bytes) -> None:
        """Send by the flow's connection, if it is there and takes it."""
        connection = self._connections.get(flow)
        if connection is None or not connection.send(datagram):
            self.unsent += 1

    def media_flow(self, flow: Flow) -> Flow:
        """Where the fan-out reaches the peer of a connection."""
        return self._relay.open(flow)

    def receive(self, datagram: bytes, flow: Flow, now: float) -> bool:
        """Hand on what a connection brought; whether the connection is a peer's."""
        if not self._relay.forward(datagram, flow):
            self.table.receive(datagram, flow, now)
        return self.table.endpoint_of(flow) is not None

    def add(self, connection: _Connection) -> bool:
        """A connection came; whether there is room for it."""
        if len(self._connections) >= MAX_CONNECTIONS:
            return False
        self._connections[connection.flow] = connection
        return True

    def remove(self, connection: _Connection) -> None:
        """A connection has ended."""
        if self._connections.get(connection.flow) is connection:
            del self._connections[connection.flow]
            self._relay.close_flow(connection.flow)
            self.table.remove_flow(connection.flow)

    async def close(self) -> None:
        """End all connections and stop listening."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections.values()):
            connection.abort()
        if self._server is not None:
            await self._server.wait_closed()
        self._relay.close()
