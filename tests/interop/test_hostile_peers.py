"""One peer that floods, dawdles or lies, and a whole origin: it costs itself only."""

from __future__ import annotations

import contextlib
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.origin_process import OriginProcess, origin_process
from tests.streaming.ingest.rtmp import wire

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CLIP = Path(__file__).parents[2] / "media-samples" / "two-second-gop.mp4"
CONFIG = f'[paths.demo]\nsource = "{CLIP}"\nladder = "copy"\n'
PLAYLIST = "/demo/source/index.m3u8"
FLOOD_S = 1.5
ANSWER_S = 2.0
"""A viewer's answer beside a flood; milliseconds where nobody else uses the machine."""
GROWTH_BYTES = 60e6
"""Of the two processes together, over all floods: buffers, and the live window."""

HEAD = b"HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /demo/index.m3u8 " + HEAD + b"\r\n"
PUBLISHING = wire.handshake() + wire.connect() + wire.command("publish", 5, None, "x", stream_id=1)
HUGE = wire.header(0, 6, length=0xFFFFFF, type_id=wire.VIDEO, stream_id=1)
STREAMS = range(3, 63)


@dataclass(frozen=True)
class Flood:
    """What is sent first, and then again and again, to one of the ports; nothing is read."""

    port: str
    first: bytes
    then: bytes = b""


def chunk_size(size: int) -> bytes:
    return wire.message(1, struct.pack(">I", size), chunk_stream=2, stream_id=0)


FLOODS = {
    "pipelined requests": Flood("http", b"", GET * 5_000),
    "a body without end": Flood(
        "http", b"POST / " + HEAD + b"Content-Length: 99999999999\r\n\r\n", bytes(500_000)
    ),
    "a chunk without end": Flood(
        "http",
        b"POST / " + HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n",
        bytes(500_000),
    ),
    "trailers without end": Flood(
        "http", b"GET / " + HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 50_000
    ),
    "a target without end": Flood("http", b"GET /", b"y" * 500_000),
    "fields without end": Flood("http", b"GET / " + HEAD, b"X: y\r\n" * 50_000),
    "empty lines": Flood("http", b"", b"\r\n" * 100_000),
    "RTMP garbage": Flood("rtmp", b"", bytes(range(256)) * 2_000),
    "garbage after the handshake": Flood("rtmp", wire.handshake(), bytes(range(256)) * 2_000),
    "a message of 16 MB": Flood("rtmp", PUBLISHING + HUGE, (bytes(128) + b"\xc6") * 2_000),
    "a chunk of 2 GB": Flood("rtmp", PUBLISHING + chunk_size(0x7FFFFFFF) + HUGE, bytes(500_000)),
    "sixty messages of 8 MB at once": Flood(
        "rtmp",
        PUBLISHING
        + chunk_size(65_536)
        + b"".join(
            wire.header(0, stream, length=(8 << 20) - 1, type_id=wire.VIDEO, stream_id=1)
            + bytes(65_536)
            for stream in STREAMS
        ),
        b"".join(bytes([0xC0 | stream]) + bytes(65_536) for stream in STREAMS),
    ),
    "pings without reading": Flood(
        "rtmp",
        wire.handshake() + wire.connect(),
        wire.message(4, b"\x00\x06abcd", chunk_stream=2, stream_id=0) * 5_000,
    ),
    "commands nobody knows": Flood(
        "rtmp", wire.handshake() + wire.connect(), wire.command("foo", 2, None) * 2_000
    ),
}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_segments("demo", "source", 2)
        yield running
        assert "Traceback" not in running.log()


def flood(origin: OriginProcess, what: Flood, stop: threading.Event) -> None:
    """Sends until it is cut off or told to stop."""
    port = origin.http_port if what.port == "http" else origin.rtmp_port
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as peer:
        peer.settimeout(0.1)
        rest = what.first or what.then
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                rest = rest[peer.send(rest) :] or what.then


def used_bytes(origin: OriginProcess) -> int:
    """Resident memory of the origin and its delivery process."""
    pids = (origin.process.pid, origin.child("streaming.server.delivery"))
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * resource.getpagesize()


def longest_answer_s(origin: OriginProcess, seconds: float) -> float:
    """Of a viewer that asks for a playlist again and again."""
    longest, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        origin.get(PLAYLIST)
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.05)
    return longest


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_costs_viewers_and_memory_next_to_nothing(origin: OriginProcess, name: str) -> None:
    before = used_bytes(origin)
    stop = threading.Event()
    thread = threading.Thread(target=flood, args=(origin, FLOODS[name], stop), daemon=True)
    thread.start()
    try:
        assert longest_answer_s(origin, FLOOD_S) < ANSWER_S
    finally:
        stop.set()
        thread.join()
    assert used_bytes(origin) - before < GROWTH_BYTES
    assert origin.wait_path("demo", "live")["path"] == "demo"


def test_three_hundred_peers_that_say_nothing_keep_nobody_out(origin: OriginProcess) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(300):
            port = origin.rtmp_port if number % 2 else origin.http_port
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert longest_answer_s(origin, FLOOD_S) < ANSWER_S
        # Another address may still publish.
        other = ("127.0.0.2", 0)
        peer = stack.enter_context(
            socket.create_connection(("127.0.0.1", origin.rtmp_port), 10, source_address=other)
        )
        peer.sendall(wire.handshake() + wire.connect())
        said = b""
        while b"NetConnection.Connect.Success" not in said:
            said += peer.recv(65_536) or pytest.fail("the connection was closed")
