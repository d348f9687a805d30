from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.webrtc.packets import packet, shuffled
from webrtc.jitter_buffer import MAX_JUMP, MAX_WAITING_PACKETS, Arrived, JitterBuffer


def numbers(arrived: list[Arrived]) -> list[int]:
    return [each.packet.sequence for each in arrived]


def push(buffer: JitterBuffer, *sequences: int, now: float = 0.0) -> list[int]:
    return [n for each in sequences for n in numbers(buffer.push(packet(each), now))]


def test_what_is_in_order_passes_at_once() -> None:
    assert push(JitterBuffer(0.4), 65_534, 65_535, 65_536, 65_537) == [65_534, 65_535, 0, 1]


def test_behind_a_gap_packets_wait_for_the_missing_one() -> None:
    buffer = JitterBuffer(0.4)
    assert push(buffer, 1, 3, 4) == [1]
    assert push(buffer, 2) == [2, 3, 4]
    assert (buffer.lost, buffer.recovered) == (0, 1)


def test_a_gap_that_lasts_is_given_up_and_told() -> None:
    buffer = JitterBuffer(0.4)
    push(buffer, 1, 4, 5)
    assert buffer.handle_timer(0.39) == []
    arrived = buffer.handle_timer(0.4)
    assert numbers(arrived) == [4, 5]
    assert [each.after_gap for each in arrived] == [True, False]
    assert buffer.lost == 2
    assert push(buffer, 2, 3, now=0.5) == [], "too late"


def test_a_missing_packet_is_asked_for_again_until_it_comes() -> None:
    buffer = JitterBuffer(2.0)
    push(buffer, 1, 3, 6)
    assert buffer.take_nacks(0.0) == [2, 4, 5]
    assert buffer.take_nacks(0.05) == []
    push(buffer, 4, now=0.06)
    assert buffer.take_nacks(0.1) == [2, 5]
    asked = [buffer.take_nacks(now / 10) for now in range(2, 30)]
    assert sum(map(len, asked)) == 2 * 6, "eight times each"


def test_a_packet_twice_is_one() -> None:
    assert push(JitterBuffer(0.4), 1, 1, 3, 3, 2, 2) == [1, 2, 3]


def test_another_stream_under_the_same_source_begins_anew() -> None:
    buffer = JitterBuffer(0.4)
    push(buffer, 1, 2)
    (arrived,) = buffer.push(packet(2 + MAX_JUMP + 1), 0.0)
    assert arrived.after_gap
    assert buffer.take_nacks(0.0) == []


def test_what_waits_is_bounded() -> None:
    buffer = JitterBuffer(100.0)
    push(buffer, 0)
    passed = push(buffer, *range(2, 2 + MAX_WAITING_PACKETS + 1))
    assert passed[0] == 2


def test_when_too_many_are_missing_none_is_asked_for() -> None:
    buffer = JitterBuffer(0.4)
    push(buffer, 0, 1_000)
    assert buffer.take_nacks(0.0) == []


@given(st.integers(0, 0xFFFF), st.integers(0, 1 << 30), st.sets(st.integers(1, 299), max_size=20))
def test_however_packets_are_mixed_they_leave_in_order(
    first: int, seed: int, lost: set[int]
) -> None:
    sent = [packet(first + n) for n in range(300)]
    kept = [each for n, each in enumerate(sent) if n not in lost]
    buffer = JitterBuffer(0.4)
    head, *rest = kept
    arrived = buffer.push(head, 0.0)
    for each in shuffled(rest, seed):
        arrived += buffer.push(each, 0.0)
    arrived += buffer.handle_timer(1.0)
    assert [each.packet for each in arrived] == kept
    gaps = sum(n not in lost and n - 1 in lost for n in range(300))
    assert sum(each.after_gap for each in arrived) == gaps
