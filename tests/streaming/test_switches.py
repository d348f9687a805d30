"""Switches seen from the playlists: publishers, backup and slate through a path and its origin.

No encoder and no process takes part; each story is told at several moments of the segment grid.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from random import Random

import pytest

from segmenter.media import Sample, Track
from segmenter.presentation import Presentation, PresentationSettings
from segmenter.segment import Event, PartReady
from segmenter.timeline import RTMP_CLOCK
from streaming.config_paths import PathConfig
from streaming.media_store import MediaStore
from streaming.on_air import Switch
from streaming.path import Path
from streaming.path_state import PathState
from streaming.pipeline import Pipeline
from streaming.publisher_slot import Rank, Slot
from streaming.shelf_feed import ShelfFeed
from streaming.slate.loop import SlateLoop, SlateStrip
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, START, renamed
from tests.streaming.test_path import FakePublisher

RENDITIONS = ("source", "audio")
TICK_S = 0.02
AAC_S = Fraction(1024, 48_000)
OTHER = renamed(SMALL, "source")
"""The same rendition in another size."""


def slate(video: Track = OTHER, gop_s: Fraction = Fraction(1)) -> SlateLoop:
    frames = tuple((b"slate", n == 0) for n in range(int(30 * gop_s)))
    sound = ((b"hush", True),) * 93
    return SlateLoop([SlateStrip(video, frames, Fraction(1, 30)), SlateStrip(AUDIO, sound, AAC_S)])


class Encoder:
    """Sends 30 frames each second and AAC by the clock; key frames each second of its own."""

    def __init__(
        self, room: Room, rank: Rank, video: Track = SOURCE, jitter_s: float = 0.0
    ) -> None:
        self.room = room
        self.video = video
        self.began = room.now
        self.counts = {"source": 0, "audio": 0}
        self.steps = {"source": Fraction(1, 30), "audio": AAC_S}
        self.is_silent = False
        self.jitter_s = jitter_s
        self.stamp_offset_s = 10_000.0
        path = room.path
        self.slot: Slot = path.occupy(FakePublisher(), "10.0.0.1:1", "rtmp", room.now, rank)
        path.set_tracks(self.slot, (video, AUDIO), RTMP_CLOCK, room.now)

    def send(self) -> None:
        """What is due, in the order of time."""
        room = self.room
        while not self.is_silent:
            name = min(self.counts, key=lambda one: self.counts[one] * self.steps[one])
            at_s = float(self.counts[name] * self.steps[name])
            late_s = room.random.uniform(0, self.jitter_s)
            if self.began + at_s + late_s > room.now:
                return
            is_sync = name == "audio" or self.counts[name] % 30 == 0
            stamp = round((at_s + self.stamp_offset_s) * 1000)
            sample = Sample(name, stamp, stamp, b"live", is_sync)
            room.path.write(self.slot, [sample], room.now)
            self.counts[name] += 1

    def fall_silent(self, seconds: float) -> None:
        """It captures nothing meanwhile, and its clock goes on."""
        self.is_silent = True
        self.room.run(seconds)
        for name in self.counts:
            missed = Fraction(self.room.now - self.began) / self.steps[name]
            self.counts[name] = max(self.counts[name], -(-int(missed) // 30 * 30))
        self.is_silent = False

    def vanish(self) -> None:
        self.room.path.leave(self.slot, "connection lost", self.room.now)
        self.room.encoders.remove(self)


class Room:
    """A path with its pipeline, and every playlist that viewers could have read."""

    def __init__(self, seed: int = 0, **settings: object) -> None:
        self.random = Random(seed)
        self.now = START + self.random.uniform(0, 4)
        config = PathConfig(ladder="copy", segment_duration_s=1, **settings)  # type: ignore[arg-type]
        self.switches: list[Switch] = []
        self.path = Path("live/a", config, self.now, lambda change: None, self.switches.append)
        self.feed = ShelfFeed(MediaStore())
        self.pipeline = Pipeline(self.path, self.feed, lambda name: 1.0, lambda: self.now)
        self.encoders: list[Encoder] = []
        self.newest: dict[str, int] = defaultdict(int)
        self.longest_wait_s = 0.0
        self.allows_gaps = False
        self._seen: dict[str, str] = {}
        self._changed_at = self.now
        self._ticks = 0

    def come(
        self, rank: Rank = Rank.PRIMARY, video: Track = SOURCE, jitter_s: float = 0.0
    ) -> Encoder:
        encoder = Encoder(self, rank, video, jitter_s)
        self.encoders.append(encoder)
        return encoder

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            self._ticks += 1
            for encoder in list(self.encoders):
                encoder.send()
            if self._ticks % 5 == 0:
                self.path.handle_timer(self.now)
                self.pipeline.handle_timer(self.now)
            self.path.run_slate(self.now)
            self._watch()

    def playlist(self, name: str) -> str:
        put = self.feed._current.get(f"/live/a/{name}/index.m3u8")
        return put.body.decode() if put else ""

    def numbers(self, name: str) -> list[int]:
        return [int(n) for n in re.findall(r"^(\d+)\.m4s$", self.playlist(name), re.M)]

    def breaks(self, name: str) -> int:
        return len(re.findall(r"^#EXT-X-DISCONTINUITY$", self.playlist(name), re.M))

    def _watch(self) -> None:
        for name in RENDITIONS:
            text = self.playlist(name)
            if text == self._seen.get(name, ""):
                continue
            self._seen[name] = text
            numbers = self.numbers(name)
            if not numbers:  # nothing but parts yet
                continue
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert numbers[-1] >= self.newest[name], "numbers only rise"
            if numbers[-1] > self.newest[name]:
                self.newest[name] = numbers[-1]
                if name == "source":
                    self._changed_at = self.now
            assert self.allows_gaps or "#EXT-X-GAP" not in text, text
        if self.newest["source"]:
            self.longest_wait_s = max(self.longest_wait_s, self.now - self._changed_at)

    def check(self, breaks: int) -> None:
        """All renditions alike, and the window long enough to hold all that happened."""
        for name in RENDITIONS:
            assert self.breaks(name) == breaks, self.playlist(name)
        newest = [self.numbers(name)[-1] for name in RENDITIONS]
        assert max(newest) - min(newest) <= 1, "none is left behind"
        durations = [float(s) for s in re.findall(r"EXTINF:([\d.]+)", self.playlist("source"))]
        assert max(durations) < 1.5


@pytest.mark.parametrize("seed", range(6))
def test_a_backup_takes_over_with_one_discontinuity_and_back_with_another(seed: int) -> None:
    room = Room(seed, backup_return_s=2)
    primary = room.come(jitter_s=0.05)
    room.run(room.random.uniform(0, 1))
    room.come(Rank.BACKUP, OTHER, jitter_s=0.05)
    room.run(3 + room.random.uniform(0, 1))
    room.longest_wait_s = 0.0
    primary.vanish()
    room.run(3)
    room.check(breaks=1)
    room.come()
    room.run(5 + room.random.uniform(0, 1))
    room.check(breaks=2)
    assert room.longest_wait_s < 1.6, "a segment's duration and a little"


@pytest.mark.parametrize("seed", range(6))
def test_a_stall_costs_viewers_two_seconds_at_most(seed: int) -> None:
    room = Room(seed)
    primary = room.come(jitter_s=0.05)
    room.run(room.random.uniform(0, 1))
    room.come(Rank.BACKUP, jitter_s=0.05)
    room.run(3 + room.random.uniform(0, 1))
    primary.is_silent = True
    room.run(4)
    room.check(breaks=1)
    assert room.longest_wait_s < 2.0 + 1.2, "the wait for the stall, and a segment's duration"


@pytest.mark.parametrize("seed", range(12))
def test_a_slate_covers_without_a_gap_and_goes_with_the_publishers_return(seed: int) -> None:
    room = Room(seed)
    primary = room.come(jitter_s=0.05)
    room.run(3 + room.random.uniform(0, 1))
    room.path.set_slate(slate(), room.now)
    primary.vanish()
    room.run(3 + room.random.uniform(0, 1))
    assert room.path.state is PathState.SLATE
    room.check(breaks=1)
    room.come(video=SOURCE if seed % 2 else OTHER, jitter_s=0.05)
    room.run(4)
    assert room.path.state is PathState.LIVE
    room.check(breaks=2)
    assert room.longest_wait_s < 1.6 + 0.6


@pytest.mark.parametrize("seed", range(6))
def test_a_slate_covers_for_a_publisher_that_pauses(seed: int) -> None:
    room = Room(seed)
    publisher = room.come(jitter_s=0.05)
    room.run(3 + room.random.uniform(0, 1))
    room.path.set_slate(slate(SOURCE), room.now)
    publisher.fall_silent(5)
    room.run(4)
    assert room.path.state is PathState.LIVE
    room.check(breaks=2)
    assert room.longest_wait_s < 2.0 + 1.2


@pytest.mark.parametrize("seed", range(6))
def test_a_slate_by_choice_costs_a_discontinuity_each_way(seed: int) -> None:
    room = Room(seed)
    room.come(jitter_s=0.05)
    room.run(3 + room.random.uniform(0, 1))
    room.path.set_slate(slate(), room.now)
    room.path.choose(Rank.SLATE, room.now)
    room.run(4 + room.random.uniform(0, 1))
    room.path.choose(None, room.now)
    room.run(4)
    room.check(breaks=2)
    assert room.longest_wait_s < 1.6


def test_a_slate_before_the_first_publisher_is_live() -> None:
    room = Room(slate="card", slate_always=True)
    room.path.set_slate(slate(), room.now)
    room.run(4)
    assert len(room.numbers("source")) >= 3
    room.come()
    room.run(3)
    room.check(breaks=1)


class PartClock:
    """A reader that packages and notes when each part of a rendition was ready."""

    def __init__(self) -> None:
        self.presentation = Presentation(PresentationSettings(1.0, 0.2))
        self.parts: list[tuple[float, PartReady]] = []

    def set_tracks(self, tracks: Sequence[Track], now_utc: float) -> None:
        self._note(self.presentation.start(tracks), now_utc)

    def set_layers(self, tracks: Sequence[Track], now_utc: float) -> None:
        self.set_tracks(tracks, now_utc)

    def write(self, samples: list[Sample], now_utc: float) -> None:
        for sample in samples:
            self._note(self.presentation.push(sample, now_utc), now_utc)

    def is_drained(self, now_utc: float) -> bool:
        return True

    def pause(self, now_utc: float) -> None:
        self._note(self.presentation.pause(now_utc), now_utc)

    def end(self, now_utc: float) -> None:
        self._note(self.presentation.end(now_utc), now_utc)

    def _note(self, events: list[Event], now_utc: float) -> None:
        self.parts += [(now_utc, event) for event in events if isinstance(event, PartReady)]

    def waits_s(self, name: str, since_utc: float) -> list[float]:
        times = [at for at, event in self.parts if event.rendition == name and at >= since_utc]
        return [after - before for before, after in itertools.pairwise(times)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", RENDITIONS)
def test_parts_go_on_at_their_pace_while_the_slate_covers(seed: int, name: str) -> None:
    room = Room(seed)
    clock = PartClock()
    room.path.readers.append(clock)
    primary = room.come()
    room.run(3 + room.random.uniform(0, 1))
    room.path.set_slate(slate(), room.now)
    primary.vanish()
    away_utc = room.now
    room.run(4 + room.random.uniform(0, 1))
    room.come()
    room.run(3)
    waits_s = clock.waits_s(name, away_utc - 0.5)
    assert max(waits_s) < 0.3 + 0.1 + 0.2 + 0.1, "slate_after_s, a timer, a part and a little"
    assert sorted(waits_s)[-2] < 0.2 + 0.1, "all others at real time"
