"""The WebRTC process around its server."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streaming.rtc.process import _resolve
from tests.streaming.server.conftest import until


@pytest.mark.parametrize("name", ["x" * 64, "a..b", "\ud800"], ids=["long", "dots", "surrogate"])
async def test_a_stun_server_of_an_impossible_name_is_looked_for_and_harms_nobody(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    port = cast(Any, SimpleNamespace(by_version={4: 0}))
    looking = asyncio.create_task(_resolve(f"{name}:3478", port))
    await until(lambda: looking.done() or "cannot be resolved" in caplog.text)
    assert not looking.done()
    looking.cancel()
