"""Three players in Chromium while publishers and an origin die: bench/continuity.py in small."""

from __future__ import annotations

import pytest

from bench.continuity import run
from bench.glass.browser import find_chromium
from bench.glass.viewing import STATIC

# A machine that does other things, too, may be late; a fault of ours shows every time.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.flaky(reruns=2),
    pytest.mark.timeout(400),
    pytest.mark.skipif(find_chromium() is None, reason="no chromium: apt-get install chromium"),
    pytest.mark.skipif(not (STATIC / "vendor").is_dir(), reason="no players: make setup-test"),
]


@pytest.mark.long
async def test_nobody_reloads_a_page_when_publishers_and_the_origin_are_killed() -> None:
    report = await run(kills=3, restarts=1, seed=1, longest_away_s=5.0)
    assert report.notes == [], "numbers only rise, and every player has a picture again"
    assert len(report.deaths) == 4
    assert report.playlists > 20
    for player in report.players:
        assert player.is_same_document, player
