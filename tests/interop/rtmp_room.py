"""An RTMP server with a door that remembers, and programs that publish to it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import av

from segmenter.media import Sample
from streaming.config import RtmpConfig
from streaming.ingest.rtmp.limits import RtmpLimits
from streaming.ingest.rtmp.server import RtmpServer
from tests.streaming.ingest.pull_fakes import FakeDoor

CLIPS = Path(__file__).parents[2] / "media-samples"
ROOT = Path(__file__).parents[2]
PROGRAM_S = 20.0
"""For a whole run of a program; real ones take a second or two."""


@dataclass(frozen=True)
class Ended:
    """How a program ended and all it wrote."""

    status: int
    said: str


class Room:
    """The server, its door, and the address to publish to."""

    def __init__(self, limits: RtmpLimits | None, door: FakeDoor) -> None:
        self.door = door
        listen = "127.0.0.1:0"
        self.server = RtmpServer(RtmpConfig(listen=listen, tls_listen=listen), self.door, limits)

    def url(self, name: str = "foo") -> str:
        return f"rtmp://127.0.0.1:{self.server.port}/live/{name}"

    def tls_url(self, name: str = "foo") -> str:
        return f"rtmps://127.0.0.1:{self.server.tls_port}/live/{name}"

    async def run(self, *command: str, cwd: Path = ROOT) -> Ended:
        """Runs a program to its end."""
        process = await self.start(*command, cwd=cwd)
        try:
            async with asyncio.timeout(PROGRAM_S):
                said, _ = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        assert process.returncode is not None
        return Ended(process.returncode, said.decode("utf-8", "replace"))

    async def start(self, *command: str, cwd: Path = ROOT) -> asyncio.subprocess.Process:
        """Starts a program; whoever does so ends it."""
        return await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def wait_closed(self, publication: int = 0) -> str:
        """Until the publication has ended; returns the reason."""
        await self.door.wait_until(
            lambda: (
                len(self.door.publications) > publication
                and bool(self.door.publications[publication].closed)
            )
        )
        return self.door.publications[publication].closed

    def samples(self, track: str, publication: int = 0) -> list[Sample]:
        """What came of one track."""
        return [each for each in self.door.samples(publication) if each.track == track]


@contextlib.asynccontextmanager
async def rtmp_room(
    limits: RtmpLimits | None = None,
    door: FakeDoor | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Room]:
    """A room that listens, with `tls` by RTMPS as well."""
    room = Room(limits, door or FakeDoor())
    await room.server.start(tls)
    try:
        yield room
    finally:
        await room.server.close()


@dataclass(frozen=True)
class ClipPacket:
    """What FFmpeg's demuxer reads in a clip."""

    data: bytes
    dts_s: float
    pts_s: float
    is_key: bool


def read_clip(name: str, kind: str) -> list[ClipPacket]:
    """Packets of the clip's first stream of that kind."""
    with av.open(str(CLIPS / name)) as container:
        stream = next(each for each in container.streams if each.type == kind)
        return [
            ClipPacket(
                bytes(packet),
                float(packet.dts * packet.time_base),
                float(packet.pts * packet.time_base),
                packet.is_keyframe,
            )
            for packet in container.demux(stream)
            if packet.dts is not None and packet.pts is not None and packet.time_base is not None
        ]
