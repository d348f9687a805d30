"""Doors that are slow, break, or close a publisher."""

from __future__ import annotations

import asyncio
import logging

import pytest

from segmenter.errors import MediaError
from segmenter.media import Sample
from streaming.ingest.rtmp import session
from streaming.ingest.source import Publisher, PublishRequest
from tests.streaming.ingest.pull_fakes import FakeDoor, FakePublication
from tests.streaming.ingest.rtmp import wire
from tests.streaming.ingest.rtmp.server_room import Open, Room


async def test_a_publisher_whom_the_door_closes_reads_why_and_is_not_called_back(
    room: Room,
) -> None:
    client = await room.publish()
    client.start()
    await room.wait_samples(1)
    room.door.publishers[0].close("NetStream.Publish.BadName", "another publisher took over")
    assert b"another publisher took over" in await client.wait_closed()
    client.writer.close()
    await room.wait_gone()
    assert room.door.publications[0].closed == ""


async def test_media_in_flight_while_the_door_closes_are_dropped(room: Room) -> None:
    client = await room.publish()
    client.start()
    await room.wait_samples(1)
    room.door.publishers[0].close("NetStream.Publish.BadName", "over")
    client.video(time=40)
    await client.wait_closed()
    assert len(room.door.samples()) == 1


async def test_media_we_do_not_take_close_with_the_reason(room: Room) -> None:
    client = await room.publish()
    client.send(wire.message(wire.AUDIO, b"\xb2\x00\x00"))
    assert b"Speex audio is not supported here; send AAC or MP3" in await client.wait_closed()
    assert "Speex" in room.door.publications[0].closed


async def test_a_publication_that_raises_costs_its_publisher_only(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = await room.publish("good"), await room.publish("bad")

    def refuse(_: Sample) -> None:
        raise MediaError("jumps without end")

    room.door.publications[1].write = refuse  # type: ignore[method-assign]
    bad.start()
    assert b"jumps without end" in await bad.wait_closed()
    good.start()
    await room.wait_samples(1, 0)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_bug_behind_the_door_is_logged_and_hidden_from_the_peer(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    client = await room.publish()

    def stumble(_: Sample) -> None:
        raise ZeroDivisionError

    room.door.publications[0].write = stumble  # type: ignore[method-assign]
    client.start()
    assert b"internal error of the server" in await client.wait_closed()
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR]


class BrokenDoor(FakeDoor):
    async def publish(self, request: PublishRequest, publisher: Publisher) -> FakePublication:
        raise ZeroDivisionError


async def test_a_door_that_breaks_refuses(
    open_room: Open, caplog: pytest.LogCaptureFixture
) -> None:
    room = await open_room(door=BrokenDoor())
    client = await room.connect()
    client.request()
    assert b"internal error of the server" in await client.wait_closed()
    assert caplog.records[-1].levelno >= logging.INFO


class SlowDoor(FakeDoor):
    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def publish(self, request: PublishRequest, publisher: Publisher) -> FakePublication:
        self.requests.append(request)
        self.note_change()
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return await super().publish(request, publisher)


async def test_a_publisher_that_leaves_before_the_door_answers_is_forgotten(
    open_room: Open,
) -> None:
    door = SlowDoor()
    room = await open_room(door=door)
    client = await room.connect()
    client.request()
    await door.wait_until(lambda: bool(door.requests))
    client.writer.transport.abort()
    async with asyncio.timeout(10):
        await door.cancelled.wait()
    assert door.publications == []


async def test_a_door_that_does_not_answer_refuses(
    open_room: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "DOOR_TIMEOUT_S", 0.05)
    door = SlowDoor()
    room = await open_room(door=door)
    client = await room.connect()
    client.request()
    assert b"the server did not decide in time" in await client.wait_closed()
    assert door.cancelled.is_set()


async def test_media_sent_before_the_door_answers_arrive(open_room: Open) -> None:
    door = SlowDoor()
    room = await open_room(door=door)
    client = await room.connect()
    client.request()
    client.start()
    await door.wait_until(lambda: bool(door.requests))
    door.open.set()
    await room.wait_samples(1)
