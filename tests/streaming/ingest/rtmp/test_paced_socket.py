"""Who reads a socket, on a real pair of sockets and a pacer that is never left to tick."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from streaming.ingest.rtmp import paced_socket
from streaming.ingest.rtmp.paced_socket import Pace, PacedSocket
from streaming.ingest.rtmp.read_pacer import ReadPacer
from tests.streaming.ingest.rtmp.test_session import FakeTransport


class EncryptedTransport(FakeTransport):
    def get_extra_info(self, name: str, default: object = None) -> object:
        return self if name == "sslcontext" else super().get_extra_info(name, default)


class RestingPacer(ReadPacer):
    """Remembers who rests, and how."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self.rests: list[tuple[int, bool]] = []

    def rest(
        self, reader: object, took_s: float, size_bytes: int = 0, *, relaxed: bool = False
    ) -> None:
        self.rests.append((size_bytes, relaxed))


class Scene:
    def __init__(self, transport: FakeTransport) -> None:
        self.transport = transport
        self.pacer = RestingPacer()
        self.pace = Pace.AT_TICKS
        self.taken = b""
        self.socket = PacedSocket(transport, self.pacer, self.take, lambda: self.pace)

    def take(self, data: bytes) -> None:
        self.taken += data


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene(FakeTransport())
    yield scene
    close(scene)


def close(scene: Scene) -> None:
    scene.socket.leave()
    scene.transport.ours.close()
    scene.transport.peer.close()


async def test_the_loop_hands_a_publisher_over_after_its_first_read(scene: Scene) -> None:
    scene.socket.take(b"one ")
    assert not scene.transport.reading
    scene.transport.peer.send(b"two")
    scene.socket.read_nowait()
    assert scene.taken == b"one two"
    assert scene.pacer.rests == [(4, False), (3, False)]


async def test_where_nothing_has_come_it_rests_on(scene: Scene) -> None:
    scene.socket.take(b"one")
    scene.socket.read_nowait()
    assert scene.pacer.rests == [(3, False), (0, False)]
    assert scene.taken == b"one"


async def test_whom_nobody_watches_is_read_seldom(scene: Scene) -> None:
    scene.pace = Pace.RELAXED
    scene.socket.take(b"one")
    assert scene.pacer.rests == [(3, True)]


@pytest.mark.parametrize("pace", [Pace.AT_ONCE, Pace.PROMPT])
async def test_who_is_to_be_read_as_bytes_come_goes_back_to_the_loop(
    scene: Scene, pace: Pace
) -> None:
    scene.socket.take(b"one")
    scene.pace = pace
    scene.transport.peer.send(b"two")
    scene.socket.read_nowait()
    assert scene.transport.reading
    scene.socket.take(b"three")
    assert scene.transport.reading
    assert len(scene.pacer.rests) == 1


async def test_who_floods_is_read_at_ticks_though_somebody_counts_milliseconds(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paced_socket, "MOST_PROMPT_S", 0.0)
    scene.pace = Pace.PROMPT
    scene.socket.take(b"one")
    assert not scene.transport.reading


async def test_one_read_takes_no_more_than_its_bound(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paced_socket, "MAX_READ_BYTES", 4)
    scene.socket.take(b"")
    scene.transport.peer.send(b"more than that")
    scene.socket.read_nowait()
    assert scene.taken == b"more"


async def test_the_loop_hears_that_the_peer_has_gone(scene: Scene) -> None:
    scene.socket.take(b"one")
    scene.transport.peer.close()
    scene.socket.read_nowait()
    assert scene.transport.reading


async def test_a_socket_that_is_closing_is_neither_read_nor_resumed(scene: Scene) -> None:
    scene.socket.take(b"one")
    scene.socket.abort()
    scene.socket.return_to_loop()
    assert not scene.transport.reading
    scene.socket.read_nowait()
    scene.socket.take(b" two")
    assert scene.taken == b"one two"
    assert len(scene.pacer.rests) == 1


async def test_what_is_encrypted_only_the_loop_reads() -> None:
    scene = Scene(EncryptedTransport())
    scene.socket.take(b"one")
    assert scene.transport.reading
    assert not scene.pacer.rests
    close(scene)
