"""Samples pushed together come out as if they had been pushed one by one.

With the C extension this holds it against the Python, which is its specification: what arrives
together is what C looks at, ``push`` is Python alone.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from fractions import Fraction
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.errors import MediaError
from segmenter.media import Codec, Sample, Track
from segmenter.presentation import PresentationSettings
from segmenter.segment import Event
from segmenter.timeline import RTMP_CLOCK, Timeline
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, Stage, audio, video
from tests.segmenter.test_presentation_properties import Scene, cuts, play, scenes
from tests.segmenter.test_timeline_properties import NOW, Publisher, any_publishers, sent

thorough = settings(max_examples=80, deadline=None, derandomize=True)
group_sizes = st.lists(st.sampled_from([1, 1, 2, 3, 5, 40, 200]), min_size=1, max_size=6)


T = TypeVar("T")


def in_groups(items: list[T], sizes: list[int]) -> list[list[T]]:
    """`items` in runs of `sizes`, over and over."""
    left = iter(items)
    groups = (list(itertools.islice(left, size)) for size in itertools.cycle(sizes))
    return list(itertools.takewhile(bool, groups))


# -- the timeline -------------------------------------------------------------------------------


def place(story: list[Publisher], sizes: list[int], *, together: bool) -> tuple[list[Sample], str]:
    """All that comes out of a timeline, and what it says of itself in the end."""
    timeline, out, now = Timeline(), list[Sample](), NOW
    for publisher in story:
        now += publisher.away_s
        timeline.start(publisher.tracks, publisher.clock, continues=publisher.continues)
        arrival = 0.0
        for group in in_groups(list(sent(publisher)), sizes):
            arrival = group[-1][1]
            samples = [sample for sample, _ in group]
            if together:
                timeline.push_all(samples, now + arrival, out)
            else:
                for sample in samples:
                    out += timeline.push(sample, now + arrival)
        if not publisher.continues:
            out += timeline.flush()
        now += arrival
    return out, repr(timeline.statistics())


@thorough
@given(story=any_publishers, sizes=group_sizes)
def test_samples_placed_together_are_placed_as_one_by_one(
    story: list[Publisher], sizes: list[int]
) -> None:
    assert place(story, sizes, together=True) == place(story, sizes, together=False)


def steady(seconds: int, pace: float, stop_s: float) -> list[tuple[Sample, float]]:
    """Video and audio in RTMP's time, arriving at `pace`; the clock stands still once."""
    frames = [("source", n * 40, not n % 25) for n in range(seconds * 25)]
    sound = [("audio", n * 1024 * 1000 // 48_000, True) for n in range(seconds * 375 // 8)]
    ordered = sorted(frames + sound, key=lambda frame: frame[1])
    return [
        (
            Sample(track, time, time, b"x", is_sync),
            time / 1000 * pace + (stop_s if time > 400 * seconds else 0.0),
        )
        for track, time, is_sync in ordered
    ]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    pace=st.sampled_from([1.0, 0.95, 1.02, 1.05]),
    stop_s=st.sampled_from([0.0, 0.4, 2.5]),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_samples_of_a_drifting_clock_are_placed_together_as_one_by_one(
    pace: float, stop_s: float, sizes: list[int]
) -> None:
    config = bytes.fromhex("1190")
    tracks = [
        Track("source", Codec.H264, 90_000, b"\x01"),
        Track("audio", Codec.AAC, 48_000, config),
    ]
    results = []
    for together in (True, False):
        timeline, out = Timeline(), list[Sample]()
        timeline.start(tracks, RTMP_CLOCK)
        for group in in_groups(steady(50, pace, stop_s), sizes):
            now = NOW + group[-1][1]
            if together:
                timeline.push_all([sample for sample, _ in group], now, out)
            else:
                for sample, _ in group:
                    out += timeline.push(sample, now)
        results.append((out, repr(timeline.statistics())))
    assert results[0] == results[1]
    said = timeline.statistics()
    assert pace == 1.0 or said.drift_s or said.lost_clocks


stamps = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.sampled_from([0, 40, 80, -(1 << 63), (1 << 63) - 1, 1 << 62, 1 << 32, (1 << 32) - 1]),
)


@thorough
@given(
    hostile=st.lists(
        st.tuples(st.sampled_from(["source", "audio"]), stamps, stamps, st.booleans(), stamps),
        max_size=12,
    ),
    rate=st.sampled_from([1, 44_100, 48_000, (1 << 24) - 1]),
)
def test_stamps_beyond_all_reason_are_placed_together_as_one_by_one(
    hostile: list[tuple[str, int, int, bool, int]], rate: int
) -> None:
    tracks = [
        Track("source", Codec.H264, 90_000, b"\x01"),
        Track("audio", Codec.AAC, rate, b"\x11\x90"),
    ]
    usual = [
        Sample(track, 40 * n, 40 * n, b"x", True) for n in range(4) for track in ("source", "audio")
    ]
    samples = usual + [
        Sample(track, dts, pts, b"x", is_sync, duration if track == "audio" else 0)
        for track, dts, pts, is_sync, duration in hostile
    ]
    results = []
    for together in (True, False):
        timeline, out = Timeline(), list[Sample]()
        timeline.start(tracks, RTMP_CLOCK)
        outcome = ""
        try:
            if together:
                timeline.push_all(samples, NOW, out)
            else:
                for sample in samples:
                    out += timeline.push(sample, NOW)
        except (MediaError, OverflowError) as error:
            outcome = type(error).__name__
        results.append((out, outcome, outcome or repr(timeline.statistics())))
    assert results[0] == results[1]


# -- the presentation ---------------------------------------------------------------------------


class GroupStage(Stage):
    """Samples arrive in groups, and are pushed together or one by one."""

    def __init__(self, sizes: list[int], cutting: PresentationSettings, *, together: bool) -> None:
        super().__init__(settings=cutting)
        self._sizes = sizes
        self._together = together

    def push(self, *streams: Iterable[Sample]) -> list[Event]:
        samples = [sample for stream in streams for sample in stream]
        samples.sort(key=lambda sample: Fraction(sample.dts, self.scales[sample.track]))
        self.arrive(samples)
        return []

    def arrive(self, samples: list[Sample]) -> None:
        for group in in_groups(samples, self._sizes):
            end = max((s.dts + s.duration) / self.scales[s.track] for s in group)
            while self._timer_at <= end:
                self._tick(self._timer_at)
            self.now = max(self.now, end)
            if self._together:
                self._record(self.presentation.push_all(group, self.now))
            else:
                for sample in group:
                    self._record(self.presentation.push(sample, self.now))


def tell(
    story: list[Scene], cutting: PresentationSettings, sizes: list[int], *, together: bool
) -> GroupStage:
    stage = GroupStage(sizes, cutting, together=together)
    at = 0.0
    for number, scene in enumerate(story):
        at += scene.before_s
        play(stage, scene, at, is_first=number == 0)
        at += scene.seconds
    stage.wait(3)
    stage.end()
    return stage


@settings(max_examples=120, deadline=None, derandomize=True)
@given(story=st.lists(scenes, min_size=1, max_size=4), cutting=cuts, sizes=group_sizes)
def test_samples_packaged_together_are_packaged_as_one_by_one(
    story: list[Scene], cutting: PresentationSettings, sizes: list[int]
) -> None:
    one = tell(story, cutting, sizes, together=False)
    all_ = tell(story, cutting, sizes, together=True)
    assert all_.events == one.events
    assert all_.presentation.statistics() == one.presentation.statistics()


troubles = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(["back", "ahead", "mark", "long", "short", "lost"]),
        st.sampled_from([1, 900, 3_000, 90_000, 300_000]),
    ),
    max_size=6,
)


def troubled(samples: list[Sample], wrongs: list[tuple[int, str, int]]) -> list[Sample]:
    """Samples as no timeline would give them."""
    out = list(samples)
    for at, kind, ticks in wrongs:
        if at >= len(out):
            continue
        sample = out[at]
        if kind in ("back", "ahead"):
            moved = ticks if kind == "ahead" else -ticks
            out[at] = dataclasses.replace(sample, dts=sample.dts + moved, pts=sample.pts + moved)
        elif kind in ("long", "short"):
            longer = ticks if kind == "long" else -ticks
            out[at] = dataclasses.replace(sample, duration=max(0, sample.duration + longer))
        elif kind == "mark":
            out[at] = dataclasses.replace(sample, discontinuity=True)
        else:
            del out[at : at + ticks // 900]
    return out


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    lag=st.integers(0, 40),
    sizes=group_sizes,
    part_duration_s=st.sampled_from([0.0, 0.2]),
    has_durations=st.booleans(),
    wrongs=troubles,
    has_video=st.booleans(),
)
def test_tracks_that_lag_and_stumble_are_packaged_together_as_one_by_one(
    lag: int,
    sizes: list[int],
    part_duration_s: float,
    has_durations: bool,
    wrongs: list[tuple[int, str, int]],
    has_video: bool,
) -> None:
    streams = [video(SOURCE, seconds=7), video(SMALL, seconds=7), audio(seconds=7)]
    if not has_video:
        streams = [[], [], streams[2]]
    if not has_durations:
        streams = [[dataclasses.replace(s, duration=0) for s in stream] for stream in streams]
    source, small, sound = streams
    late = [b for a in itertools.zip_longest(source, [None] * lag + small, sound) for b in a if b]
    stages = [
        GroupStage(sizes, PresentationSettings(part_duration_s=part_duration_s), together=together)
        for together in (True, False)
    ]
    for stage in stages:
        stage.start(*([SOURCE, SMALL] if has_video else []), AUDIO)
        stage.arrive(troubled(late, wrongs))
        stage.end()
    assert stages[0].events == stages[1].events
    assert stages[0].presentation.statistics() == stages[1].presentation.statistics()
