"""What tests of RTMP share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from streaming.ingest.rtmp.limits import RtmpLimits
from streaming.ingest.rtmp.server import RtmpServer
from tests.streaming.ingest.pull_fakes import FakeDoor
from tests.streaming.ingest.rtmp.server_room import ANY_PORT, Open, Room
from tests.streaming.ingest.rtmp.wire import Peer


@pytest.fixture
async def open_room() -> AsyncIterator[Open]:
    rooms: list[Room] = []

    async def build(limits: RtmpLimits | None = None, door: FakeDoor | None = None) -> Room:
        room = Room(RtmpServer(ANY_PORT, door or FakeDoor(), limits), door or FakeDoor())
        if door is None:
            room.server = RtmpServer(ANY_PORT, room.door, limits)
        await room.server.start()
        rooms.append(room)
        return room

    yield build
    for room in rooms:
        for client in room.clients:
            client.writer.close()
        await room.server.close()


@pytest.fixture
async def room(open_room: Open) -> Room:
    return await open_room()


@pytest.fixture
def peer() -> Peer:
    return Peer()
