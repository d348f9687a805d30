"""Renditions of one path begin their segments on the same tick, whatever the source's key frames.

A source as RTMP brings it, in whole milliseconds, is copied; rungs have its pictures at their
times of showing, as `RungEncoder` gives them.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import deque
from fractions import Fraction

import pytest

from segmenter.media import Sample
from segmenter.timeline import RTMP_CLOCK, Timeline
from streaming.transcode.key_grid import FrameDivider, SourceKeys
from tests.segmenter.low_latency_stage import LowLatencyStage
from tests.segmenter.stage import SOURCE, START, Stage

NTSC = Fraction(30_000, 1001)
FILM = Fraction(24_000, 1001)
LATE_S = 0.15
SEGMENT_S = 2.0


def pushed(rate: Fraction, gop: int, b_frames: int, seconds: int) -> list[Sample]:
    """The source's samples in media time, in decode order; closed GOPs."""
    timeline = Timeline(0.0)
    timeline.start([dataclasses.replace(SOURCE, frame_rate=rate)], RTMP_CLOCK)
    samples: list[Sample] = []
    delay = 1 if b_frames else 0
    for number, shown in enumerate(decode_order(int(seconds * rate), gop, b_frames)):
        dts, pts = round(1000 * number / rate), round(1000 * (shown + delay) / rate)
        sample = Sample("source", dts, pts, bytes(1000), shown % gop == 0)
        samples += timeline.push(sample, START + dts / 1000)
    return samples


def decode_order(count: int, gop: int, b_frames: int) -> list[int]:
    """Pictures by their places in the order of showing."""
    order: list[int] = []
    for first in range(0, count, gop):
        order += gop_order(first, min(first + gop, count), b_frames)
    return order


def gop_order(first: int, last: int, b_frames: int) -> list[int]:
    """Those of one GOP."""
    order = [first]
    for before in range(first + 1, last, b_frames + 1):
        shown_last = min(before + b_frames, last - 1)
        order += [shown_last, *range(before, shown_last)]
    return order


def encoded(
    source: list[Sample],
    rate: Fraction,
    divisor: int,
    *,
    name: str,
    b_frames: int = 0,
    segment_s: float = SEGMENT_S,
) -> list[Sample]:
    """What a rung at ``1 / divisor`` of the source's rate has of it, as `LadderEncoder` and
    `RungEncoder` make it."""
    keys, divider = SourceKeys(segment_s), FrameDivider(divisor, rate)
    ahead = deque(sample.pts for sample in source if sample.is_sync)
    said = ticks(rate, divisor)
    kept: list[tuple[int, bool, bool]] = []
    for pts in sorted(sample.pts for sample in source):
        while ahead and ahead[0] <= pts:
            keys.source_key(ahead.popleft())
        is_key = keys.is_key(pts)
        if divider.keeps(pts, is_key):
            kept.append((pts, is_key, divisor == 1 or keys.is_clear(pts, said)))
    firsts = [n for n, (_, is_key, _) in enumerate(kept) if is_key]
    order: list[int] = []
    for first, last in itertools.pairwise([*firsts, len(kept)]):
        order += gop_order(first, last, b_frames)
    samples: list[Sample] = []
    for number, shown in enumerate(order):
        dts, _, lasts = kept[number]
        is_even = number > 0 and dts - kept[number - 1][0] == said
        pts, is_key, _ = kept[shown]
        duration = said if is_even and lasts else 0
        samples.append(Sample(name, dts, pts, bytes(30), is_key, duration))
    return samples


def ticks(rate: Fraction, divisor: int) -> int:
    """Of a frame, where that is a whole number; else 0."""
    frame = 90_000 * divisor / rate if rate else Fraction(0)
    return int(frame) if frame.denominator == 1 else 0


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("b_frames", [0, 2, 3])
@pytest.mark.parametrize(
    ("rate", "gop"),
    [
        (Fraction(30), 60), (Fraction(30), 900), (Fraction(25), 25), (Fraction(25), 1000),
        (Fraction(60), 1800), (Fraction(50), 250), (Fraction(24), 48), (Fraction(24), 480),
        (FILM, 48), (FILM, 250), (FILM, 700), (NTSC, 50), (NTSC, 250), (NTSC, 1000),
        (2 * NTSC, 250), (2 * NTSC, 1300), (Fraction(15), 500),
    ],
)  # fmt: skip
def test_segments_of_all_rungs_begin_on_the_same_tick(
    rate: Fraction, gop: int, b_frames: int, is_known: bool
) -> None:
    source = pushed(rate, gop, b_frames, seconds=45)
    said = rate if is_known else Fraction(0)
    names = {f"by{divisor}": divisor for divisor in (1, 2, 3)}
    rungs = {name: encoded(source, said, divisor, name=name) for name, divisor in names.items()}
    rates = {"source": said, **{name: said / divisor for name, divisor in names.items()}}
    stage = Stage(*(dataclasses.replace(SOURCE, name=n, frame_rate=r) for n, r in rates.items()))
    stage.push(source, *rungs.values(), late=dict.fromkeys(rungs, LATE_S))
    stage.wait(2)
    stage.pause()
    segments = stage.segments["source"][:-1]
    assert len(segments) >= 4
    for segment in segments:
        start = segment.start
        assert max((s.pts for s in source if s.dts < start), default=0) < start - 450
        assert min(s.pts for s in source if s.dts >= start) == pytest.approx(start, abs=90)
    for name in rungs:
        for segment, other in zip(segments, stage.segments[name], strict=False):
            assert (other.start, other.end) == (segment.start, segment.end), name
            assert other.is_independent >= segment.is_independent, name


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize(
    ("rate", "gop"),
    [(Fraction(30), 900), (Fraction(25), 1000), (Fraction(60), 1800), (FILM, 700), (NTSC, 1000)],
)
def test_parts_keep_their_length_where_segments_begin_between_two_pictures_of_a_rung(
    rate: Fraction, gop: int, b_frames: int
) -> None:
    source = pushed(rate, gop, b_frames, seconds=40)
    names = {f"by{divisor}": divisor for divisor in (1, 2, 3)}
    rungs = {name: encoded(source, rate, divisor, name=name) for name, divisor in names.items()}
    rates = {"source": rate, **{name: rate / divisor for name, divisor in names.items()}}
    tracks = (dataclasses.replace(SOURCE, name=n, frame_rate=r) for n, r in rates.items())
    stage = LowLatencyStage(*tracks, apart_s=None)
    stage.push(source, *rungs.values(), late=dict.fromkeys(rungs, LATE_S))
    stage.pause()
    assert len(stage.segments["by3"]) >= 4
    assert {name: watch.odd_parts for name, watch in stage.low_latency_watches.items()} == {
        name: [] for name in rates
    }
