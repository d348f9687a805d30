"""The WebRTC process."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from streaming.rtc.process import _resolve
from webrtc.ice import Flow

PORT = cast(Any, SimpleNamespace(by_version={4: 3}))


@pytest.mark.parametrize("name", ["x" * 64, "a..b", "\ud800"], ids=["long", "dots", "surrogate"])
async def test_a_stun_server_of_an_impossible_name_has_no_address(name: str) -> None:
    assert await _resolve(f"{name}:3478", PORT) is None


async def test_a_stun_server_is_reached_by_the_socket_of_its_ip_version() -> None:
    assert await _resolve("stun:127.0.0.1:3478", PORT) == Flow(3, "127.0.0.1", 3478)
    assert await _resolve("[::1]:3478", PORT) is None, "there is no socket for it"
