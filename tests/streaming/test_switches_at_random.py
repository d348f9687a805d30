"""Publishers that come, go, fall silent and take over at random, with a slate that comes and goes.

Whatever they do: numbers only rise, no more discontinuities than changes of who is on air, media
time rises, latency is bounded, and the path is never in a state that its publishers belie.
"""

from __future__ import annotations

import pytest

from streaming.path_state import PathState
from streaming.publisher_slot import Rank
from tests.segmenter.stage import SOURCE
from tests.streaming.test_switches import OTHER, RENDITIONS, Encoder, Room, slate

STEPS = 40
MOST_AHEAD_S = 4.5
"""LONGEST_GOP_S of kept_gops.py, and the jitter of who sends."""


class Story:
    """A room in which something happens every second or so."""

    def __init__(self, seed: int) -> None:
        self.room = Room(seed, backup_return_s=2, linger_s=6, window_s=300)
        self.random = self.room.random
        self.room.allows_gaps = True
        self.takeovers = 0
        self.slates = 0
        self.silences = 0

    def step(self) -> None:
        deeds = [self.come, self.come, self.vanish, self.hush, self.speak, self.slate, self.choose]
        self.random.choice(deeds)()
        self.room.run(self.random.uniform(0.1, 3))
        self.check()

    def encoder(self, rank: Rank) -> Encoder | None:
        return next((one for one in self.room.encoders if one.slot.rank is rank), None)

    def come(self) -> None:
        rank = self.random.choice((Rank.PRIMARY, Rank.BACKUP))
        former = self.encoder(rank)
        if former is not None:
            self.takeovers += 1
            self.room.encoders.remove(former)
        self.room.come(rank, self.random.choice((SOURCE, OTHER)), jitter_s=0.05)

    def vanish(self) -> None:
        if self.room.encoders:
            self.random.choice(self.room.encoders).vanish()

    def hush(self) -> None:
        for encoder in self.room.encoders:
            if self.random.random() < 0.5:
                encoder.is_silent = True
                self.silences += 1

    def speak(self) -> None:
        for encoder in self.room.encoders:
            if encoder.is_silent:
                encoder.began = self.room.now
                encoder.counts = dict.fromkeys(encoder.counts, 0)
                encoder.stamp_offset_s += 1_000
                encoder.is_silent = False

    def slate(self) -> None:
        self.slates += 1
        given = slate(self.random.choice((SOURCE, OTHER)))
        self.room.path.set_slate(given if self.random.random() < 0.8 else None, self.room.now)

    def choose(self) -> None:
        rank = self.random.choice((None, None, *Rank))
        self.room.path.choose(rank, self.room.now)

    def check(self) -> None:
        path = self.room.path
        seen = path.statistics(self.room.now)
        state, on_air = seen.life.state, seen.on_air.on_air
        if state is PathState.SLATE:
            assert on_air != ""
        if state in (PathState.PROBING, PathState.STARTING, PathState.LIVE, PathState.STALLED):
            assert on_air in ("primary", "backup")
        if state in (PathState.RECONNECTING, PathState.ENDING, PathState.ENDED, PathState.IDLE):
            assert on_air == ""
        assert seen.timeline.ahead_s < MOST_AHEAD_S


@pytest.mark.parametrize("seed", range(16))
def test_whatever_publishers_do_playlists_stay_whole(seed: int) -> None:
    story = Story(seed)
    for _ in range(STEPS):
        story.step()
    room = story.room
    if not room.newest["source"]:
        return
    allowed = len(story.room.switches) + story.takeovers + story.slates + 2 * story.silences
    for name in RENDITIONS:
        assert room.breaks(name) <= allowed
