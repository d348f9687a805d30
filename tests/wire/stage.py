"""An origin and a publisher of natural bitrates at one end of the wire, viewers at the other."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.heavy_clip import push_clip
from tests.interop.origin_process import OriginProcess, origin_process
from tests.wire.room import SERVER, WireRoom
from webrtc.stun import BINDING_REQUEST, render_stun

SOURCE_BITRATE = 2_500_000
RUNG_BITRATE = 600_000
TURN_SECRET = "a secret of coturn's and ours"
CONFIG = f"""
[webrtc]
ice_servers = [{{ urls = ["turn:{SERVER}:3478"], secret = "{TURN_SECRET}" }}]
[paths."live/one"]
ladder = "copy"
[paths."live/two"]
ladder = [{{ name = "source", copy = true }}, {{ name = "180p", height = 180, bitrate_kbps = 550 }}]
"""


@contextlib.contextmanager
def pushing(room: WireRoom, origin: OriginProcess, clip: Path, path: str) -> Iterator[None]:
    """The clip over and over, pushed from the origin's side of the wire."""
    with push_clip(clip, origin.rtmp_url(path), room.in_server()):
        yield


@contextlib.contextmanager
def turn_server(room: WireRoom, secret: str) -> Iterator[subprocess.Popen[bytes]]:
    """Debian's coturn beside the origin; skips the test without it."""
    if shutil.which("turnserver") is None:
        pytest.skip("no turnserver program: apt-get install coturn")
    command = room.in_server("turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls")
    command += [f"--listening-ip={SERVER}", f"--relay-ip={SERVER}", "--realm=headwater.test"]
    command += ["--use-auth-secret", f"--static-auth-secret={secret}", "--log-file=stdout"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with subprocess.Popen([*command, "--pidfile=/dev/null"], **quiet) as server:  # type: ignore[call-overload]
        try:
            _wait_stun(SERVER, 3478)
            yield server
        finally:
            server.kill()


def _wait_stun(host: str, port: int) -> None:
    """Until a STUN server answers there, five seconds at most."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(0.1)
        for _ in range(50):
            with contextlib.suppress(OSError):
                own.sendto(render_stun(BINDING_REQUEST, bytes(12), [], password=None), (host, port))
                own.recv(2048)
                return
            time.sleep(0.1)
    raise AssertionError("the TURN server does not answer")


@contextlib.contextmanager
def wired_origin(room: WireRoom, folder: Path, config: str = CONFIG) -> Iterator[OriginProcess]:
    """An origin at the server's end."""
    with origin_process(folder, config, place=room.server_place) as origin:
        yield origin
