"""What tests of the WebRTC process share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.streaming.rtc.server_scene import Scene
from tests.webrtc.fanout_stage import loopback
from webrtc.fanout import Fanout


@pytest.fixture
def fanout() -> Iterator[Fanout]:
    with loopback() as own:
        fanout = Fanout([own.fileno()], threads=0)
        yield fanout
        fanout.close()


@pytest.fixture
def scene(fanout: Fanout) -> Scene:
    return Scene(fanout)
