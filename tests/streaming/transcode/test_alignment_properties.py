"""Renditions begin their segments alike whatever key frames, rates and stamps there are, and lose
nothing on the way."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.fmp4.reader import read_fragments
from segmenter.media import Sample, Track
from segmenter.presentation import PresentationSettings
from segmenter.segment import Segment
from segmenter.source_clock import SourceClock
from segmenter.timeline import MPEG_TS_CLOCK, RTMP_CLOCK, Timeline
from tests.segmenter.low_latency_stage import LowLatencyStage
from tests.segmenter.stage import AUDIO, SOURCE, START, Stage, audio
from tests.segmenter.test_batches import GroupStage, group_sizes
from tests.streaming.transcode.test_alignment import encoded, gop_order


@dataclass(frozen=True)
class Rung:
    """An encoded one; ``late_s``: how long it takes."""

    divisor: int
    b_frames: int
    late_s: float


@dataclass(frozen=True)
class Story:
    """A publisher's picture, and what is made of it."""

    rate: Fraction
    is_known: bool
    """The source's track says its rate."""
    gops: list[int]
    """Key frames come after so many pictures."""
    b_frames: int
    clock: SourceClock
    rungs: dict[str, Rung]
    has_audio: bool

    @property
    def said_rate(self) -> Fraction:
        """0 where the track does not say it."""
        return self.rate if self.is_known else Fraction(0)

    @property
    def tracks(self) -> list[Track]:
        """All of the presentation."""
        rate = self.said_rate
        return [
            dataclasses.replace(SOURCE, frame_rate=rate),
            *(
                dataclasses.replace(SOURCE, name=name, frame_rate=rate / rung.divisor)
                for name, rung in self.rungs.items()
            ),
            *([AUDIO] if self.has_audio else []),
        ]

    @property
    def source(self) -> list[Sample]:
        """In media time, in decode order; closed GOPs."""
        timeline, scale = Timeline(0.0), self.clock.timescale
        timeline.start(self.tracks[:1], self.clock)
        firsts = [0, *itertools.accumulate(self.gops)]
        order: list[int] = []
        for first, last in itertools.pairwise(firsts):
            order += gop_order(first, last, self.b_frames)
        samples: list[Sample] = []
        for number, shown in enumerate(order):
            places = number, shown + (self.b_frames > 0)
            dts, pts = (round(scale * place / self.rate) for place in places)
            sample = Sample("source", dts, pts, bytes(50), shown in firsts)
            samples += timeline.push(sample, START + float(number / self.rate))
        return samples

    def streams(self, segment_s: float) -> list[list[Sample]]:
        """Of each track what there is."""
        source, rate = self.source, self.said_rate
        seconds = float(sum(self.gops) / self.rate)
        return [
            source,
            *(
                encoded(
                    source,
                    rate,
                    rung.divisor,
                    name=name,
                    b_frames=rung.b_frames,
                    segment_s=segment_s,
                )
                for name, rung in self.rungs.items()
            ),
            *([audio(at=float(2 / self.rate), seconds=seconds)] if self.has_audio else []),
        ]


rates = st.sampled_from(
    [
        *map(Fraction, (5, 10, 12, 15, 24, 25, 30, 48, 50, 60)),
        *(Fraction(thousands * 1000, 1001) for thousands in (24, 30, 60)),
    ]
)
steady_gops = st.builds(
    lambda gop, count: [gop] * max(2, min(count, 1500 // gop)),
    st.sampled_from([24, 25, 29, 30, 48, 49, 50, 51, 60, 100, 125, 250, 300, 700]),
    st.integers(3, 12),
)
any_gops = st.lists(
    st.one_of(st.integers(1, 130), st.integers(1, 700)), min_size=1, max_size=6
)  # fmt: skip
rungs = st.builds(
    Rung,
    divisor=st.integers(1, 3),
    b_frames=st.sampled_from([0, 0, 2]),
    late_s=st.sampled_from([0.0, 0.15, 0.8, 1.7]),
)
stories = st.builds(
    Story,
    rate=rates,
    is_known=st.booleans(),
    gops=st.one_of(steady_gops, any_gops),
    b_frames=st.integers(0, 4),
    clock=st.sampled_from([RTMP_CLOCK, RTMP_CLOCK, MPEG_TS_CLOCK]),
    rungs=st.dictionaries(st.sampled_from(["high", "low"]), rungs, min_size=1),
    has_audio=st.booleans(),
)
cuttings = st.builds(
    PresentationSettings,
    segment_duration_s=st.sampled_from([0.5, 1.0, 2.0, 2.0, 4.0]),
    part_duration_s=st.sampled_from([0.0, 0.2, 0.2, 0.5]),
    window_s=st.just(60.0),
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(story=stories, cutting=cuttings)
def test_whatever_is_encoded_begins_its_segments_where_the_source_does(
    story: Story, cutting: PresentationSettings
) -> None:
    stage = LowLatencyStage(*story.tracks, settings=cutting, apart_s=None)
    streams = story.streams(cutting.segment_duration_s)
    stage.push(*streams, late={name: rung.late_s for name, rung in story.rungs.items()})
    stage.wait(4)
    stage.end()
    assert stage.presentation.statistics().samples_dropped == 0
    for stream in streams:
        check_media(stage, stream)
    source = stage.segments["source"]
    for name, rung in story.rungs.items():
        # Its part may have gone out when a key frame came that nothing let expect.
        is_exact = rung.divisor == 1 or len(set(story.gops)) == 1 or not cutting.part_duration_s
        most = 0 if is_exact else rung.divisor * 90_000 / story.rate
        for one, other in zip(source, stage.segments[name], strict=True):
            assert one.msn == other.msn
            assert abs(one.start - other.start) <= most


def check_media(stage: Stage, stream: list[Sample]) -> None:
    """All samples are there, shown when they were to be, without a hole or an overlap."""
    name = stream[0].track
    segments = stage.segments[name]
    assert all(one.end == two.start for one, two in itertools.pairwise(segments))
    shown: list[int] = []
    for segment in segments:
        check_parts(segment)
        data = b"".join(stage.parts_of(name, segment.msn))
        samples = read_fragments(data, segment.init.track)
        ends = [sample.dts + sample.duration for sample in samples]
        assert all(sample.duration > 0 for sample in samples)
        assert [segment.start, *ends] == [*(sample.dts for sample in samples), segment.end]
        shown += [sample.pts for sample in samples]
    assert shown == [sample.pts for sample in stream]


def check_parts(segment: Segment) -> None:
    """They are all of it."""
    parts = segment.parts
    if parts:
        ends = [part.start + part.duration for part in parts]
        assert [segment.start, *ends] == [*(part.start for part in parts), segment.end]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    story=stories,
    cutting=cuttings,
    sizes=group_sizes,
    losses=st.lists(st.tuples(st.integers(0, 900), st.sampled_from([1, 2, 5, 40])), max_size=5),
)
def test_what_arrives_together_is_packaged_as_one_by_one(
    story: Story,
    cutting: PresentationSettings,
    sizes: list[int],
    losses: list[tuple[int, int]],
) -> None:
    streams = story.streams(cutting.segment_duration_s)
    for number, (at, count) in enumerate(losses):
        del streams[number % len(streams)][at : at + count]
    stages = [GroupStage(sizes, cutting, together=together) for together in (True, False)]
    for stage in stages:
        stage.start(*story.tracks)
        stage.push(*streams)
        stage.end()
    assert stages[0].events == stages[1].events
    assert stages[0].presentation.statistics() == stages[1].presentation.statistics()
