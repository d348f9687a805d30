"""An origin behind a NAT tells viewers the address that a STUN server saw."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.origin_process import OriginProcess, origin_process
from tests.webrtc.offers import offer
from webrtc.stun import parse_stun, render_success

SEEN = ("203.0.113.9", 40_000)
CONFIG = """
[webrtc]
listen = "127.0.0.1:0"
stun_server = "localhost:{port}"
[paths.own]
source = "test:?width=320&height=180&bitrate_kbps=400"
ladder = "copy"
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def stun_port() -> Iterator[int]:
    """Of a server that sees everybody at the same address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                datagram, client = bound.recvfrom(2048)
                if not datagram:
                    return
                bound.sendto(render_success(parse_stun(datagram), *SEEN, "x"), client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(bound.getsockname()[1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"", bound.getsockname())
        thread.join()


def candidates(origin: OriginProcess) -> list[str]:
    request = urllib.request.Request(
        origin.url("/own/whep"),
        offer("chromium-whep").encode(),
        {"Content-Type": "application/sdp"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = response.read().decode()
    return [line for line in answer.splitlines() if line.startswith("a=candidate:")]


def test_viewers_are_told_what_a_stun_server_saw(stun_port: int, tmp_path: Path) -> None:
    with origin_process(tmp_path, CONFIG.format(port=stun_port)) as origin:
        origin.wait_segments("own", "source", 1)
        origin.wait_log(f"{SEEN[0]} port {SEEN[1]}")
        told = candidates(origin)
    assert any(" udp " in line and "127.0.0.1" in line for line in told)
    assert any(f"{SEEN[0]} {SEEN[1]}" in line for line in told)
