"""The live window: what stays, what leaves, and when it may be forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.errors import UsageError
from segmenter.presentation import Presentation, PresentationSettings
from segmenter.rendition import AVERAGE_TOLERANCE, Rendition
from segmenter.segment import InitReady, InitSection, Segment
from tests.segmenter.stage import SOURCE

TWO_SECONDS = 180_000


def init() -> InitSection:
    event = Presentation(PresentationSettings()).start([SOURCE])[0]
    assert isinstance(event, InitReady)
    return event.init


INIT = init()


def segment(
    msn: int, *, size: int = 1000, duration: int = TWO_SECONDS, gap: bool = False
) -> Segment:
    return Segment(
        msn=msn,
        start=msn * TWO_SECONDS,
        duration=duration,
        timescale=90_000,
        size_bytes=0 if gap else size,
        sample_count=60,
        init=INIT,
        discontinuity=0,
        starts_discontinuity=False,
        is_independent=True,
        is_gap=gap,
    )


def rendition(window_s: float = 10, window_bytes: int = 1 << 30) -> Rendition:
    made = Rendition(SOURCE, 0, window_s, window_bytes)
    made.target_duration = 2
    return made


def filled(count: int, **window: int) -> Rendition:
    made = rendition(**window)
    for msn in range(count):
        made.add(segment(msn), msn * 2.0)
    return made


def test_the_window_holds_its_seconds_and_not_a_segment_more() -> None:
    made = filled(20)
    assert [s.msn for s in made.segments] == [15, 16, 17, 18, 19]
    assert not made.is_shortened


def test_the_window_holds_less_when_its_bytes_are_used_up() -> None:
    made = filled(20, window_bytes=4000)
    assert len(made.segments) == 4
    assert made.is_shortened


def test_three_target_durations_stay_whatever_their_bytes() -> None:
    assert len(filled(20, window_bytes=1).segments) == 3


def test_numbers_must_follow() -> None:
    made = filled(3)
    with pytest.raises(UsageError, match="5 after 2"):
        made.add(segment(5), 10.0)


def test_nothing_is_added_after_the_end() -> None:
    made = filled(3)
    made.end()
    with pytest.raises(UsageError, match="ended"):
        made.add(segment(3), 10.0)


def test_counters_of_an_empty_rendition_are_the_callers_mistake() -> None:
    with pytest.raises(UsageError):
        rendition().media_sequence  # noqa: B018


def test_a_segment_expires_after_its_own_duration_and_that_of_the_longest_playlist() -> None:
    made = filled(6)  # 0 left at 10 s, when the playlist had been 12 s long
    assert made.expire(10.0 + 2 + 12 - 0.01) == []
    assert [event.segment.msn for event in made.expire(10.0 + 2 + 12)] == [0]
    assert made.expire(10.0 + 2 + 12) == []


def test_a_withdrawn_playlist_is_gone_when_its_last_segment_has_expired() -> None:
    made = filled(3)
    made.withdraw(6.0)
    assert not made.is_gone
    made.expire(100.0)
    assert made.is_gone


def test_gaps_weigh_nothing_and_never_expire() -> None:
    made = rendition()
    for msn in range(20):
        made.add(segment(msn, gap=True), msn * 2.0)
    assert made.window_bytes == 0
    assert made.expire(1e9) == []
    assert not made.has_media


def test_the_peak_counts_runs_between_half_and_one_and_a_half_target_durations() -> None:
    made = rendition()
    made.add(segment(0, size=1000, duration=90_000 // 2), 0)  # half a second: no run alone
    made.add(segment(1, size=500), 2)
    assert made.bitrates().peak == round(8 * 1500 / 2.5)


def test_a_lone_short_segment_is_measured_all_the_same() -> None:
    made = rendition()
    made.add(segment(0, size=1000, duration=9000), 0)
    assert made.bitrates().peak == made.bitrates().average == 80_000


def test_the_frame_rate_is_measured_where_none_is_announced() -> None:
    made = filled(3)
    made.track = type(SOURCE)("source", SOURCE.codec, 90_000, SOURCE.codec_config)
    assert made.frame_rate() == 30


def test_an_announced_average_stays_while_the_measured_one_is_near_it() -> None:
    made = rendition()
    sizes = [1000, 1040, 960, 1020, 1000, 990]
    announced = set()
    for msn, size in enumerate(sizes):
        made.add(segment(msn, size=size), msn * 2.0)
        announced.add(made.bitrates().average)
    assert announced == {4000}


def test_an_average_that_has_changed_is_announced_anew() -> None:
    made = rendition()
    for msn in range(3):
        made.add(segment(msn, size=1000), msn * 2.0)
    made.add(segment(3, size=4000), 6.0)
    assert made.bitrates().average == 8 * 7000 // 8


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30))
def test_no_segment_is_above_the_announced_peak_nor_the_average_far_off(sizes: list[int]) -> None:
    made = rendition()
    for msn, size in enumerate(sizes):
        made.add(segment(msn, size=size), msn * 2.0)
        rates = made.bitrates()
        listed = [8 * s.size_bytes / s.duration_s for s in made.segments]
        measured = sum(listed) / len(listed)
        assert max(listed) <= rates.peak + 1
        assert abs(rates.average - measured) <= AVERAGE_TOLERANCE * measured + 1
        assert rates.average <= rates.peak
