"""Publishers' clocks that drift, pause and jump, for hours: media time keeps with ours."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

import pytest

from segmenter.audio_clock import DRIFT_LIMIT_MS
from segmenter.codecs.aac import write_audio_specific_config
from segmenter.drift import AHEAD_S, BEHIND_S, HOPELESS_S, DriftWatch, Verdict
from segmenter.media import Codec, Sample, Track
from segmenter.timeline import RTMP_CLOCK, Timeline

NOW = 1_800_000_000.0
HOUR_S = 3600
RATE = 8_000
FRAME_S = 0.2
"""Five frames and eight frames of sound each second, so that hours take a second."""
VIDEO = Track("source", Codec.H264, 90_000, b"\x01")
SOUND = Track(
    "audio", Codec.AAC, RATE, write_audio_specific_config(RATE, 2), sample_rate=RATE, channels=2
)


@dataclass
class Publisher:
    """Sends five frames each second, a key frame every two, and sound; by a clock of its own."""

    ppm: float = 0.0
    delay_s: Callable[[float], float] = lambda at_s: 0.0
    """How late what is captured at a moment arrives, seconds."""
    clock_s: Callable[[float], float] = lambda at_s: 0.0
    """What is added to its clock at a moment, seconds."""
    has_video: bool = True
    placed: list[Sample] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)

    def run(self, seconds: float) -> Publisher:
        tracks = [VIDEO, SOUND] if self.has_video else [SOUND]
        self.timeline.start(tracks, RTMP_CLOCK)
        last = 0.0
        for at_s, name, is_sync in self.captured(seconds):
            stamp = round((at_s * (1 + self.ppm / 1e6) + self.clock_s(at_s)) * 1000)
            last = max(last, at_s + self.delay_s(at_s))
            sample = Sample(name, stamp % (1 << 32), stamp % (1 << 32), b"x", is_sync)
            for one in self.timeline.push(sample, NOW + last):
                self.placed.append(one)
                self.arrivals.append(NOW + last)
        return self

    def captured(self, seconds: float) -> Iterator[tuple[float, str, bool]]:
        """By its encoder's crystal, which is the one that drifts: so many frames by its clock."""
        scale = 1 + self.ppm / 1e6
        frames = sounds = 0
        while True:
            frame_s, sound_s = frames * FRAME_S / scale, sounds * 1024 / RATE / scale
            if sound_s > seconds:
                return
            if self.has_video and frame_s <= sound_s:
                yield frame_s, "source", frames % 10 == 0
                frames += 1
            else:
                yield sound_s, "audio", True
                sounds += 1

    def ahead_s(self, name: str = "source") -> list[float]:
        """Media time minus arrival of each sample."""
        scale = 90_000 if name == "source" else RATE
        return [
            sample.dts / scale - arrival
            for sample, arrival in zip(self.placed, self.arrivals, strict=True)
            if sample.track == name
        ]

    def of(self, name: str) -> list[Sample]:
        return [sample for sample in self.placed if sample.track == name]

    @property
    def breaks(self) -> int:
        return sum(sample.discontinuity for sample in self.of("source"))

    def assert_rising(self) -> None:
        for name in ("source", "audio"):
            times = [sample.dts for sample in self.of(name)]
            assert all(a < b for a, b in itertools.pairwise(times))

    def assert_in_step(self) -> None:
        """Sound and picture of one moment stay together within what nobody notices."""
        pictures, sounds = self.ahead_s("source"), self.ahead_s("audio")
        apart_s = sounds[-1] - pictures[-1]
        assert abs(apart_s) * 1000 < DRIFT_LIMIT_MS + 1024 / RATE * 1000


@pytest.mark.parametrize(("ppm", "jitter_s"), [(200, 0.3), (-200, 0.0)])
def test_five_hours_of_drift_leave_media_time_with_the_clock(ppm: int, jitter_s: float) -> None:
    random = Random(1)
    publisher = Publisher(ppm, lambda at_s: random.uniform(0, jitter_s)).run(5 * HOUR_S)
    ahead = publisher.ahead_s()
    assert max(ahead) < AHEAD_S + 0.1
    assert min(ahead) > -BEHIND_S - 0.1 - jitter_s
    assert publisher.breaks == 0
    publisher.assert_rising()
    publisher.assert_in_step()
    steps = [b.dts - a.dts for a, b in itertools.pairwise(publisher.of("source"))]
    assert min(steps) > 0.99 * FRAME_S * 90_000 - 90
    assert max(steps) < 1.01 * FRAME_S * 90_000 + 90


@pytest.mark.parametrize("ppm", [200, -200])
def test_sound_alone_keeps_with_the_clock(ppm: int) -> None:
    publisher = Publisher(ppm, has_video=False).run(3 * HOUR_S)
    assert max(publisher.ahead_s("audio")) < AHEAD_S + 0.3
    assert min(publisher.ahead_s("audio")) > -BEHIND_S - 0.3


def test_an_ordinary_crystal_is_left_alone_for_an_hour() -> None:
    publisher = Publisher(20).run(HOUR_S)
    steps = {b.dts - a.dts for a, b in itertools.pairwise(publisher.of("source"))}
    assert steps == {18_000}
    counted = publisher.timeline.statistics()
    assert (counted.audio_holes, counted.audio_dropped) == (0, 0)


def test_bursts_of_ten_seconds_are_no_drift() -> None:
    publisher = Publisher(delay_s=lambda at_s: 10 - at_s % 10).run(HOUR_S)
    assert publisher.breaks == 0
    assert publisher.timeline.statistics().drift_s == pytest.approx(0, abs=0.1)
    steps = {b.dts - a.dts for a, b in itertools.pairwise(publisher.of("source"))}
    assert steps == {18_000}


def test_a_pause_that_is_made_up_for_is_no_drift() -> None:
    """The network stood still for five seconds in each minute; then everything came at once."""
    publisher = Publisher(delay_s=lambda at_s: max(0.0, 5 - at_s % 60)).run(HOUR_S)
    assert publisher.breaks == 0
    assert publisher.timeline.statistics().drift_s == pytest.approx(0, abs=0.1)


def test_a_clock_that_stood_still_costs_one_discontinuity_and_no_latency() -> None:
    publisher = Publisher(delay_s=lambda at_s: 0.0 if at_s < 600 else 5.0).run(HOUR_S)
    assert publisher.breaks == 1
    assert publisher.ahead_s()[-1] == pytest.approx(0, abs=0.3)
    publisher.assert_rising()
    publisher.assert_in_step()


@pytest.mark.parametrize("jump_s", [-7200.0, -30.0, 30.0, 7200.0])
def test_a_clock_that_jumps_costs_one_discontinuity_and_no_latency(jump_s: float) -> None:
    publisher = Publisher(clock_s=lambda at_s: 10_000 + (0 if at_s < 600 else jump_s)).run(1200)
    assert publisher.breaks == 1
    assert publisher.ahead_s()[-1] == pytest.approx(0, abs=0.3)
    publisher.assert_rising()
    publisher.assert_in_step()


def test_a_connection_that_catches_up_after_congestion_keeps_its_time() -> None:
    """Late by up to eight seconds, more and then less, over two minutes."""

    def congested(at_s: float) -> float:
        return max(0.0, 8 - abs(at_s % 600 - 300) / 15)

    publisher = Publisher(delay_s=congested).run(HOUR_S)
    assert publisher.breaks == 0


def test_a_file_pushed_faster_than_real_time_is_left_alone() -> None:
    watch = DriftWatch()
    moves = [watch.measure(n / 10, NOW + n / 10) for n in range(5000)]
    late = moves[600:]
    assert watch.drift_s > HOPELESS_S
    assert set(late[-100:]) == {0.0}
    assert watch.verdict is Verdict.FOLLOWS


def test_our_own_clock_set_back_is_no_reason_to_do_anything() -> None:
    watch = DriftWatch()
    for n in range(1000):
        watch.measure(0.0, NOW + n / 10)
    moves = {watch.measure(3600.0, NOW - 3600 + n / 10) for n in range(1000)}
    assert moves == {0.0}
    assert watch.verdict is Verdict.FOLLOWS


def test_our_own_clock_set_forward_is_followed() -> None:
    watch = DriftWatch()
    for n in range(1000):
        watch.measure(0.0, NOW + n / 10)
    for n in range(200):
        watch.measure(-3600.0, NOW + 3700 + n / 10)
    assert watch.verdict is Verdict.LOST
