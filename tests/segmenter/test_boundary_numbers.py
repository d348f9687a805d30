"""The numbers that a presentation starts with follow the clock."""

from __future__ import annotations

from segmenter.boundary import discontinuity_at, number_at

NOV_2026 = 1_795_443_727
YEAR_2046 = 2_398_377_600


def test_an_origin_without_memory_starts_above_what_half_second_segments_reached() -> None:
    start = number_at(NOV_2026, 1)
    assert number_at(NOV_2026 + 60, 1) >= start + 60 / 0.5


def test_media_sequence_numbers_fit_the_32_bits_of_dash() -> None:
    assert number_at(YEAR_2046, 1) < 2**32


def test_discontinuity_sequence_numbers_stay_small_enough_to_index_the_arrays_of_players() -> None:
    """hls.js copies arrays of this length hole by hole: 27 million holes take a second."""
    assert discontinuity_at(YEAR_2046, 1) < 1_100_000
    assert discontinuity_at(NOV_2026, 1) < 50_000


def test_discontinuity_sequence_numbers_rise_with_the_clock() -> None:
    assert discontinuity_at(NOV_2026 + 600, 1) == discontinuity_at(NOV_2026, 1) + 1
    assert discontinuity_at(0, 1) == 0
