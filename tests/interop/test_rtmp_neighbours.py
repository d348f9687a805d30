"""What one bad peer costs a real publisher beside it: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator

import pytest

from streaming.errors import PublishRejected
from streaming.ingest.rtmp.limits import RtmpLimits
from streaming.ingest.source import Publisher, PublishRequest
from tests.interop.rtmp_room import CLIPS, Room, rtmp_room
from tests.streaming.ingest.pull_fakes import FakeDoor, FakePublication
from tests.streaming.ingest.rtmp import wire

pytestmark = [
    pytest.mark.slow,
    pytest.mark.flaky(reruns=2),
    pytest.mark.skipif(
        shutil.which("ffmpeg") is None, reason="ffmpeg is missing: apt install ffmpeg"
    ),
]

FPS = 30


class OneSlotDoor(FakeDoor):
    """One publisher for each path; the next takes over or is rejected."""

    def __init__(self, republish: str) -> None:
        super().__init__()
        self._republish = republish
        self._holder: Publisher | None = None

    async def publish(self, request: PublishRequest, publisher: Publisher) -> FakePublication:
        if self._holder is not None and self._republish == "reject":
            raise PublishRejected("NetStream.Publish.BadName", "live/foo has a publisher already")
        if self._holder is not None:
            self._holder.close("NetStream.Publish.BadName", "another publisher took over")
        self._holder = publisher
        return await super().publish(request, publisher)


@contextlib.asynccontextmanager
async def publishing(
    room: Room, *, seconds: float = 30, name: str = "foo"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """An ffmpeg that publishes in real time, from its first samples on."""
    publication = len(room.door.publications)
    process = await room.start(
        "ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i",
        str(CLIPS / "two-second-gop.flv"), "-t", str(seconds), "-c", "copy",
        "-flvflags", "no_duration_filesize", "-f", "flv", room.url(name),
    )  # fmt: skip
    try:
        await room.door.wait_until(lambda: len(room.door.samples(publication)) > 10)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(process: asyncio.subprocess.Process) -> str:
    """All that the program wrote until its end."""
    async with asyncio.timeout(15):
        text, _ = await process.communicate()
    return text.decode("utf-8", "replace")


async def count_frames(room: Room, publication: int, seconds: float) -> int:
    """Video frames that come within so many seconds of the publisher's clock."""
    start = room.samples("source", publication)[-1].dts
    await room.door.wait_until(
        lambda: room.samples("source", publication)[-1].dts >= start + seconds * 1000
    )
    return sum(sample.dts > start for sample in room.samples("source", publication))


# -- one path, two publishers ----------------------------------------------------------------------


async def test_a_publisher_that_is_taken_over_reads_why_and_ends() -> None:
    async with (
        rtmp_room(door=OneSlotDoor("takeover")) as room,
        publishing(room) as first,
        publishing(room),
    ):
        assert "another publisher took over" in await said(first)
        assert first.returncode != 0
        assert [each.closed for each in room.door.publications] == ["", ""]


async def test_a_publisher_that_comes_too_late_reads_why_and_ends() -> None:
    async with rtmp_room(door=OneSlotDoor("reject")) as room, publishing(room):
        second = await room.run(
            "ffmpeg", "-v", "error", "-i", str(CLIPS / "b-frames.flv"), "-c", "copy",
            "-f", "flv", room.url(),
        )  # fmt: skip
        assert second.status != 0
        assert "live/foo has a publisher already" in second.said
        assert await count_frames(room, 0, 0.5) >= 10


# -- publishers that go ----------------------------------------------------------------------------


async def test_a_publisher_that_is_killed_ends_at_once() -> None:
    async with rtmp_room() as room, publishing(room) as process:
        process.send_signal(signal.SIGKILL)
        await room.wait_closed()


async def test_a_publisher_that_stalls_is_closed_and_its_neighbour_is_not() -> None:
    async with (
        rtmp_room(RtmpLimits(idle_timeout_s=0.5)) as room,
        publishing(room, name="stalls") as stalls,
        publishing(room, name="lives"),
    ):
        stalls.send_signal(signal.SIGSTOP)
        assert await room.wait_closed(0) == "no media for 0.5 s"
        assert await count_frames(room, 1, 0.5) >= 10
        assert room.door.publications[1].closed == ""


# -- hostile neighbours ----------------------------------------------------------------------------


async def test_a_flood_of_garbage_costs_a_publisher_no_frame() -> None:
    async with rtmp_room() as room, publishing(room):

        async def garbage(index: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", room.server.port)
            writer.write(bytes((index * 7 % 256,)) * 20_000)
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()

        flood = asyncio.gather(*(garbage(index) for index in range(200) if index * 7 % 256 != 3))
        frames = await count_frames(room, 0, 1.0)
        await flood
        assert frames == pytest.approx(FPS, abs=2)
        assert room.server.statistics().publishing == 1


async def test_connections_that_say_nothing_keep_no_other_address_out() -> None:
    async with rtmp_room(RtmpLimits(max_pending_per_address=20)) as room, publishing(room):
        idle = [await asyncio.open_connection("127.0.0.1", room.server.port) for _ in range(60)]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", room.server.port, local_addr=("127.0.0.2", 0)
        )
        writer.write(wire.handshake() + wire.connect())
        async with asyncio.timeout(10):
            await reader.readuntil(b"NetConnection.Connect.Success")
        assert room.server.statistics().refused >= 40
        assert await count_frames(room, 0, 0.5) >= 10
        for _, each in [*idle, (reader, writer)]:
            each.close()


async def test_a_publisher_that_floods_slows_itself_and_not_its_neighbour() -> None:
    async with rtmp_room() as room, publishing(room):
        _, writer = await asyncio.open_connection("127.0.0.1", room.server.port)
        writer.write(wire.handshake() + wire.connect())
        writer.write(wire.command("publish", 5, None, "flood", stream_id=1))
        await room.door.wait_until(lambda: len(room.door.publications) == 2)
        chunks = wire.message(wire.VIDEO, wire.KEY_TAG + bytes(100_000)) * 50
        head = wire.message(wire.VIDEO, wire.VIDEO_CONFIG_TAG)

        async def flood() -> None:
            writer.write(head)
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(chunks)
                    await writer.drain()

        flooding = asyncio.create_task(flood())
        assert await count_frames(room, 0, 1.0) == pytest.approx(FPS, abs=2)
        flooding.cancel()
        await asyncio.wait([flooding])
        writer.transport.abort()
