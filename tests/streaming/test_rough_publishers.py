"""Publishers that pause, send in bursts or set their clocks: what viewers' playlists make of it."""

from __future__ import annotations

import pytest

from tests.streaming.test_switches import Encoder, Room

SEGMENT_S = 1.0
SLACK_S = 0.3


def live(seed: int) -> tuple[Room, Encoder]:
    """A publisher that has been live for a while."""
    room = Room(seed, window_s=60)
    encoder = room.come(jitter_s=0.05)
    room.run(20 + room.random.uniform(0, 1))
    room.longest_wait_s = 0.0
    return room, encoder


def ahead_s(room: Room) -> float:
    return room.path.statistics(room.now).timeline.ahead_s


@pytest.mark.parametrize("seed", range(4))
def test_a_pause_costs_viewers_the_pause_and_no_discontinuity(seed: int) -> None:
    room, encoder = live(seed)
    room.allows_gaps = True
    encoder.fall_silent(5)
    room.run(25)
    room.check(breaks=0)
    assert room.longest_wait_s < 5 + SEGMENT_S + SLACK_S
    assert ahead_s(room) == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("seed", range(4))
def test_a_pause_for_which_the_publishers_clock_stood_still_is_made_good(seed: int) -> None:
    room, encoder = live(seed)
    room.allows_gaps = True
    encoder.is_silent = True
    room.run(5)
    encoder.is_silent = False
    encoder.began += 5
    room.run(30)
    room.check(breaks=1)
    assert room.longest_wait_s < 5 + SEGMENT_S + SLACK_S
    assert ahead_s(room) == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("seed", range(4))
def test_a_network_that_stood_still_costs_the_pause_and_nothing_of_the_media(seed: int) -> None:
    room, encoder = live(seed)
    encoder.is_silent = True
    room.run(5)
    encoder.is_silent = False
    room.run(20)
    room.check(breaks=0)
    assert room.longest_wait_s < 5 + SEGMENT_S + SLACK_S
    assert ahead_s(room) == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("seed", range(2))
def test_bursts_of_ten_seconds_arrive_whole_every_ten_seconds(seed: int) -> None:
    room, encoder = live(seed)
    for _ in range(12):
        encoder.is_silent = True
        room.run(10)
        encoder.is_silent = False
        room.run(0.02)
    room.check(breaks=0)
    assert room.longest_wait_s < 10 + SEGMENT_S + SLACK_S
    assert -10.5 < ahead_s(room) < 0.5


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("jump_s", [-3600, -20, 20, 3600])
def test_a_clock_that_jumps_costs_a_discontinuity_and_a_group_of_pictures(
    seed: int, jump_s: int
) -> None:
    room, encoder = live(seed)
    encoder.stamp_offset_s += jump_s
    room.run(25)
    room.check(breaks=1)
    assert room.longest_wait_s < SEGMENT_S + 1.0 + SLACK_S
    assert ahead_s(room) == pytest.approx(0, abs=0.2)
