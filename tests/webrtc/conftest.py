"""Fixtures of the WebRTC tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.webrtc.fanout_stage import Stage, open_stage
from webrtc.native_choice import native

needs_native = pytest.mark.skipif(native is None, reason="no compiler was at hand")
TWINS = [pytest.param(True, id="python"), pytest.param(False, id="native", marks=needs_native)]


@pytest.fixture(params=TWINS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with open_stage(pure_python=request.param) as opened:
        yield opened
