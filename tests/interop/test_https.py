"""An origin by TLS alone: HTTP and RTMP, and certificates that change."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from streaming.tls import LOOK_S
from tests.interop.edge_room import trusting_anyone, write_certificate
from tests.interop.origin_process import (
    READY_S,
    free_ports,
)
from tests.interop.rtmp_room import CLIPS
from tests.interop.test_control import PLAIN, headwater

pytestmark = pytest.mark.slow


def fetch_by_tls(url: str, deadline: float) -> bytes:
    """What is there, once it is."""
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(url, context=trusting_anyone()) as answer,
        ):
            return bytes(answer.read())
        time.sleep(0.05)
    raise AssertionError(f"nothing at {url}")


def certificate_of(port: int) -> bytes:
    """What a port shows to who connects now."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        trusting_anyone().wrap_socket(plain) as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


def wait_another_certificate(port: int, before: bytes) -> None:
    """Until a port shows another one than before."""
    deadline = time.monotonic() + LOOK_S + READY_S
    while certificate_of(port) == before:
        assert time.monotonic() < deadline, "the certificate is not read again"
        time.sleep(0.2)


def write_tls_config(directory: Path, port: int, rtmp_port: int, rtmps_port: int) -> Path:
    """Of an origin by HTTPS and RTMPS with the certificate in the directory."""
    file = directory / "tls.toml"
    file.write_text(
        f'state_dir = "memory"\n'
        f'[http]\nlisten = "127.0.0.1:{port}"\ntls_certificate = "{directory}/fullchain.pem"\n'
        f'tls_key = "{directory}/privkey.pem"\n[webrtc]\nenabled = false\n'
        f'[rtmp]\nlisten = "127.0.0.1:{rtmp_port}"\ntls_listen = "127.0.0.1:{rtmps_port}"\n'
        f'[paths."live/*"]\nladder = "copy"\npublish_key = "{PLAIN}"\n'
    )
    return file


def test_an_origin_serves_by_tls_and_says_what_is_wrong_with_a_certificate(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    port, rtmp_port, rtmps_port = free_ports(3)
    file = write_tls_config(tmp_path, port, rtmp_port, rtmps_port)
    serving = headwater("serve", "-c", str(file))
    try:
        deadline = time.monotonic() + READY_S
        fetch_by_tls(f"https://127.0.0.1:{port}/healthz", deadline)
        shown = {each: certificate_of(each) for each in (port, rtmps_port)}
        write_certificate(tmp_path)
        target = f"rtmps://127.0.0.1:{rtmps_port}/live/tls"
        clip = ["-v", "error", "-re", "-stream_loop", "9", "-i", str(CLIPS / "two-second-gop.flv")]
        refused, publisher = (
            subprocess.Popen(
                ["ffmpeg", *clip, "-c", "copy", "-f", "flv", f"{target}?key={key}"],
                stdin=subprocess.DEVNULL,
            )
            for key in ("wrong", PLAIN)
        )
        assert refused.wait(20) != 0
        page = f"https://127.0.0.1:{port}/live/tls/source/index.m3u8"
        assert b"#EXT-X-PART" in fetch_by_tls(page, deadline)
        for each in (port, rtmps_port):  # looked at every ten seconds
            wait_another_certificate(each, shown[each])
        assert publisher.poll() is None, "connections go on"
        publisher.kill()
        publisher.wait()
    finally:
        serving.terminate()
        said, _ = serving.communicate(timeout=60)
    assert PLAIN.encode() not in said
    (tmp_path / "privkey.pem").write_text("nothing")
    refused = headwater("serve", "-c", str(file))
    output, _ = refused.communicate(timeout=60)
    assert refused.returncode == 2
    assert b"no matching pair" in b" ".join(output.split())
