"""What a server bears of whom: limits, stalls, garbage."""

from __future__ import annotations

import logging

import pytest

from streaming.config import RtmpConfig
from streaming.ingest.rtmp import publisher_watch
from streaming.ingest.rtmp.limits import RtmpLimits
from streaming.ingest.rtmp.server import RtmpServer
from tests.streaming.ingest.pull_fakes import FakeDoor
from tests.streaming.ingest.rtmp import wire
from tests.streaming.ingest.rtmp.server_room import START, Open, Room


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
