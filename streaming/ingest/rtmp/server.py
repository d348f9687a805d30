"""The RTMP port: accepts publishers and bounds how many there are."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from streaming.config import RtmpConfig
from streaming.errors import LocalError
from streaming.ingest.rtmp.commands import CONNECT_CLOSED
from streaming.ingest.rtmp.limits import RtmpLimits
from streaming.ingest.rtmp.read_pacer import ReadPacer
from streaming.ingest.rtmp.session import RtmpSession, SessionStatistics
from streaming.ingest.rtmp.tls_listener import TlsListener
from streaming.ingest.source import PublishDoor

logger = logging.getLogger(__name__)

CLOSE_WAIT_S = 0.5
"""For publishers to read why we close and to leave by themselves; then they are cut off."""

_BACKLOG = 256


@dataclass(frozen=True, slots=True)
class RtmpServerStatistics:
    """The RTMP port, now and since it opened."""

    connections: int
    publishing: int
    accepted: int
    refused: int
    """Turned away by a limit on connections."""
    rejections: int
    """Publish requests that were turned down."""
    received_bytes: int
    """Of all connections, those that have gone among them."""
    sessions: tuple[SessionStatistics, ...]


class RtmpServer:
    """Owns the listening socket and its sessions; the composition root starts and closes it.

    ``[::]`` as host takes IPv4, too. Port 0 lets the system choose, ``port`` then says which.
    ``limits`` replaces what would follow from ``config``. Raises LocalError for an impossible
    ``config.listen``.
    """

    def __init__(
        self,
        config: RtmpConfig,
        door: PublishDoor,
        limits: RtmpLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._host, self._port = parse_listen(config.listen)
        self._tls_listen = config.tls_listen
        self._tls: TlsListener | None = None
        self._door = door
        self._limits = limits or RtmpLimits(
            idle_timeout_s=config.idle_timeout_s,
            max_bitrate=config.max_bitrate_kbps * 1000,
            max_connections=config.max_connections,
        )
        self._server: asyncio.Server | None = None
        self._pacer: ReadPacer | None = None
        self._sessions: dict[RtmpSession, str] = {}
        self._pending: dict[RtmpSession, str] = {}
        self._accepted = 0
        self._refused = 0
        self._gone_bytes = 0
        self._gone_rejections = 0
        self._all_gone: asyncio.Event | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen, and where there is a ``tls_listen`` with ``tls`` there. Raises OSError when an
        address cannot be had."""
        if self._server is not None:
            raise LocalError("the RTMP server has been started already")
        loop = asyncio.get_running_loop()
        pacer = self._pacer = ReadPacer(loop)

        def make_session() -> RtmpSession:
            return RtmpSession(self, self._door, pacer, self._limits, self._clock)

        if self._host == "::":
            dual = _open_all_addresses(self._port)
            self._server = await loop.create_server(make_session, sock=dual, backlog=_BACKLOG)
        else:
            self._server = await loop.create_server(
                make_session, self._host, self._port, backlog=_BACKLOG
            )
        logger.info("RTMP listens on port %d", self.port)
        if self._tls_listen and tls is not None:
            listening = _open(*parse_listen(self._tls_listen))
            self._tls = TlsListener(listening, tls, self._limits, make_session)
            self._tls.start()
            logger.info("RTMPS listens on port %d", self._tls.port)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is None or not self._server.sockets:
            return self._port
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def tls_port(self) -> int | None:
        """The port of RTMPS; None where there is none."""
        return self._tls.port if self._tls is not None else None

    async def close(self, description: str = "the server shuts down") -> None:
        """Stop listening, tell every publisher, and be gone after CLOSE_WAIT_S at most."""
        if self._server is None:
            return
        self._server.close()
        if self._tls is not None:
            await self._tls.close()
        for session in list(self._sessions):
            session.shut_down(CONNECT_CLOSED, description)
        await self._wait_gone()
        for session in list(self._sessions):
            session.abort()
        await self._wait_gone()
        if self._pacer is not None:
            self._pacer.close()
        self._server = None

    async def _wait_gone(self) -> None:
        """Until no session is left, CLOSE_WAIT_S at most."""
        self._all_gone = asyncio.Event()
        if self._sessions:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), CLOSE_WAIT_S)

    def request_reconnect(self, description: str, tc_url: str = "") -> int:
        """Ask all publishers that can to come back (to ``tc_url``); returns how many can."""
        asked = [session.request_reconnect(description, tc_url) for session in self._sessions]
        return sum(asked)

    def statistics(self) -> RtmpServerStatistics:
        """Counters so far."""
        sessions = tuple(session.statistics() for session in self._sessions)
        return RtmpServerStatistics(
            connections=len(sessions),
            publishing=sum(1 for session in sessions if session.path),
            accepted=self._accepted,
            refused=self._refused + (self._tls.refused if self._tls is not None else 0),
            rejections=self._gone_rejections + sum(seen.rejections for seen in sessions),
            received_bytes=self._gone_bytes
            + sum(seen.connection.received_bytes for seen in sessions),
            sessions=sessions,
        )

    # -- called by sessions --------------------------------------------------------------------

    def admit(self, session: RtmpSession, address: str) -> bool:
        """Whether the new connection may stay."""
        pending = sum(1 for other in self._pending.values() if other == address)
        if (
            len(self._sessions) >= self._limits.max_connections
            or pending >= self._limits.max_pending_per_address
        ):
            self._refused += 1
            return False
        self._accepted += 1
        self._sessions[session] = self._pending[session] = address
        return True

    def promote(self, session: RtmpSession) -> None:
        """The connection publishes and is no longer pending."""
        self._pending.pop(session, None)

    def forget(self, session: RtmpSession) -> None:
        """The connection is gone."""
        if self._sessions.pop(session, None) is None:
            return  # never admitted
        seen = session.statistics()
        self._gone_bytes += seen.connection.received_bytes
        self._gone_rejections += seen.rejections
        self._pending.pop(session, None)
        if self._all_gone is not None and not self._sessions:
            self._all_gone.set()


def parse_listen(listen: str) -> tuple[str, int]:
    """Host and port of a listen address. Raises LocalError when it is not one."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 0xFFFF:
        raise LocalError(f"{listen!r} is not an address like 0.0.0.0:1935 or [::]:1935")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], int(port)
    if ":" in host:
        raise LocalError(f"the IPv6 address in {listen!r} needs brackets, like [::]:1935")
    return host, int(port)


def _open(host: str, port: int) -> socket.socket:
    if host == "::":
        return _open_all_addresses(port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def _open_all_addresses(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG
        )
    return socket.create_server(("", port), backlog=_BACKLOG)
