"""The server on loopback, with publishers made of bytes and a door that remembers."""

from __future__ import annotations

import asyncio

import pytest

from segmenter.timeline import RTMP_CLOCK
from streaming.config import RtmpConfig
from streaming.errors import LocalError
from streaming.ingest.rtmp.server import RtmpServer, parse_listen
from tests.streaming.ingest.pull_fakes import FakeDoor
from tests.streaming.ingest.rtmp import wire
from tests.streaming.ingest.rtmp.server_room import START, Room

# -- publishing ------------------------------------------------------------------------------------


async def test_a_publisher_reaches_the_door_and_its_samples_the_publication(room: Room) -> None:
    client = await room.publish("foo?key=sesame")
    client.start()
    (sample,) = await room.wait_samples(1)
    (request,) = room.door.requests
    assert (request.path, request.key, request.protocol) == ("live/foo", "sesame", "rtmp")
    assert request.remote.startswith("127.0.0.1:")
    publication = room.door.publications[0]
    assert publication.clock == RTMP_CLOCK
    assert [track.name for track in publication.tracks] == ["source"]
    assert (sample.data, sample.is_sync) == (wire.IDR, True)


async def test_several_publishers_share_the_port(room: Room) -> None:
    for name in ("foo", "bar"):
        client = await room.publish(name)
        client.start()
    for publication in range(2):
        await room.wait_samples(1, publication)
    assert [request.path for request in room.door.requests] == ["live/foo", "live/bar"]
    assert room.server.statistics().publishing == 2


async def test_a_refused_publisher_reads_the_reason_and_is_closed(room: Room) -> None:
    room.door.refusal = "wrong or missing publish key for live/foo"
    client = await room.connect()
    client.request()
    heard = await client.wait_closed()
    assert b"NetStream.Publish.BadName" in heard
    assert b"wrong or missing publish key for live/foo" in heard
    assert room.server.statistics().rejections == 1


async def test_a_publisher_that_leaves_ends_its_publication(room: Room) -> None:
    client = await room.publish()
    client.writer.close()
    await room.door.wait_until(lambda: bool(room.door.publications[0].closed))
    assert room.door.publications[0].closed == "the publisher closed the connection"


async def test_a_publisher_whose_host_dies_ends_its_publication(room: Room) -> None:
    client = await room.publish()
    client.writer.transport.abort()
    await room.door.wait_until(lambda: bool(room.door.publications[0].closed))


async def test_unpublishing_ends_the_publication_and_keeps_the_connection(room: Room) -> None:
    client = await room.publish()
    client.send(wire.command("FCUnpublish", 6, None, "foo"))
    await client.wait_heard(b"NetStream.Unpublish.Success")
    assert room.door.publications[0].closed == "the publisher sent FCUnpublish"
    client.send(wire.command("publish", 7, None, "bar", stream_id=1))
    await room.door.wait_until(lambda: len(room.door.publications) == 2)
    client.start()
    await room.wait_samples(1, 1)


# -- the server itself -----------------------------------------------------------------------------


async def test_closing_tells_every_publisher_and_ends_every_publication(room: Room) -> None:
    client = await room.publish()
    client.start()
    await room.wait_samples(1)
    closing = asyncio.create_task(room.server.close("the server restarts"))
    assert b"the server restarts" in await client.wait_closed()
    client.writer.close()
    await closing
    assert room.door.publications[0].closed == "the server restarts"
    assert room.server.statistics().connections == 0


async def test_closing_does_not_wait_for_peers_that_stay(room: Room) -> None:
    client = await room.publish()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(5):
        await room.server.close()
    assert room.server.statistics().connections == 0


async def test_a_closed_server_may_be_closed_again(room: Room) -> None:
    await room.server.close()
    await room.server.close()


async def test_starting_twice_is_our_own_mistake(room: Room) -> None:
    with pytest.raises(LocalError):
        await room.server.start()


async def test_a_port_that_is_taken_is_an_os_error(room: Room) -> None:
    other = RtmpServer(RtmpConfig(listen=f"127.0.0.1:{room.server.port}"), FakeDoor())
    with pytest.raises(OSError):
        await other.start()


async def test_bytes_count_over_the_life_of_the_server(room: Room) -> None:
    client = await room.publish()
    client.start()
    await room.wait_samples(1)
    before = room.server.statistics()
    assert before.received_bytes > 3073
    assert before.sessions[0].path == "live/foo"
    client.writer.close()
    await room.wait_gone()
    assert room.server.statistics().received_bytes >= before.received_bytes


async def test_publishers_that_understand_are_asked_to_reconnect(room: Room) -> None:
    client = await room.connect()
    client.send(wire.handshake() + wire.connect(capsEx=1))
    client.send(wire.command("publish", 5, None, "foo", stream_id=1))
    await client.wait_heard(START)
    await room.publish("old")
    assert room.server.request_reconnect("the server moves", "rtmp://other/live") == 1
    await client.wait_heard(b"rtmp://other/live")


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("0.0.0.0:1935", ("0.0.0.0", 1935)),
        ("[::]:1935", ("::", 1935)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:65535", ("localhost", 65_535)),
    ],
)
def test_listen_addresses(listen: str, expected: tuple[str, int]) -> None:
    assert parse_listen(listen) == expected


@pytest.mark.parametrize("listen", ["1935", ":1935", "host:", "host:99999", "::1:1935", "host:١"])
def test_what_is_no_listen_address_is_refused(listen: str) -> None:
    with pytest.raises(LocalError):
        parse_listen(listen)
