"""The WebRTC process: `python -m streaming.rtc.process <link>`.

Everything else, sockets included, is said in the first message. It ends when the link does.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import sys
import time
from typing import Any

import uvloop

from streaming.cpu_priority import give_up_raising_priority, raise_threads
from streaming.link import Link
from streaming.logs import start_child_logging
from streaming.rtc.messages import RtcListening, RtcSetup, ToRtc
from streaming.rtc.server import RtcServer
from streaming.worker_entry import live_with_parent
from webrtc.address_discovery import AddressDiscovery
from webrtc.fanout import Fanout
from webrtc.flow_table import FlowTable
from webrtc.ice import Flow
from webrtc.peer_port import MuxedPort, reachable_addresses
from webrtc.signalling import TIMER_S
from webrtc.tcp_mux import TcpMux
from webrtc.tcp_relay import TcpRelay
from webrtc.udp_mux import UdpMux, bind_udp

logger = logging.getLogger(__name__)

REPORT_S = 1.0
IDLE_TIMER_S = 1.0
"""Between looks while there is no peer; a message of the main process ends the wait."""
DISCOVERY_TURN_S = 0.1
RESOLVE_S = 5.0
"""A resolver that takes longer is asked again next time; the question goes where it went before."""


class RtcProcess:
    """Wires the link, the sockets, the fan-out and the server; owns everything in this process."""

    def __init__(self) -> None:
        self._link: Link[Any] | None = None
        self._setup: asyncio.Future[RtcSetup] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._has_news = asyncio.Event()
        """A message has come since the last tick."""
        self._server: RtcServer | None = None

    async def run(self, end: socket.socket) -> None:
        """Serves until the main process closes the link."""
        self._link = await Link.open(end, ToRtc, self._receive, self._ended.set)
        serving = asyncio.create_task(self._serve(), name="serve")
        ending = asyncio.create_task(self._ended.wait(), name="end")
        await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()  # which says what went wrong
        serving.cancel()

    async def _serve(self) -> None:
        setup = await self._setup
        logging.getLogger().setLevel(setup.log_level.upper())
        udp = [socket.socket(fileno=number) for number in setup.udp]
        threads = setup.config.threads or max(1, (os.cpu_count() or 1) // 2)
        utc_offset_s = setup.utc_ahead_s or time.time() - time.monotonic()
        inner = bind_udp(["127.0.0.1"], 0)[0]
        sockets = [one.fileno() for one in (*udp, inner)]
        fanout = Fanout(sockets, threads, utc_offset_s=utc_offset_s)
        priority = raise_threads(fanout.thread_ids(), setup.config.priority)
        give_up_raising_priority()
        if priority != setup.config.priority:
            wanted = setup.config.priority
            logger.info('threads that send have "%s" priority: "%s" is refused', priority, wanted)
        table = FlowTable()
        mux = UdpMux(udp, table, fanout.receive)
        relay = TcpRelay(inner, len(udp), fanout.receive)
        tcp = TcpMux(socket.socket(fileno=setup.tcp[0]), table, relay) if setup.tcp else None
        if tcp is not None:
            await tcp.start()
        bound = [one.getsockname()[0] for one in udp]
        addresses, is_lite = reachable_addresses(setup.config.public_addresses, bound)
        port = MuxedPort(table, mux, tcp, addresses, is_lite=is_lite)
        server = self._server = RtcServer(
            setup.config,
            fanout,
            port,
            self._send,
            now=asyncio.get_running_loop().time,
            utc=lambda: time.monotonic() + utc_offset_s,
            send_priority=priority,
        )
        gc.freeze()
        self._send(RtcListening())
        work = [self._tick(server), self._report(server)]
        if setup.config.stun_server:
            work.append(self._discover(setup.config.stun_server, table, port))
        await asyncio.gather(*work)

    async def _tick(self, server: RtcServer) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._has_news.clear()
            if server.is_idle:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._has_news.wait(), IDLE_TIMER_S)
            await asyncio.sleep(TIMER_S)
            server.handle_timer(loop.time())

    async def _discover(self, stun_server: str, table: FlowTable, port: MuxedPort) -> None:
        """Asks a STUN server for our address, for as long as there are peers."""
        loop = asyncio.get_running_loop()

        def tell(host: str, number: int) -> None:
            logger.info("others see us at %s port %d", host, number)
            port.set_discovered(host, number)

        def fail(why: str) -> None:
            logger.warning("%s: %s", stun_server, why)

        discovery = AddressDiscovery(port.send, tell, fail, os.urandom)
        while True:
            if discovery.is_round_due(loop.time()):
                flow = await _resolve(stun_server, port)
                if flow is not None:
                    table.learn(flow, discovery)
                discovery.begin_round(flow, loop.time())
            discovery.handle_timer(loop.time())
            await asyncio.sleep(DISCOVERY_TURN_S)

    async def _report(self, server: RtcServer) -> None:
        while True:
            self._send(server.report())
            await asyncio.sleep(REPORT_S)

    def _send(self, message: object) -> None:
        assert self._link is not None
        self._link.send(message)

    def _receive(self, message: Any) -> None:
        if isinstance(message, RtcSetup):
            self._setup.set_result(message)
        elif self._server is not None:
            self._server.receive(message)
            self._has_news.set()


async def _resolve(server: str, port: MuxedPort) -> Flow | None:
    """The server's present address; None where its name gives none that we can reach, or not
    soon."""
    loop = asyncio.get_running_loop()
    host, _, number = server.removeprefix("stun:").rpartition(":")
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await loop.getaddrinfo(host.strip("[]"), int(number), type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):  # the latter for what can be no name
        return None
    for family, _type, _proto, _name, address in found:
        version = 6 if family == socket.AF_INET6 else 4
        if version in port.by_version:
            return Flow(port.by_version[version], str(address[0]), int(address[1]))
    return None


async def _run(fd: int) -> None:
    await RtcProcess().run(socket.socket(fileno=fd))


def main(arguments: list[str]) -> int:
    """Runs the process; the argument is the link's descriptor."""
    live_with_parent(raises_priority=True)
    start_child_logging("webrtc")
    uvloop.run(_run(int(arguments[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
