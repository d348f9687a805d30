"""A day of one path in minutes, with a thousand publishers and every playlist looked at.

The usual run is a seeded part of it; `make day` runs all of it (DAY_HOURS, DAY_SEED, DAY_PART_S).
"""

from __future__ import annotations

import os

import pytest

from segmenter.presentation import PresentationSettings
from tests.segmenter.dash.judges import HAS_XSD, validate
from tests.segmenter.day.day import Day
from tests.segmenter.day.script import Trouble, sessions
from tests.segmenter.hls.test_judges import judge

HOURS = float(os.environ.get("DAY_HOURS", "0.5"))
SEED = int(os.environ.get("DAY_SEED", "1"))
PART_S = float(os.environ.get("DAY_PART_S", "0.5"))
"""Half a second in the usual run: the same rules, and half as many playlists."""

LONGEST_WAIT_S = 3.5
"""Of a blocked request, where nothing is withheld: a group of pictures of three seconds after a
pause, and a part."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


def unjudged(text: str) -> None:
    """Where the schema is not at hand the watch alone judges."""


def test_a_day_has_a_thousand_publishers_and_all_their_troubles() -> None:
    day = list(sessions(1, 24))
    assert len(day) == 1000
    assert {kind for session in day for _, kind, _ in session.troubles} == set(Trouble)
    assert sum(session.wraps for session in day if session.wrap_bits == 31) > 100
    assert sum(session.wraps for session in day if session.wrap_bits == 32) > 100
    assert {session.drift_ppm for session in day if session.seconds > 3600} >= {-200, 200}
    length_s = sum(session.seconds + session.away_s for session in day)
    assert 20 * 3600 < length_s < 30 * 3600


def test_no_playlist_of_a_day_breaks_a_rule(capsys: pytest.CaptureFixture[str]) -> None:
    settings = PresentationSettings(target_duration=2, part_duration_s=PART_S)
    day = Day(SEED, HOURS, settings, validate if HAS_XSD else unjudged).run()
    with capsys.disabled():
        print(f"\n{day.summary()}")
    assert judge(day.samples) == []
    for name in ("source", "audio"):
        assert day.followers[name].longest_wait_s < LONGEST_WAIT_S, name
    for watch in day.watches.values():
        assert watch.odd_parts == [], "H12"
        assert watch.merged > 0.9 * day.counts["playlists"] / len(day.watches)
