"""What one direction of the wire does to packets."""

from __future__ import annotations

import itertools

import pytest

from tests.wire.way import Way, WireDirection

UDP_PACKET = b"\x45" + bytes(8) + bytes([17]) + bytes(990)
TCP_PACKET = b"\x45" + bytes(8) + bytes([6]) + bytes(990)


def direction(way: Way, seed: int = 1) -> WireDirection:
    made = WireDirection(seed)
    made.set(way, 0.0)
    return made


def arrivals(wire: WireDirection, until: float) -> list[float]:
    """When each packet comes, popping whenever it says that something is due."""
    times: list[float] = []
    while (due := wire.due_at()) is not None and due <= until:
        times += [due] * len(wire.pop(due))
    return times


def test_a_wire_of_which_nothing_was_said_delivers_at_once() -> None:
    wire = direction(Way())
    wire.push(UDP_PACKET, 1.0)
    assert wire.due_at() == 1.0
    assert wire.pop(1.0) == [UDP_PACKET]
    assert wire.due_at() is None


def test_a_delay_is_kept_to_the_tick() -> None:
    wire = direction(Way(delay_s=0.025))
    wire.push(UDP_PACKET, 1.0)
    assert wire.pop(1.0249) == []
    assert wire.due_at() == pytest.approx(1.025)
    assert wire.pop(1.0251) == [UDP_PACKET]


def test_jitter_changes_distances_but_not_the_order() -> None:
    wire = direction(Way(delay_s=0.01, jitter_s=0.02))
    for number in range(100):
        wire.push(UDP_PACKET + bytes([number]), number * 0.001)
    seen = [packet[-1] for packet in wire.pop(1.0)]
    assert seen == list(range(100))


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.3])
def test_as_much_is_lost_as_was_asked_for_and_each_run_the_same(loss: float) -> None:
    lost = []
    for _ in range(2):
        wire = direction(Way(loss=loss))
        for number in range(20_000):
            wire.push(UDP_PACKET, number * 0.001)
        assert wire.statistics.pushed == wire.statistics.lost + len(wire.pop(100.0))
        lost.append(wire.statistics.lost)
    assert lost[0] == lost[1]
    assert lost[0] / 20_000 == pytest.approx(loss, rel=0.2)


def test_what_passes_is_the_rate_after_the_bucket_is_empty() -> None:
    wire = direction(Way(rate=1_000_000, burst_bytes=3_000))
    for _ in range(20):
        wire.push(UDP_PACKET, 1.0)
    times = arrivals(wire, 10.0)
    assert times[:3] == [1.0, 1.0, 1.0]  # the bucket
    assert all(b - a == pytest.approx(0.008) for a, b in itertools.pairwise(times[2:]))


def test_a_full_queue_drops_what_comes_last() -> None:
    wire = direction(Way(rate=80_000, burst_bytes=0, queue_bytes=5_000))
    for _ in range(8):
        wire.push(UDP_PACKET, 0.0)
    assert wire.statistics.overflowed == 3
    assert len(arrivals(wire, 10.0)) == 5


def test_a_rate_that_changes_counts_for_what_waits_already() -> None:
    wire = direction(Way(rate=80_000, burst_bytes=0))
    for _ in range(10):
        wire.push(UDP_PACKET, 0.0)
    assert arrivals(wire, 0.25) == pytest.approx([0.1, 0.2])
    wire.set(Way(rate=8_000_000), 0.25)
    assert len(arrivals(wire, 0.27)) == 8


def test_a_limit_that_is_lifted_lets_everything_go() -> None:
    wire = direction(Way(rate=80_000, burst_bytes=0))
    for _ in range(10):
        wire.push(UDP_PACKET, 0.0)
    wire.set(Way(), 0.05)
    assert len(wire.pop(0.05)) == 10


def test_udp_can_be_blocked_while_tcp_passes() -> None:
    wire = direction(Way(blocks_udp=True))
    wire.push(UDP_PACKET, 0.0)
    wire.push(TCP_PACKET, 0.0)
    assert wire.pop(0.0) == [TCP_PACKET]
    assert wire.statistics.blocked == 1
