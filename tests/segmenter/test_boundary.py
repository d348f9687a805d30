"""The rule that says where segments begin, on its own."""

from __future__ import annotations

from fractions import Fraction

import pytest

from segmenter.boundary import (
    Boundary,
    BoundaryRule,
    Cut,
    longest_ticks,
    target_duration_for,
)
from segmenter.media import Sample

SCALE = 90_000
TWO = Fraction(2)


def rule(target_duration: int = 2, start: float = 0) -> BoundaryRule:
    made = BoundaryRule(TWO, SCALE, target_duration, counts_gops=True)
    made.start(round(start * SCALE))
    return made


def at(seconds: float, *, sync: bool) -> Sample:
    dts = round(seconds * SCALE)
    return Sample("source", dts, dts, b"", sync, 3000)


def test_a_key_frame_on_the_line_is_due_and_one_before_it_is_not() -> None:
    assert rule().judge(at(1.0, sync=True)) is Cut.NO
    assert rule().judge(at(2.0, sync=True)) is Cut.DUE


def test_no_other_frame_on_the_line_is_due() -> None:
    assert rule().judge(at(2.0, sync=False)) is Cut.NO


def test_the_grid_is_that_of_1970_not_of_the_first_segment() -> None:
    assert rule(start=1.5).judge(at(2.1, sync=True)) is Cut.DUE


def test_a_key_frame_is_early_when_the_next_one_would_be_too_late() -> None:
    made = rule()
    made.judge(at(0, sync=True))
    assert made.judge(at(1.9, sync=True)) is Cut.EARLY


def test_a_publisher_whose_gops_are_forgotten_is_not_cut_early() -> None:
    made = rule()
    made.judge(at(0, sync=True))
    made.forget_gops()
    assert made.judge(at(1.9, sync=True)) is Cut.NO


def test_an_early_boundary_stands_for_the_line_just_ahead() -> None:
    made = rule()
    made.start(round(1.9 * SCALE), is_early=True)
    assert made.next_line == 4 * SCALE


def test_a_frame_that_would_break_the_target_duration_is_forced() -> None:
    made = rule()
    last = longest_ticks(2, SCALE) / SCALE
    assert made.judge(at(last - 0.1, sync=False)) is Cut.NO
    assert made.judge(at(last, sync=False)) is Cut.FORCED


def shown(seconds: float, place: float) -> Sample:
    return Sample("source", round(seconds * SCALE), round(place * SCALE), b"", False, 3000)


def test_among_b_frames_the_last_one_shown_after_all_before_it_is_forced() -> None:
    made = rule()
    order = [n + at for n in range(0, 90, 3) for at in (3, 1, 2)]  # P, and two B-frames
    cuts = [made.judge(shown((n + 1) / 30, place / 30)) for n, place in enumerate(order)]
    first = cuts.index(Cut.FORCED)
    assert order[first] % 3 == 0
    assert longest_ticks(2, SCALE) - 9000 < (first + 1) * 3000 <= longest_ticks(2, SCALE)


def test_the_first_segment_may_last_as_long_as_encoders_leave_between_key_frames() -> None:
    made = rule(target_duration=0)
    assert made.judge(at(250 * 1.001 / 24, sync=False)) is Cut.NO
    assert made.judge(at(11, sync=False)) is Cut.FORCED


def test_only_where_a_picture_leads_may_others_have_it_a_little_earlier() -> None:
    made = rule()
    for number in range(3):
        made.judge(at(number / 30, sync=number == 0))
    assert made.rounding_at(round(2 / 30 * SCALE)) == 450
    assert made.rounding_at(round(1.5 / 30 * SCALE)) == 0
    sound = BoundaryRule(TWO, SCALE, 2, counts_gops=False)
    for number in range(3):
        sound.judge(at(number / 30, sync=True))
    assert sound.rounding_at(round(2 / 30 * SCALE)) == 0


def test_of_fast_pictures_the_one_before_is_never_taken_for_the_one_at_the_boundary() -> None:
    made = rule()
    for number in range(3):
        made.judge(at(number / 1000, sync=number == 0))
    assert made.rounding_at(round(2 / 1000 * SCALE)) == 45


@pytest.mark.parametrize(
    ("gop_s", "end_s"), [(2.0, 6.0), (1.0, 6.0), (0.5, 6.0), (2.1, 6.3), (1.9, 5.7), (4.0, None)]
)
def test_a_segment_is_expected_to_end_where_the_rhythm_of_key_frames_will_cut_it(
    gop_s: float, end_s: float | None
) -> None:
    made = rule()
    begin = 4.0 if gop_s <= 1 else 2 * gop_s
    made.judge(at(begin - gop_s, sync=True))
    made.judge(at(begin, sync=True))
    made.start(round(begin * SCALE))
    assert made.expected_end() == (None if end_s is None else round(end_s * SCALE))


@pytest.mark.parametrize(
    ("segment_s", "longest_s", "target"),
    [(2, 2, 2), (2, 2.3, 2), (2, 2.4, 3), (2, 4, 4), (0.5, 0.5, 1), (6, 1, 6), (2, 10, 10)],
)
def test_target_durations_leave_room_for_a_frame_of_the_other_tracks(
    segment_s: float, longest_s: float, target: int
) -> None:
    assert target_duration_for(Fraction(segment_s), Fraction(longest_s)) == target


def test_where_a_segment_of_an_unknown_rhythm_ends_nobody_knows() -> None:
    made = rule()
    made.judge(at(0, sync=True))
    assert made.expected_end() is None


def test_a_segment_that_audio_leads_is_expected_to_end_on_the_line() -> None:
    made = BoundaryRule(TWO, 48_000, 2, counts_gops=False)
    made.start(100)
    assert made.expected_end() == 96_000


def test_another_track_begins_at_its_first_tick_not_before_the_boundary() -> None:
    boundary = Boundary(1, 90_001, 90_000, 0, is_break=False, previous_end=90_001)
    assert boundary.ticks(48_000) == 48_001
    assert boundary.ticks(90_000) == 90_001


def test_another_picture_may_be_before_the_boundary_by_its_rounding() -> None:
    boundary = Boundary(1, 90_001, 90_000, 0, is_break=False, previous_end=90_001, rounding=90)
    assert boundary.first_ticks(90_000) == 89_911
    assert boundary.ticks(90_000) == 90_001
