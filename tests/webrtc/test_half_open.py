"""Joins that go no further: ten thousand offers, and a thousand that stop before DTLS."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest

from tests.webrtc.signalling_stage import Stage
from tests.webrtc.tcp_viewer import OFFER
from webrtc.ice import Flow, IceCredentials
from webrtc.session import JOIN_S
from webrtc.session_table import SessionLimits

ROOMY = SessionLimits(sessions=5_000, sessions_per_address=5_000, half_open=1_000)
SHORT = OFFER.format(
    ice=IceCredentials("abcd", "p" * 22), fingerprint=":".join(["AA"] * 32)
).replace("\n", "\r\n")


def memory_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def settle() -> tuple[int, int]:
    gc.collect()
    return memory_kb(), descriptors()


@pytest.mark.slow
def test_ten_thousand_offers_without_ice_leave_nothing_behind() -> None:
    stage = Stage(ROOMY)
    stage.go_live()

    def join(count: int) -> None:
        for _ in range(count):
            stage.subscribe(SHORT)
        stage.pass_time(JOIN_S + 1)
        stage.events.clear()

    join(1_000)
    before = settle()
    for _ in range(10):
        join(1_000)
    after = settle()
    assert len(stage.signalling) == len(stage.port.table) == 0
    assert after[0] - before[0] < 2_000, "kB"
    assert after[1] == before[1]


async def test_a_thousand_joins_that_stop_before_dtls_leave_nothing_behind() -> None:
    stage = Stage(ROOMY)
    stage.go_live()

    async def join(count: int) -> None:
        for number in range(count):
            answer = stage.subscribe(SHORT)
            stage.check(answer.session_id, Flow(0, "192.0.2.7", 1 + number))
        await asyncio.sleep(0)
        stage.pass_time(JOIN_S + 1)
        await asyncio.sleep(0.1)
        stage.pass_time(1)
        stage.events.clear()
        stage.port.sent.clear()

    for _ in range(3):
        await join(200)
    before, tasks, objects = settle(), len(asyncio.all_tasks()), len(gc.get_objects())
    for _ in range(5):
        await join(200)
    after = settle()
    assert len(stage.signalling) == len(stage.port.table) == 0
    assert len(asyncio.all_tasks()) == tasks
    assert len(gc.get_objects()) - objects < 500
    assert after[0] - before[0] < 40_000, "kB: OpenSSL would keep 80 of each"
    assert after[1] == before[1]
