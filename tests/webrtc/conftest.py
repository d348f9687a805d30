"""Fixtures of the WebRTC tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.webrtc.fanout_stage import Stage, open_stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as opened:
        yield opened
