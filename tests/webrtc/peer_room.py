"""A whole peer side in the test's process, on loopback: real sockets, real time, no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence

from tests.webrtc.clips import Clip
from webrtc.events import SignallingEvent
from webrtc.fanout import Fanout
from webrtc.flow_table import FlowTable
from webrtc.packetizer import clock_rate_of, packetizer_of, rtp_timestamp
from webrtc.peer_port import MuxedPort
from webrtc.rendition import Rendition
from webrtc.signalling import TIMER_S, Signalling
from webrtc.tcp_mux import TcpMux
from webrtc.tcp_relay import TcpRelay
from webrtc.udp_mux import UdpMux, bind_udp

STREAM = "live/test"


class PeerRoom:
    """Signalling with its port and fan-out, and a feed that loops clips in real time."""

    def __init__(
        self, *, lite: bool = True, tcp: socket.socket | None = None, host: str = "127.0.0.1"
    ) -> None:
        loop = asyncio.get_running_loop()
        self.events: list[SignallingEvent] = []
        self.changed = asyncio.Event()
        self.table = FlowTable()
        self._sockets = bind_udp([host], 0)
        self._inner = bind_udp(["127.0.0.1"], 0)[0]
        self.fanout = Fanout([each.fileno() for each in (*self._sockets, self._inner)])
        self.udp = UdpMux(self._sockets, self.table, self.fanout.receive)
        self.relay = TcpRelay(self._inner, len(self._sockets), self.fanout.receive)
        self.tcp = TcpMux(tcp, self.table, self.relay) if tcp is not None else None
        self.port = MuxedPort(self.table, self.udp, self.tcp, [host], is_lite=lite)
        self.signalling = Signalling(self.port, self.fanout, self.events.append, now=loop.time)
        self._tasks = [loop.create_task(self._tick())]

    async def _tick(self) -> None:
        while True:
            self.signalling.handle_timer(asyncio.get_running_loop().time())
            self.changed.set()
            await asyncio.sleep(TIMER_S)

    def broadcast(self, clips: Sequence[Clip], *, bitrates: Sequence[int] = ()) -> None:
        """Announce the clips as a stream and feed them until the end."""
        began = time.time()
        renditions = []
        for index, clip in enumerate(clips):
            ring = self.fanout.add_ring(clock_rate_of(clip.track))
            bitrate = bitrates[index] if bitrates else 100_000
            renditions.append(Rendition(clip.track, ring, bitrate))
            task = asyncio.get_running_loop().create_task(self._feed(clip, ring, began))
            self._tasks.append(task)
        self.signalling.announce(STREAM, renditions)

    async def _feed(self, clip: Clip, ring: int, began: float) -> None:
        packetizer, timescale = packetizer_of(clip.track), clip.track.timescale
        base = int(began * timescale)
        turn = 0
        while True:
            for sample in clip.samples:
                offset = turn * clip.duration + sample.pts
                await asyncio.sleep(max(0.0, began + offset / timescale - time.time()))
                stamp = rtp_timestamp(clip.track, base + offset)
                payloads = packetizer.push(sample)
                media_utc_s = began + offset / timescale
                self.fanout.write(ring, payloads, stamp, sample.is_sync, media_utc_s)
            turn += 1

    async def wait_for(self, is_so: Callable[[], bool], *, seconds: float = 5.0) -> None:
        """Until it is so, for so long at most."""
        async with asyncio.timeout(seconds):
            while not is_so():
                self.changed.clear()
                await self.changed.wait()

    async def close(self) -> None:
        """End everything."""
        await self.signalling.wait_closed()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.tcp is not None:
            await self.tcp.close()
        self.udp.close()
        self.fanout.close()
        for each in (*self._sockets, self._inner):
            each.close()


@contextlib.asynccontextmanager
async def peer_room(
    *, lite: bool = True, tcp: socket.socket | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[PeerRoom]:
    """A room that is closed at the end."""
    room = PeerRoom(lite=lite, tcp=tcp, host=host)
    if room.tcp is not None:
        await room.tcp.start()
    try:
        yield room
    finally:
        await room.close()
