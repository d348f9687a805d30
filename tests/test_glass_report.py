"""What is judged from the record of a watched player."""

from __future__ import annotations

from typing import Any

import pytest

from bench.glass.report import SETTLE_S, freezes_of, judge, percentile

FRAME_MS = 40.0


def record(latencies_ms: list[float], **more: Any) -> dict[str, Any]:
    """A code read each second, a picture each 40 ms."""
    seconds = len(latencies_ms)
    return {
        "firstFrameMs": 500.0,
        "ages": [[1e12 + 1000 * i, latency] for i, latency in enumerate(latencies_ms)],
        "frames": [500 + FRAME_MS * i for i in range(seconds * 25)],
        "unreadable": 0,
        "stalls": [],
        "seeks": 0,
        "dropped": 0,
        "now": 500 + FRAME_MS * seconds * 25,
        **more,
    }


def test_latencies_count_when_the_player_has_settled() -> None:
    settling = [9000.0] * int(SETTLE_S)
    report = judge("x", record([*settling, *[1000.0] * 9, 2000.0]), [])
    assert report.p50_s == 1.0
    assert report.p95_s == 2.0
    assert report.samples == 10
    assert report.join_s == 0.5


def test_a_viewing_shorter_than_settling_still_tells_where_it_came_to() -> None:
    assert judge("x", record([9000.0, 8000.0]), []).p50_s == 8.0


def test_a_player_without_a_readable_picture_is_no_report() -> None:
    with pytest.raises(ValueError, match="no picture"):
        judge("x", record([]), [])


def test_stalls_count_with_their_whole_length() -> None:
    report = judge(
        "x", record([1000.0] * 9, stalls=[[700.0, 250.0], [1500.0, 20.0], [3000.0, 1250.0]]), []
    )
    assert (report.stalls, report.stall_s) == (2, 1.5)


def test_sound_is_as_late_as_its_beeps_are_heard_after_pictures_that_are_seen() -> None:
    seen = record([30.0] * 10 + [50.0] * 10)
    beeps = [[1e12 + 1000 * at + 400, 55.0] for at in (1, 8, 14, 15, 900)]
    report = judge("x", seen, [], {"beeps": beeps, "outputMs": 32.0})
    assert report.sound_p50_s == pytest.approx(0.025)
    assert report.sound_p95_s == pytest.approx(0.045)
    assert judge("x", seen, [], {"beeps": [], "outputMs": 0.0}).sound_p50_s is None


def test_a_picture_that_stands_is_a_freeze_and_so_is_the_last_one() -> None:
    frames = [0.0, 40.0, 80.0, 120.0, 520.0, 560.0, 600.0]
    assert freezes_of(frames, 640.0) == [0.4]
    assert freezes_of(frames, 2600.0) == [0.4, 2.0]


def test_a_late_picture_within_what_viewers_forgive_is_no_freeze() -> None:
    assert freezes_of([0.0, 40.0, 220.0, 260.0], 300.0) == []


def test_the_players_own_estimate_is_held_against_the_truth_read_beside_it() -> None:
    seen = record([1000.0 + 100 * i for i in range(12)])
    estimates = [[1e12 + 1000 * i + 200, (1000.0 + 100 * i) / 1000 - 0.4] for i in range(12)]
    assert judge("x", seen, estimates).own_error_s == pytest.approx(-0.4)


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([float(i) for i in range(1, 101)], 95) == 95.0
