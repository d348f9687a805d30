"""A server with clients of it, and a door that publishers come through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from segmenter.media import Sample
from streaming.config import RtmpConfig
from streaming.ingest.rtmp.server import RtmpServer
from tests.streaming.ingest.pull_fakes import FakeDoor
from tests.streaming.ingest.rtmp import wire

ANY_PORT = RtmpConfig(listen="127.0.0.1:0")
START = b"NetStream.Publish.Start"


class Client:
    """A publisher's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.heard = b""

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def request(self, name: str = "foo") -> None:
        self.send(wire.handshake() + wire.connect())
        self.send(wire.command("createStream", 4, None))
        self.send(wire.command("publish", 5, None, name, "live", stream_id=1))

    def video(self, payload: bytes = wire.KEY_TAG, time: int = 0) -> None:
        self.send(wire.message(wire.VIDEO, payload, time=time))

    def start(self) -> None:
        """Configuration and a first frame of a publisher that has only video."""
        data = wire.write_values("onMetaData", {"videocodecid": 7})
        self.send(wire.message(wire.DATA, data))
        self.video(wire.VIDEO_CONFIG_TAG)
        self.video()

    async def wait_heard(self, text: bytes) -> None:
        """Reads until the server has said so."""
        async with asyncio.timeout(10):
            while text not in self.heard:
                data = await self.reader.read(65_536)
                assert data, f"closed before {text!r}: {self.heard[-300:]!r}"
                self.heard += data

    async def wait_closed(self) -> bytes:
        """Reads until the server closes; returns everything it said."""
        async with asyncio.timeout(10):
            while True:
                try:
                    data = await self.reader.read(65_536)
                except ConnectionResetError:
                    return self.heard
                if not data:
                    return self.heard
                self.heard += data


Connect = Callable[[], Awaitable[Client]]


class Room:
    """A server and its door."""

    def __init__(self, server: RtmpServer, door: FakeDoor) -> None:
        self.server = server
        self.door = door
        self.clients: list[Client] = []

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.server.port))
        self.clients.append(client)
        return client

    async def publish(self, name: str = "foo") -> Client:
        """A client that has been told to start."""
        client = await self.connect()
        client.request(name)
        await client.wait_heard(START)
        return client

    async def wait_samples(self, count: int, publication: int = 0) -> list[Sample]:
        await self.door.wait_until(lambda: len(self.door.samples(publication)) >= count)
        return self.door.samples(publication)

    async def wait_gone(self) -> None:
        """Until no connection is left; closing the door's side shows within a turn or two."""
        async with asyncio.timeout(10):
            while self.server.statistics().connections:  # noqa: ASYNC110 - a turn, no waiting
                await asyncio.sleep(0)


Open = Callable[..., Awaitable[Room]]
