"""Key frames are asked for so early that they come at the lines where segments begin."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from webrtc.key_frame_grid import MAX_TRIES, RETRY_S, KeyFrameGrid

FRAME_S = 1 / 30
ORIGIN_S = 1_700_000_000.7
"""Media time of the publisher's beginning."""


class Encoder:
    """A publisher 30 times a second, whose next picture after a request has come is a key frame."""

    def __init__(self, *, way_s: float = 0.04, jitter_s: float = 0.0, answers: bool = True) -> None:
        self.grid = KeyFrameGrid()
        self.grid.set_interval(2.0)
        self.keys: list[float] = []
        """Media time of each, seconds."""
        self.asked: list[float] = []
        self._way_s, self._jitter_s, self._answers = way_s, jitter_s, answers
        self._chance = random.Random(7)
        self._requests: list[float] = [0.0]
        self._coming: list[tuple[float, int, bool]] = []
        self._last_key: int | None = None
        self._step = 0
        self.newest = 0

    def tell_offset(self) -> None:
        self.grid.set_offset(round(ORIGIN_S * 90_000))

    def ask(self, now: float) -> None:
        self.asked.append(now)
        self.grid.note_request(now)
        if self._answers:
            self._requests.append(now + self._way_s)

    def run(self, until_s: float) -> None:
        """Pictures are taken, go their way and come; the grid is asked each 10 ms."""
        for step in range(self._step, round(until_s * 100)):
            now = step / 100
            number = round(now / FRAME_S)
            if abs(number * FRAME_S - now) < 0.005:
                self._take_picture(number, now)
            for arrival, dts, is_key in [each for each in self._coming if each[0] <= now]:
                self._coming.remove((arrival, dts, is_key))
                self._arrive(dts, is_key, now)
            if self._last_key is not None and self.grid.take_due(self._last_key, now):
                self.ask(now)
        self._step = round(until_s * 100)

    def _take_picture(self, number: int, now: float) -> None:
        is_key = any(at <= now for at in self._requests)
        self._requests = [at for at in self._requests if at > now]
        late_s = self._way_s + self._chance.random() * self._jitter_s
        self._coming.append((now + late_s, number * 3_000, is_key))

    def _arrive(self, dts: int, is_key: bool, now: float) -> None:
        self.newest = dts
        self.grid.push(dts, is_key, now)
        if is_key:
            self._last_key = dts
            self.keys.append(dts / 90_000 + ORIGIN_S)


def after_line(time_s: float) -> float:
    """By how much a moment is after the nearest line, seconds."""
    return (time_s + 1.0) % 2.0 - 1.0


@pytest.mark.parametrize("jitter_s", [0.0, 0.03])
@pytest.mark.parametrize("way_s", [0.001, 0.04, 0.3])
def test_key_frames_come_at_the_lines(way_s: float, jitter_s: float) -> None:
    encoder = Encoder(way_s=way_s, jitter_s=jitter_s)
    encoder.tell_offset()
    encoder.run(20.0)
    late = [after_line(key) for key in encoder.keys[3:]]
    assert len(late) >= 7
    assert min(late) > -0.001
    assert max(late) < 3 * FRAME_S
    assert sum(late) / len(late) < 2 * FRAME_S


def test_each_line_has_one_key_frame() -> None:
    encoder = Encoder()
    encoder.tell_offset()
    encoder.run(20.0)
    assert all(1.9 < b - a < 2.1 for a, b in pairwise(encoder.keys[2:]))
    assert len(encoder.asked) == len(encoder.keys) - 1


def test_until_media_time_is_known_a_key_frame_is_due_as_often() -> None:
    encoder = Encoder()
    encoder.run(10.0)
    assert [b - a for a, b in pairwise(encoder.keys[2:])] == pytest.approx([2.0] * 2, abs=0.1)
    encoder.grid.set_interval(0.0)
    assert not encoder.grid.take_due(0, 100.0)


def test_media_time_that_is_moved_moves_the_requests() -> None:
    encoder = Encoder()
    encoder.tell_offset()
    encoder.run(10.0)
    encoder.grid.set_offset(round((ORIGIN_S + 0.5) * 90_000))
    before = len(encoder.keys)
    encoder.run(20.0)
    late = [after_line(key + 0.5) for key in encoder.keys[before + 1 :]]
    assert len(late) >= 4
    assert all(-0.001 < each < 3 * FRAME_S for each in late)


def test_who_never_answers_is_asked_a_few_times_for_each_line() -> None:
    encoder = Encoder(answers=False)
    encoder.tell_offset()
    encoder.run(20.0)
    assert len(encoder.asked) <= 10 * MAX_TRIES
    assert len(encoder.asked) >= 9
    assert min(b - a for a, b in pairwise(encoder.asked)) > 0.99 * RETRY_S


def test_a_key_frame_that_somebody_wanted_just_before_a_line_stands_for_it() -> None:
    grid = KeyFrameGrid()
    grid.set_interval(2.0)
    grid.set_offset(0)
    for number in range(60):
        grid.push(number * 3_000, number == 0, number * FRAME_S)
    assert not grid.take_due(round(1.8 * 90_000), 2.0)
    assert grid.take_due(round(1.5 * 90_000), 2.0)


def test_a_key_frame_that_was_on_its_way_when_it_was_asked_for_is_no_measure() -> None:
    encoder = Encoder(way_s=0.2)
    encoder.tell_offset()
    encoder.run(9.0)
    encoder.grid.note_request(9.0)
    encoder.grid.push(encoder.newest + 1, True, 9.0)
    before = len(encoder.keys)
    encoder.run(20.0)
    late = [after_line(key) for key in encoder.keys[before:]]
    assert len(late) >= 4
    assert max(late) < 3 * FRAME_S
