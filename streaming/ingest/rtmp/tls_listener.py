"""The RTMPS port: TLS before RTMP, its handshakes bounded as RTMP's are."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable

from streaming.ingest.rtmp.limits import RtmpLimits

logger = logging.getLogger(__name__)

SHUTDOWN_S = 2.0
"""For a publisher's farewell; most cut the connection without one."""
ACCEPT_PAUSE_S = 0.5
"""After the system had no descriptor left: trying again at once would fill the log."""


class TlsListener:
    """Owns its listening socket and the handshakes under way; what comes of one is a session.

    Accepts by itself, since a server of the event loop's does not tell of a connection before its
    handshake is over: as many as anybody likes could stand there.
    """

    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext,
        limits: RtmpLimits,
        make_session: Callable[[], asyncio.Protocol],
    ) -> None:
        self.refused = 0
        """Turned away before their handshake, by a limit."""
        self._listening = listening
        self._context = context
        self._limits = limits
        self._make_session = make_session
        self._handshakes: dict[asyncio.Task[None], str] = {}
        self._accepting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Accepts from now on; needs a running loop."""
        self._listening.setblocking(False)
        self._accepting = asyncio.get_running_loop().create_task(self._accept(), name="rtmps")

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listening.getsockname()[1])

    async def close(self) -> None:
        """Stops listening; handshakes end, sessions are not touched."""
        tasks = [*self._handshakes, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listening.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, place = await loop.sock_accept(self._listening)
            except OSError as error:
                logger.warning("RTMPS cannot accept: %s", error)
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            address = str(place[0])
            if not self._has_room_for(address):
                self.refused += 1
                connection.close()
                continue
            task = loop.create_task(self._shake_hands(connection), name="rtmps handshake")
            self._handshakes[task] = address
            task.add_done_callback(self._handshakes.pop)

    def _has_room_for(self, address: str) -> bool:
        under_way = Counter(self._handshakes.values())
        return (
            under_way.total() < self._limits.max_connections
            and under_way[address] < self._limits.max_pending_per_address
        )

    async def _shake_hands(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make_session,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._limits.handshake_timeout_s,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except OSError as error:  # ssl.SSLError and time-outs are some
            logger.info("RTMPS: no handshake: %s", error)
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise
