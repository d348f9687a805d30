"""An aiortc peer as a WHEP viewer without HTTP: real ICE, DTLS, SRTP and decoders."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest import mock

import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.webrtc.peer_room import STREAM, PeerRoom
from webrtc.signalling_results import Answer


@contextlib.contextmanager
def on_loopback(host: str = "127.0.0.1") -> Iterator[None]:
    """aioice offers every address but loopback's; tests must not depend on the machine's."""
    with mock.patch.object(aioice.ice, "get_host_addresses", return_value=[host]):
        yield


class Viewer:
    """One RTCPeerConnection that receives."""

    def __init__(
        self, kinds: tuple[str, ...] = ("video", "audio"), host: str = "127.0.0.1"
    ) -> None:
        self._host = host
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tracks: dict[str, Any] = {}
        self.connection.on("track", self._take)
        for kind in kinds:
            self.connection.addTransceiver(kind, direction="recvonly")

    def _take(self, track: Any) -> None:
        self.tracks[track.kind] = track

    async def offer(self) -> str:
        """Its offer, with candidates."""
        with on_loopback(self._host):
            await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def join(self, room: PeerRoom, stream: str = STREAM) -> Answer:
        """Offer and take the answer."""
        answer = room.signalling.subscribe(stream, await self.offer(), "127.0.0.1")
        await self.accept(answer.sdp)
        return answer

    async def accept(self, sdp: str) -> None:
        """Take an answer."""
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def frame(self, kind: str) -> Any:
        """The next decoded frame."""
        return await asyncio.wait_for(self.tracks[kind].recv(), 10)


@contextlib.asynccontextmanager
async def a_viewer(
    kinds: tuple[str, ...] = ("video", "audio"), host: str = "127.0.0.1"
) -> AsyncIterator[Viewer]:
    """A viewer that leaves at the end."""
    viewer = Viewer(kinds, host)
    try:
        yield viewer
    finally:
        await viewer.connection.close()
