"""`make run` as far as it goes after the set-up: no configuration, and a stream in the browser."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.origin_process import OriginProcess, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

SERVE = (sys.executable, "-c", "from streaming.__main__ import main; main()", "serve")
DRAIN_S, STOP_S = 60.0, 20.0
"""An idle machine stops within tenths of a second; one that waited for its viewers would take the
whole of the first."""


def variables(folder: Path, **ours: str) -> dict[str, str]:
    """An environment that says where to listen and nothing else of the configuration."""
    others = {k: v for k, v in os.environ.items() if not k.startswith("HEADWATER_")}
    keys = {"WEBRTC__LISTEN": "127.0.0.1:0", "STATE_DIR": str(folder / "state"), **ours}
    return others | {f"HEADWATER_{key}": value for key, value in keys.items()} | {"COLUMNS": "120"}


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[OriginProcess]:
    """`headwater serve` and no more words."""
    http, rtmp = free_ports(2)
    listen = {"HTTP__LISTEN": f"127.0.0.1:{http}", "RTMP__LISTEN": f"127.0.0.1:{rtmp}"}
    listen["HTTP__DRAIN_S"] = str(DRAIN_S)
    log = tmp_path / "origin.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            SERVE,
            env=variables(tmp_path, **listen),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = OriginProcess(process, http, rtmp, log)
    try:
        running.wait_log("Ctrl-C stops")
        yield running
    finally:
        running.kill()


def test_without_a_configuration_the_test_source_is_live_with_a_ladder_that_fits(
    origin: OriginProcess,
) -> None:
    assert origin.url("/demo/") in origin.log()
    assert origin.rtmp_url("live") in origin.log()
    assert b"/static/player.js" in origin.get("/demo/")

    playlist = origin.wait_url("/demo/index.m3u8").decode()
    heights = [int(height) for height in re.findall(r"RESOLUTION=\d+x(\d+)", playlist)]
    record = origin.wait_path("demo", "live")
    (source,) = (one for one in record["renditions"] if one["name"] == "source")
    assert (source["copied"], source["height"]) == (True, max(heights)), "the source on top"
    names, cores = origin.wait_log(r"path demo: ladder (.*), about ([\d.]+) cores").groups()
    assert len(names.split()) == len(heights)
    assert float(cores) <= 0.6 * (os.cpu_count() or 1)
    assert b"<MPD" in origin.wait_url("/demo/manifest.mpd")
    assert origin.wait_segments("demo", "audio", 1)


def test_ctrl_c_stops_at_once_whoever_is_watching(origin: OriginProcess) -> None:
    origin.wait_url("/demo/index.m3u8")
    first = re.search(rb"MEDIA-SEQUENCE:(\d+)", origin.wait_url("/demo/audio/index.m3u8"))
    assert first
    with (
        socket.create_connection(("127.0.0.1", origin.http_port)),
        socket.create_connection(("127.0.0.1", origin.http_port)) as waits,
    ):
        query = f"_HLS_msn={int(first[1]) + 1}"
        waits.sendall(f"GET /demo/audio/index.m3u8?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        children = [pid for pid, _ in origin.children()]
        os.killpg(origin.process.pid, signal.SIGINT)  # as a terminal does
        assert origin.process.wait(STOP_S) == 0
    assert len(children) >= 3, "the test source, the encoder, the delivery"
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert "Traceback" not in origin.log()


def test_a_port_that_is_taken_is_named_with_its_key_and_status_2(
    origin: OriginProcess, tmp_path: Path
) -> None:
    listen = f"127.0.0.1:{origin.http_port}"
    second = subprocess.run(
        SERVE,
        env=variables(tmp_path / "other", HTTP__LISTEN=listen, RTMP__ENABLED="false"),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 2
    assert f"http.listen = '{listen}': Address already in use" in second.stderr
    assert "Traceback" not in second.stderr
