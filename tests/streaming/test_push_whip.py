"""When a WHIP push sends what it has."""

from __future__ import annotations

import pytest

from streaming.push_whip import HELD_S, MOST_OFF_S, SendTimes


def test_what_belongs_together_leaves_together_however_long_it_took() -> None:
    times = SendTimes()
    picture = times.due_s(1000.0, 5.0)
    sound = times.due_s(1000.0, 5.06)
    assert picture == sound == pytest.approx(5.0 + HELD_S)
    assert times.due_s(1000.5, 5.5) == pytest.approx(5.5 + HELD_S)


def test_media_time_that_jumps_begins_anew() -> None:
    times = SendTimes()
    times.due_s(1000.0, 5.0)
    assert times.due_s(3000.0, 6.0) == pytest.approx(6.0 + HELD_S)
    assert times.due_s(3000.0 - MOST_OFF_S / 2, 6.0) == pytest.approx(6.0 - MOST_OFF_S / 2 + HELD_S)
