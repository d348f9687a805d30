"""Webhooks of an origin that is killed, to a receiver that fails."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from streaming.events.event_files import read_events
from streaming.webhooks.queue import DeliveryQueue
from streaming.webhooks.webhooks import DATABASE
from tests.interop.event_origin import SECRET
from tests.interop.origin_process import free_ports
from tests.interop.test_event_follower import Origin
from tests.streaming.webhooks.receiver import LATE, receiver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RATE: Final = 400.0
KILLS: Final = 5


@pytest.mark.parametrize("events", [2_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_thousands_of_events_reach_a_failing_receiver_over_five_kills(
    tmp_path: Path, events: int
) -> None:
    """Three of ten posts fail, one is answered too late; ten thousand by `make test-long`."""
    chance = random.Random(5)
    (port,) = free_ports(1)
    with receiver() as seen:
        delivered: set[str] = set()
        failed = {"with 500": 0, "too late": 0}

        def answer(webhook_id: str) -> tuple[int, dict[str, str]]:
            drawn = chance.random()
            if drawn < 0.3:
                failed["with 500"] += 1
                return 500, {}
            if drawn < 0.4:
                failed["too late"] += 1
                return LATE, {}
            delivered.add(webhook_id)
            return 204, {}

        seen.answer = answer
        origin = Origin(port, tmp_path / "state", RATE, seen.url)
        try:
            for kill in range(1, KILLS + 1):
                wait_for(lambda: logged(origin) >= kill * events // (KILLS + 1))  # noqa: B023
                origin.restart()
            wait_for(lambda: logged(origin) >= events)
            origin.kill()
            origin = Origin(port, tmp_path / "state", 0.001, seen.url)
            wanted = set(ticks(origin))
            wait_for(lambda: wanted <= delivered, lambda: fate(origin, wanted - delivered))
        finally:
            origin.kill()
    assert len(wanted) >= events
    assert seen.secret == SECRET
    assert seen.unverified == []
    assert failed["with 500"] > 0.25 * len(seen.posted)
    assert failed["too late"] > 0.08 * len(seen.posted)
    print(f"{len(wanted)} events, {len(seen.posted)} posts, failed {failed}")


def ticks(origin: Origin) -> list[str]:
    entries = read_events(origin.state_dir / "events").entries
    return [str(entry.id) for entry in entries if entry.event.type == "test.tick"]


def logged(origin: Origin) -> int:
    return len(ticks(origin))


def fate(origin: Origin, lost: set[str]) -> str:
    """What became of events, by the delivery log."""
    queue = DeliveryQueue(str(origin.state_dir / DATABASE))
    told = [f"{len(lost)} not delivered, {queue.pending('mine')} wait, taken in: {queue.position}"]
    for event in sorted(lost)[:5]:
        tries = [(one.attempt, one.status, one.error, one.outcome)
                 for one in queue.attempts("mine", event=event)[:5]]  # fmt: skip
        told.append(f"{event}: {tries}")
    queue.close()
    return "; ".join(told)


def wait_for(
    condition: Callable[[], bool], what: Callable[[], str] = lambda: "", within_s: float = 240.0
) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.5)
