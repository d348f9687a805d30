"""Accepting connections: a bound on how many, a sweep for slow ones, a drain at the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Final

from streaming.server.connection import Connection, DeliveryServer
from streaming.server.counters import Counters
from streaming.tls import HANDSHAKE_S, SHUTDOWN_S

SWEEP_S: Final = 2.0
"""All connections are looked at once in this time, a slice at each tick, so that 20,000 of them
do not hold up the loop."""

_SLICES: Final = 20
_BACKLOG: Final = 4_096
"""A crowd that returns at once waits here, not in SYN retries."""


class Listener:
    """Owns the listening socket and every open connection of a delivery process."""

    def __init__(
        self,
        server: DeliveryServer,
        listening: socket.socket,
        max_connections: int,
        counters: Counters,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._server = server
        self._listening = listening
        self._max_connections = max_connections
        self._counters = counters
        self._acceptor: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def connections(self) -> list[Connection]:
        """The clients that are connected."""
        return [one for one in self._server.connections if isinstance(one, Connection)]

    @property
    def accepts(self) -> bool:
        """Whether new connections are accepted, rather than left in the listen queue."""
        return self._acceptor is not None

    async def start(self) -> None:
        """Accepts from now on."""
        await self._accept()
        self._sweeper = asyncio.create_task(self._sweep(), name="sweep")

    async def drain(self, within_s: float) -> None:
        """Accepts nobody any more, lets running responses finish for `within_s`, cuts the rest."""
        self._closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        self._pause()
        deadline = asyncio.get_running_loop().time() + within_s
        self._server.pre_shutdown()
        while self._unsent() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # transports have no event for "all sent"
        left_s = deadline - asyncio.get_running_loop().time()
        connections = self.connections
        # aiohttp takes 0 for "wait without end".
        await self._server.shutdown(max(0.01, left_s))
        for connection in connections:
            connection.abort()

    async def _accept(self) -> None:
        # A duplicate, since closing an acceptor closes its socket and we pause by closing.
        duplicate = self._listening.dup()
        self._acceptor = await asyncio.get_running_loop().create_server(
            self._server,
            sock=duplicate,
            backlog=_BACKLOG,
            ssl=self._tls,
            ssl_handshake_timeout=HANDSHAKE_S if self._tls is not None else None,
            ssl_shutdown_timeout=SHUTDOWN_S if self._tls is not None else None,
        )

    def _pause(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            self._acceptor = None

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        tick_s = SWEEP_S / _SLICES
        turn = 0
        while True:
            expected = loop.time() + tick_s
            await asyncio.sleep(tick_s)
            now = loop.time()
            self._counters.loop_lag_s = max(self._counters.loop_lag_s, now - expected)
            connections = self.connections
            turn = (turn + 1) % _SLICES
            for connection in connections[turn::_SLICES]:
                if connection.is_dawdling(now):
                    self._counters.refused_connections += 1
                    connection.abort()
                elif connection.is_idle(now):
                    connection.force_close()
            await self._balance(len(connections))

    async def _balance(self, connections: int) -> None:
        if self._acceptor is not None and connections >= self._max_connections:
            self._pause()
        elif self._acceptor is None and connections < self._max_connections * 0.95:
            await self._accept()

    def _unsent(self) -> bool:
        return any(connection.unsent_bytes for connection in self.connections)
