"""GStreamer as Debian has it (1.22: webrtcbin, libnice, RSA certificates) publishes and views."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.interop.origin_process import OriginProcess, origin_process

PEER: Final = Path(__file__).with_name("gstreamer_peer.py")
PYTHON: Final = "/usr/bin/python3"
PUBLISHED_S, VIEWED_S = 45, 13
"""libnice tries all pairs of candidates before it settles for one: five seconds each."""
CONFIG = '[paths."live/*"]\nladder = "copy"\n'

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    if subprocess.run([PYTHON, PEER, "check"], capture_output=True, check=False).returncode:
        pytest.skip("GStreamer's webrtcbin is not installed: deploy/setup.sh test")
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        yield running


def peer(*arguments: object) -> subprocess.Popen[str]:
    words = [PYTHON, str(PEER), *map(str, arguments)]
    return subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin"}, text=True,
    )  # fmt: skip


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(process.communicate(timeout=60)[0])
    assert told["error"] == ""
    assert "connected" in told["states"]
    return told


def test_gstreamer_publishes_by_whip_and_views_by_whep(origin: OriginProcess) -> None:
    publisher = peer("publish", origin.url("/live/g/whip"), PUBLISHED_S)
    try:
        origin.wait_segments("live/g", "source", 2)
        origin.wait_segments("live/g", "audio", 1)
        viewer = said(peer("view", origin.url("/live/g/whep"), VIEWED_S))
    finally:
        publisher.kill()
        publisher.communicate()
    assert viewer["video"] > 30
    assert viewer["audio"] > 30
