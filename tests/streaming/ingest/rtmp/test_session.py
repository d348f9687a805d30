"""A session on a transport that only remembers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from streaming.ingest.rtmp import paced_socket
from streaming.ingest.rtmp.limits import MAX_UNREAD_BYTES, RtmpLimits
from streaming.ingest.rtmp.read_pacer import ReadPacer
from streaming.ingest.rtmp.session import RtmpSession
from tests.streaming.ingest.pull_fakes import FakeDoor
from tests.streaming.ingest.rtmp import wire


class FakeTransport(asyncio.Transport):
    def __init__(self, address: tuple[object, ...] | None = ("192.0.2.1", 50_000)) -> None:
        self.ours, self.peer = socket.socketpair()
        self.ours.setblocking(False)
        super().__init__({"peername": address, "socket": self.ours})
        self.written = b""
        self.unread_bytes = 0
        self.aborted = False
        self.is_reset = False
        self.reading = True

    def write(self, data: object) -> None:
        self.written += bytes(data)  # type: ignore[call-overload]

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def write_eof(self) -> None:
        if self.is_reset:
            raise OSError(107, "Transport endpoint is not connected")
        self.written += b"<EOF>"

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Owner:
    """Admits everyone, unless told otherwise."""

    def __init__(self) -> None:
        self.admits = True
        self.promoted = asyncio.Event()
        self.forgotten = 0

    def admit(self, session: RtmpSession, address: str) -> bool:
        return self.admits

    def promote(self, session: RtmpSession) -> None:
        self.promoted.set()

    def forget(self, session: RtmpSession) -> None:
        self.forgotten += 1


class Room:
    def __init__(self) -> None:
        self.owner, self.door = Owner(), FakeDoor()
        self.transports: list[FakeTransport] = []
        self.pacer = ReadPacer(asyncio.get_running_loop())
        self.session = RtmpSession(self.owner, self.door, self.pacer, RtmpLimits())

    def open(self, transport: FakeTransport) -> FakeTransport:
        self.transports.append(transport)
        self.session.connection_made(transport)
        return transport

    def read_nowait(self) -> None:
        """As the pacer does at a tick."""
        assert self.session._socket is not None
        self.session._socket.read_nowait()

    async def publish(self) -> FakeTransport:
        transport = self.open(FakeTransport())
        self.session.data_received(wire.handshake() + wire.connect())
        self.session.data_received(wire.command("publish", 5, None, "foo", stream_id=1))
        await self.owner.promoted.wait()
        return transport


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    room = Room()
    yield room
    room.session.connection_lost(None)
    room.pacer.close()
    for transport in room.transports:
        transport.ours.close()
        transport.peer.close()


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        (("192.0.2.1", 50_000), "192.0.2.1:50000"),
        (("2001:db8::1", 50_000, 0, 0), "[2001:db8::1]:50000"),
        (("::ffff:192.0.2.1", 50_000, 0, 0), "192.0.2.1:50000"),
        (None, "unknown:0"),
    ],
)
async def test_peers_are_named_by_address_and_port(
    room: Room, address: tuple[object, ...] | None, remote: str
) -> None:
    room.open(FakeTransport(address))
    assert room.session.remote == remote


async def test_a_peer_that_is_not_admitted_is_dropped_without_a_byte(room: Room) -> None:
    room.owner.admits = False
    transport = room.open(FakeTransport())
    assert transport.aborted
    assert transport.written == b""


async def test_a_peer_that_does_not_read_its_answers_is_cut_off(room: Room) -> None:
    transport = room.open(FakeTransport())
    transport.unread_bytes = MAX_UNREAD_BYTES
    room.session.data_received(wire.handshake())
    assert not transport.aborted
    transport.unread_bytes = MAX_UNREAD_BYTES + 1
    room.session.data_received(wire.connect())
    assert transport.aborted


async def test_a_live_publisher_rests_after_each_read(room: Room) -> None:
    transport = await room.publish()
    assert transport.reading
    room.session.data_received(wire.message(wire.VIDEO, wire.KEY_TAG))
    assert not transport.reading


async def test_what_comes_while_a_publisher_rests_is_read_at_the_tick(room: Room) -> None:
    transport = await room.publish()
    room.session.data_received(wire.message(wire.VIDEO, wire.KEY_TAG))
    before = room.session.statistics().connection
    transport.peer.send(wire.message(wire.VIDEO, wire.KEY_TAG) * 2)
    room.read_nowait()
    room.read_nowait()  # nothing more has come
    after = room.session.statistics().connection
    assert after.messages - before.messages == 2
    assert not transport.reading


async def test_a_publisher_whose_viewers_count_milliseconds_is_read_by_the_event_loop(
    room: Room,
) -> None:
    transport = await room.publish()
    room.session.data_received(wire.message(wire.VIDEO, wire.KEY_TAG))
    room.door.publications[0].is_prompt = True
    transport.peer.send(wire.message(wire.VIDEO, wire.KEY_TAG))
    room.read_nowait()
    assert transport.reading
    room.session.data_received(wire.message(wire.VIDEO, wire.KEY_TAG))
    assert transport.reading
    room.door.publications[0].is_prompt = False
    room.session.data_received(wire.message(wire.VIDEO, wire.KEY_TAG))
    assert not transport.reading


async def test_who_takes_too_long_for_what_one_event_gave_rests_whoever_watches(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = await room.publish()
    room.door.publications[0].is_prompt = True
    monkeypatch.setattr(paced_socket, "MOST_PROMPT_S", 0.0)
    room.session.data_received(wire.message(wire.VIDEO, wire.KEY_TAG))
    assert not transport.reading


async def test_a_burst_is_read_at_one_tick(room: Room) -> None:
    transport = await room.publish()
    room.session.data_received(wire.message(wire.VIDEO, wire.KEY_TAG))
    transport.peer.setblocking(False)
    sent = transport.peer.send(wire.message(wire.VIDEO, wire.KEY_TAG + bytes(150_000)))
    assert sent > 100_000
    before = room.session.statistics().connection.received_bytes
    room.read_nowait()
    assert room.session.statistics().connection.received_bytes - before == sent


async def test_the_event_loop_hears_of_a_publisher_that_has_gone(room: Room) -> None:
    transport = await room.publish()
    room.session.data_received(wire.message(wire.VIDEO, wire.KEY_TAG))
    transport.peer.close()
    room.read_nowait()
    assert transport.reading
    room.read_nowait()  # harmless


async def test_a_peer_that_does_not_publish_yet_is_read_at_once(room: Room) -> None:
    transport = room.open(FakeTransport())
    room.session.data_received(wire.handshake() + wire.connect())
    assert transport.reading


async def test_a_resting_peer_that_is_closed_is_read_again_so_that_it_reads_the_reason(
    room: Room,
) -> None:
    transport = await room.publish()
    room.session.data_received(wire.message(wire.VIDEO, wire.KEY_TAG))
    room.session.close("NetStream.Publish.BadName", "another publisher took over")
    assert transport.reading
    assert b"another publisher took over" in transport.written
    assert transport.written.endswith(b"<EOF>"), "no reset before the reason is read"


async def test_closing_a_peer_that_has_just_reset_the_connection_raises_nothing(
    room: Room,
) -> None:
    transport = await room.publish()
    transport.is_reset = True
    room.session.close("NetStream.Publish.BadName", "another publisher took over")


async def test_a_session_is_forgotten_when_its_socket_is_gone(room: Room) -> None:
    await room.publish()
    room.session.connection_lost(ConnectionResetError("reset"))
    assert room.owner.forgotten == 1
    assert room.door.publications[0].closed == "connection lost: reset"


async def test_calls_after_the_socket_is_gone_do_no_harm(room: Room) -> None:
    await room.publish()
    room.session.connection_lost(None)
    room.session.close("NetStream.Publish.BadName", "too late")
    room.session.abort()
    assert room.session.statistics().path == ""
