from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from segmenter.media import VIDEO_TIMESCALE
from streaming.transcode.key_grid import EpochGrid, FrameDivider, SourceKeys


def test_the_first_frame_is_a_key_frame_wherever_it_is() -> None:
    assert SourceKeys(2.0).is_key(777)
    assert EpochGrid(2.0).is_key(777)


def test_a_key_frame_that_was_lost_is_made_up_for_by_the_frame_after_it() -> None:
    keys = SourceKeys(2.0)
    for pts in (0, 9000):
        keys.source_key(pts)
    assert [pts for pts in (0, 3000, 6000, 12_000, 15_000) if keys.is_key(pts)] == [0, 12_000]


def test_keys_decoded_ahead_of_their_presentation_wait_for_it() -> None:
    keys = SourceKeys(2.0)
    keys.source_key(0)
    keys.source_key(9000)
    assert [pts for pts in (0, 3000, 6000, 9000) if keys.is_key(pts)] == [0, 9000]


def test_after_a_restart_old_keys_are_forgotten() -> None:
    keys = SourceKeys(2.0)
    keys.source_key(0)
    keys.source_key(500_000)
    keys.restart()
    keys.source_key(900_000)
    assert [pts for pts in (900_000, 903_000) if keys.is_key(pts)] == [900_000]


def test_no_segment_begins_while_each_key_comes_before_one_has_to_end() -> None:
    keys = SourceKeys(2.0)
    told, half = [], VIDEO_TIMESCALE // 2
    pending = [second * VIDEO_TIMESCALE for second in (0, 2, 4, 9, 11)]
    for pts in range(0, 25 * half, half):
        while pending and pending[0] <= pts:
            keys.source_key(pending.pop(0))
        keys.is_key(pts)
        told.append(keys.is_clear(pts, half))
    # From the second key on, as long as the next one may come; after a long GOP, not.
    assert [n / 2 for n, is_clear in enumerate(told) if is_clear] == [
        *(2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5), *(11, 11.5, 12)
    ]  # fmt: skip


def test_a_segment_begins_with_the_next_key_even_between_two_frames_of_a_rung() -> None:
    keys = SourceKeys(2.0)
    for pts in (0, 75_600):  # 21 frames of 25 a second
        keys.source_key(pts)
        keys.is_key(pts)
    last = 75_600 + 20 * 3600
    assert keys.is_clear(last - 7200, 7200)
    assert keys.is_clear(last, 3600)
    assert not keys.is_clear(last, 7200)
    keys.source_key(75_600 + 3 * 3600)  # sooner than expected, and known before it is shown
    assert keys.is_clear(75_600, 7200)
    assert not keys.is_clear(75_600 + 7200, 7200)


def test_a_segment_begins_on_each_line_of_the_grid() -> None:
    grid, line = EpochGrid(2.0), 2 * VIDEO_TIMESCALE
    assert grid.is_clear(line, line)
    assert grid.is_clear(line - 7200, 7200)
    assert not grid.is_clear(line - 3600, 7200)


@given(st.lists(st.integers(1, 400_000), min_size=1, max_size=50), st.integers(0, 2**47))
def test_two_origins_that_join_at_different_times_cut_the_same_grid(
    steps: list[int], start: int
) -> None:
    pts = [start]
    for step in steps:
        pts.append(pts[-1] + step)
    first, late = EpochGrid(2.0), EpochGrid(2.0)
    keys = [p for p in pts if first.is_key(p)]
    joined, *rest = pts[len(pts) // 2 :]
    late.is_key(joined)
    assert [p for p in rest if late.is_key(p)] == [p for p in keys if p > joined]


def test_a_divider_counts_frames_where_the_rate_is_unknown() -> None:
    divider = FrameDivider(3, Fraction(0))
    assert [n for n in range(9) if divider.keeps(n * n, n == 0)] == [0, 3, 6]


def test_a_divider_keeps_time_where_frames_are_missing() -> None:
    divider = FrameDivider(2, Fraction(30))
    numbers = [0, 1, 3, 5, 6, 7, 8]  # 2 and 4 never came
    assert [n for n in numbers if divider.keeps(n * 3000, n == 0)] == [0, 3, 5, 6, 8]


def test_milliseconds_do_not_confuse_a_divider() -> None:
    divider = FrameDivider(2, Fraction(60))
    kept = [n for n in range(60) if divider.keeps(round(n * 1000 / 60) * 90, n == 0)]
    assert kept == list(range(0, 60, 2))


def test_every_key_frame_is_kept_and_begins_the_count_anew() -> None:
    divider = FrameDivider(2, Fraction(60))
    keys = {0, 7, 8}
    kept = [n for n in range(12) if divider.keeps(n * 1500, n in keys)]
    assert kept == [0, 2, 4, 6, 7, 8, 10]


def test_a_divisor_of_one_keeps_all() -> None:
    divider = FrameDivider(1, Fraction(30))
    assert all(divider.keeps(n * VIDEO_TIMESCALE, n == 0) for n in range(5))
