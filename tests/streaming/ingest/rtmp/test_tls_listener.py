"""RTMPS: the same publishers and the same limits, behind TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from streaming.config import RtmpConfig
from streaming.config_file import check_config
from streaming.errors import ConfigError
from streaming.ingest.rtmp.limits import RtmpLimits
from streaming.ingest.rtmp.server import RtmpServer
from streaming.tls import Certificate
from tests.interop.edge_room import trusting_anyone, write_certificate
from tests.streaming.ingest.pull_fakes import FakeDoor
from tests.streaming.ingest.rtmp.server_room import START, Client
from tests.streaming.server.test_tls import renew

ANY_PORT = RtmpConfig(listen="127.0.0.1:0", tls_listen="127.0.0.1:0")


class Room:
    """A server with both ports, and its door."""

    def __init__(self, folder: Path, limits: RtmpLimits | None = None) -> None:
        write_certificate(folder)
        self.certificate = Certificate(
            folder / "fullchain.pem", folder / "privkey.pem", "rtmp", protocols=()
        )
        self.door = FakeDoor()
        self.server = RtmpServer(ANY_PORT, self.door, limits)
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> Client:
        return await self._open(trusting_anyone())

    async def connect_in_the_clear(self) -> Client:
        """To the port of RTMPS, without a handshake."""
        return await self._open(None)

    async def _open(self, tls: ssl.SSLContext | None) -> Client:
        assert self.server.tls_port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.tls_port, ssl=tls)
        self.writers.append(writer)
        return Client(reader, writer)

    async def publish(self) -> Client:
        """A client that has been told to start."""
        client = await self.connect()
        client.request()
        await client.wait_heard(START)
        return client

    async def close(self) -> None:
        await self.server.close()
        for writer in self.writers:
            writer.transport.abort()


Open = Callable[..., Awaitable[Room]]


@pytest.fixture
async def open_room(tmp_path: Path) -> AsyncIterator[Open]:
    rooms: list[Room] = []

    async def build(limits: RtmpLimits | None = None) -> Room:
        rooms.append(Room(tmp_path, limits))
        await rooms[-1].server.start(rooms[-1].certificate.context)
        return rooms[-1]

    yield build
    for room in rooms:
        await room.close()


async def test_a_publisher_reaches_the_door_by_tls(open_room: Open) -> None:
    room = await open_room()
    client = await room.publish()
    client.start()
    await room.door.wait_until(lambda: len(room.door.samples(0)) == 1)
    (request,) = room.door.requests
    assert (request.path, request.protocol) == ("live/foo", "rtmp")
    assert room.server.statistics().publishing == 1
    client.writer.close()
    await room.door.wait_until(lambda: bool(room.door.publications[0].closed))


def test_uvloop_with_which_the_origin_runs_does_the_same(tmp_path: Path) -> None:
    async def publish() -> None:
        room = Room(tmp_path)
        await room.server.start(room.certificate.context)
        try:
            client = await room.publish()
            client.start()
            await room.door.wait_until(lambda: len(room.door.samples(0)) == 1)
            await room.server.close("enough")
            assert b"enough" in await client.wait_closed()
        finally:
            await room.close()

    uvloop.run(publish())


async def test_a_refused_publisher_reads_the_reason(open_room: Open) -> None:
    room = await open_room(RtmpLimits(linger_s=0.05))
    room.door.refusal = "wrong or missing publish key for live/foo"
    client = await room.connect()
    client.request()
    assert b"wrong or missing publish key" in await client.wait_closed()


async def test_handshakes_of_an_address_are_limited_as_its_connections_are(
    open_room: Open,
) -> None:
    room = await open_room(RtmpLimits(max_pending_per_address=2, handshake_timeout_s=0.3))
    silent = [await room.connect_in_the_clear() for _ in range(2)]
    refused = await room.connect_in_the_clear()
    assert await refused.wait_closed() == b""
    assert room.server.statistics().refused == 1
    for client in silent:  # whose time for a handshake ends
        assert await client.wait_closed() == b""
    (await room.publish()).start()


async def test_connections_of_both_ports_are_counted_together(open_room: Open) -> None:
    room = await open_room(RtmpLimits(max_connections=1))
    await room.publish()
    reader, writer = await asyncio.open_connection("127.0.0.1", room.server.port)
    room.writers.append(writer)
    assert await Client(reader, writer).wait_closed() == b""


async def test_rtmp_in_the_clear_is_no_handshake_and_costs_nobody_else_anything(
    open_room: Open,
) -> None:
    room = await open_room()
    other = await room.publish()
    client = await room.connect_in_the_clear()
    client.request()
    with contextlib.suppress(ConnectionError):
        await client.wait_closed()
    other.start()
    await room.door.wait_until(lambda: len(room.door.samples(0)) == 1)


async def test_a_publisher_that_sends_nothing_is_told_so_and_closed(open_room: Open) -> None:
    room = await open_room(RtmpLimits(first_media_timeout_s=0.1, idle_timeout_s=0.2, linger_s=0.05))
    client = await room.publish()
    assert b"no media for" in await client.wait_closed()


async def test_a_renewed_certificate_is_shown_to_who_comes_and_old_connections_go_on(
    open_room: Open, tmp_path: Path
) -> None:
    room = await open_room()
    old = await room.publish()
    renew(tmp_path)
    assert room.certificate.load()
    new = await room.publish()
    shown = [
        client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        for client in (old, new)
    ]
    assert shown[0] != shown[1]
    old.start()
    await room.door.wait_until(lambda: len(room.door.samples(0)) == 1)


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ('tls_listen = "127.0.0.1:1936"', "needs rtmp.tls_certificate"),
        ('tls_certificate = "a.pem"', "need each other"),
        ('tls_listen = "1936"', "tls_listen"),
    ],
)
def test_what_cannot_be_is_refused_with_its_keys(toml: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        check_config(f"[rtmp]\n{toml}\n", {})


def test_without_a_certificate_of_its_own_rtmps_shows_that_of_http() -> None:
    http = '[http]\ntls_certificate = "a.pem"\ntls_key = "b.pem"\n'
    assert check_config(f'{http}[rtmp]\ntls_listen = "127.0.0.1:1936"\n', {}).rtmp.tls_listen
