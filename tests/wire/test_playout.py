"""What a player shows, and how long it stands still."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from tests.wire.playout import Picture, frozen_s, merged

FRAME_S = 0.04
WAY_S = 100.0
"""From the publisher's clock to ours."""
HOLD_BACK_S = 0.15


def pictures(late: Mapping[int, float], count: int = 100) -> list[Picture]:
    """25 a second, some of which come later than the others."""
    times = [number * FRAME_S for number in range(count)]
    return [Picture(at, at + WAY_S + late.get(number, 0.0)) for number, at in enumerate(times)]


def frozen(late: Mapping[int, float], *still: tuple[float, float]) -> float:
    """The stills in seconds from when the first picture came."""
    spans = [(WAY_S + begin, WAY_S + end) for begin, end in still]
    return frozen_s(pictures(late), WAY_S + 4.0, HOLD_BACK_S, FRAME_S, spans)


def test_what_is_there_when_it_is_due_freezes_nothing() -> None:
    assert frozen({}) == 0.0
    assert frozen(dict.fromkeys(range(1, 100), 0.149)) == 0.0


def test_a_picture_that_is_late_freezes_from_when_it_was_due() -> None:
    assert frozen({50: 0.25}) == pytest.approx(0.1)


def test_each_freeze_counts_for_itself_as_the_clock_goes_on() -> None:
    assert frozen({20: 0.25, 60: 0.25}) == pytest.approx(0.2)


def test_late_pictures_that_overlap_freeze_only_once() -> None:
    """The second is due 40 ms after the first and there 60 ms after it."""
    assert frozen({50: 0.25, 51: 0.27}) == pytest.approx(0.04 + 0.12)


def test_what_builds_upon_a_late_picture_is_as_late_without_freezing_longer() -> None:
    in_a_burst = {50 + number: 0.5 - number * FRAME_S for number in range(12)}
    assert frozen(in_a_burst) == frozen({50: 0.5}) == pytest.approx(0.35)


def test_a_picture_that_never_comes_freezes_what_builds_upon_it() -> None:
    came = pictures({})
    came[50] = Picture(came[50].media_s, math.inf)
    assert frozen_s(came, WAY_S + 4.0, HOLD_BACK_S, FRAME_S) == pytest.approx(
        4.0 - 2.0 - HOLD_BACK_S
    )


def test_pictures_that_are_left_out_freeze_the_one_before_them() -> None:
    came = pictures({})
    assert frozen_s(came[:50] + came[60:], WAY_S + 4.0, HOLD_BACK_S, FRAME_S) == pytest.approx(0.38)


def test_a_stream_that_ends_too_early_is_frozen_until_the_end() -> None:
    came = pictures({}, 50)
    assert frozen_s(came, WAY_S + 2.1, HOLD_BACK_S, FRAME_S) == 0.0
    assert frozen_s(came, WAY_S + 3.0, HOLD_BACK_S, FRAME_S) == pytest.approx(0.83)
    with pytest.raises(AssertionError, match="no picture"):
        frozen_s([Picture(0.0)], WAY_S, HOLD_BACK_S, FRAME_S)


def test_what_is_due_after_the_end_is_not_judged() -> None:
    late = pictures({98: 0.5, 99: 0.5})
    assert frozen_s(late, late[98].media_s + WAY_S + HOLD_BACK_S, HOLD_BACK_S, FRAME_S) == 0.0
    assert frozen_s(late, late[98].media_s + WAY_S + 0.2, HOLD_BACK_S, FRAME_S) == pytest.approx(
        0.05
    )


def test_they_may_come_in_any_order_and_the_order_of_media_counts() -> None:
    late = pictures({50: 0.25})
    late.append(late.pop(50))
    assert frozen_s(late, WAY_S + 4.0, HOLD_BACK_S, FRAME_S) == pytest.approx(0.1)


def test_while_the_machine_stood_still_nothing_freezes() -> None:
    after = {50 + number: 0.5 - number * FRAME_S for number in range(12)}
    assert frozen(after, (2.0, 2.5)) == 0.0
    assert frozen(after, (2.0, 2.3), (2.2, 2.5)) == 0.0


def test_what_a_resend_loses_of_its_time_to_a_still_is_given_to_it_again() -> None:
    """Lost at 2.0, asked for at once; nobody has a turn for 80 ms, then it takes 110 as ever."""
    assert frozen({50: 0.19}) == pytest.approx(0.04)
    assert frozen({50: 0.19}, (2.0, 2.08)) == 0.0


def test_a_still_excuses_no_more_than_its_own_time() -> None:
    assert frozen({50: 0.45}, (2.0, 2.08)) == pytest.approx(0.3 - 0.08)
    assert frozen({50: 0.45}, (2.2, 2.28)) == pytest.approx(0.3 - 0.08)
    assert frozen({50: 0.45}, (1.0, 1.5), (3.0, 3.5)) == pytest.approx(0.3)


def test_spans_are_merged_where_they_overlap_or_touch() -> None:
    assert merged([(3.0, 4.0), (0.0, 1.0), (1.0, 2.0), (3.5, 3.6)]) == [(0.0, 2.0), (3.0, 4.0)]
    assert merged([(1.0, 1.0)]) == []
