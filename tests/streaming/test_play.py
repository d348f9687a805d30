"""What a viewer without a screen makes of what it saw."""

from __future__ import annotations

import numpy as np

from streaming.ingest.test_time_code import TimeCodeRow, read_luma_time_code
from streaming.play import freeze_durations_s

STEADY = [n / 25 for n in range(50)]


def test_a_steady_picture_has_no_freeze() -> None:
    assert freeze_durations_s(STEADY) == []
    assert freeze_durations_s([]) == []
    assert freeze_durations_s([1.0]) == []


def test_a_pause_is_one_freeze_of_its_length() -> None:
    late = [at + (0.5 if at > 1 else 0) for at in STEADY]
    (freeze,) = freeze_durations_s(late)
    assert abs(freeze - 0.54) < 1e-9


def test_a_picture_that_stands_still_to_the_end_has_frozen() -> None:
    (freeze,) = freeze_durations_s(STEADY, until=STEADY[-1] + 7)
    assert abs(freeze - 7) < 1e-9
    assert freeze_durations_s(STEADY, until=STEADY[-1] + 0.05) == []
    assert freeze_durations_s([], until=9.0) == []


def test_frames_of_half_the_rate_are_no_freezes() -> None:
    assert freeze_durations_s([*STEADY, *(2 + n / 12.5 for n in range(25))]) == []


def test_the_time_code_is_read_from_luma_with_padded_lines() -> None:
    padded = np.zeros((360, 704), np.uint8)
    TimeCodeRow(640, 360).draw(padded[:, :640], 1_800_000_000_123)
    assert read_luma_time_code(padded.tobytes(), 704, 640, 360) == 1_800_000_000.123
    assert read_luma_time_code(bytes(704 * 360), 704, 640, 360) is None
