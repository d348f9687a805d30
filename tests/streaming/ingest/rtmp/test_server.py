"""The server on loopback, with publishers made of bytes and a door that remembers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from segmenter.errors import MediaError
from segmenter.media import Sample
from segmenter.timeline import RTMP_CLOCK
from streaming.config import RtmpConfig
from streaming.errors import LocalError
from streaming.ingest.rtmp import publisher_watch, session
from streaming.ingest.rtmp.limits import RtmpLimits
from streaming.ingest.rtmp.server import RtmpServer, parse_listen
from streaming.ingest.source import Publisher, PublishRequest
from tests.streaming.ingest.pull_fakes import FakeDoor, FakePublication
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
    client.send(wire.message(wire.AUDIO, b"\x2f\x00\x00"))
    assert b"MP3 audio is not supported here; send AAC" in await client.wait_closed()
    assert "MP3" in room.door.publications[0].closed


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


# -- limits ----------------------------------------------------------------------------------------


async def test_connections_that_do_not_publish_are_limited_for_each_address(
    open_room: Open,
) -> None:
    room = await open_room(RtmpLimits(max_pending_per_address=2))
    waiting = [await room.connect() for _ in range(2)]
    for client in waiting:
        client.send(wire.handshake())
        await client.wait_heard(b"\x03")
    assert await (await room.connect()).wait_closed() == b""
    assert room.server.statistics().refused == 1


async def test_publishers_are_not_pending(open_room: Open) -> None:
    room = await open_room(RtmpLimits(max_pending_per_address=2))
    for index in range(5):
        await room.publish(f"foo{index}")
    assert room.server.statistics().publishing == 5


async def test_all_connections_are_limited(open_room: Open) -> None:
    room = await open_room(RtmpLimits(max_connections=2))
    for index in range(2):
        await room.publish(f"foo{index}")
    assert await (await room.connect()).wait_closed() == b""
    statistics = room.server.statistics()
    assert (statistics.connections, statistics.accepted, statistics.refused) == (2, 2, 1)


async def test_what_an_operator_limits_is_limited() -> None:
    config = RtmpConfig(listen="127.0.0.1:0", idle_timeout_s=0.1, max_connections=1)
    room = Room(RtmpServer(config, door := FakeDoor()), door)
    await room.server.start()
    try:
        client = await room.publish()
        assert await (await room.connect()).wait_closed() == b""
        client.start()
        assert b"no media for 0.1 s" in await client.wait_closed()
    finally:
        for each in room.clients:
            each.writer.close()
        await room.server.close()


async def test_the_bit_rate_that_an_operator_limits_is_in_kilobits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher_watch, "BITRATE_WINDOW_S", 0.1)
    config = RtmpConfig(listen="127.0.0.1:0", max_bitrate_kbps=100)
    room = Room(RtmpServer(config, door := FakeDoor()), door)
    await room.server.start()
    try:
        client = await room.publish()
        client.start()
        for n in range(20):
            client.video(wire.KEY_TAG + bytes(50_000), time=40 * n)
        assert b"Mb/s is over the limit of 0.1 Mb/s" in await client.wait_closed()
    finally:
        client.writer.close()
        await room.server.close()


async def test_a_connection_that_went_makes_room(open_room: Open) -> None:
    room = await open_room(RtmpLimits(max_connections=1))
    first = await room.publish()
    first.writer.close()
    await room.wait_gone()
    await room.publish()


async def test_a_slow_loris_is_cut_off(open_room: Open) -> None:
    room = await open_room(RtmpLimits(handshake_timeout_s=0.05))
    client = await room.connect()
    client.send(b"\x03")
    assert await client.wait_closed() == b""


async def test_a_publisher_that_stalls_is_told_and_closed(open_room: Open) -> None:
    room = await open_room(RtmpLimits(idle_timeout_s=0.1))
    client = await room.publish()
    client.start()
    assert b"no media for 0.1 s" in await client.wait_closed()
    assert room.door.publications[0].closed == "no media for 0.1 s"


async def test_a_peer_that_is_told_to_leave_and_stays_is_cut_off(open_room: Open) -> None:
    room = await open_room(RtmpLimits(linger_s=0.05))
    room.door.refusal = "no"
    client = await room.connect()
    client.request()
    await client.wait_closed()
    await room.wait_gone()


@pytest.mark.parametrize(
    "garbage",
    [b"\x00" * 4096, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" * 100_000, b"\x16\x03\x01\x02"],
)
async def test_garbage_costs_its_sender_only(room: Room, garbage: bytes) -> None:
    good = await room.publish()
    bad = await room.connect()
    bad.send(garbage)
    await bad.wait_closed()
    good.start()
    await room.wait_samples(1)


async def test_garbage_after_the_handshake_costs_its_sender_only(room: Room) -> None:
    good = await room.publish("good")
    bad = await room.publish("bad")
    bad.start()
    bad.send(b"\xf3\xaa\x55" * 1000)
    await bad.wait_closed()
    assert room.door.publications[1].closed
    good.start()
    await room.wait_samples(1)


async def test_no_key_is_logged(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = await room.connect()
    client.send(wire.handshake() + wire.connect("live?key=sesame"))
    client.send(wire.command("publish", 5, None, "foo?key=sesame", stream_id=1))
    await client.wait_heard(START)
    client.start()
    await room.wait_samples(1)
    client.send(wire.connect("again?key=sesame"))
    await client.wait_closed()
    assert caplog.records
    assert "sesame" not in caplog.text


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
