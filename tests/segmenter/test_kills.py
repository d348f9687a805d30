"""Whenever publishers are killed, media times go on, or a discontinuity says that they do not.

Sound is copied and pictures are encoded, late by whatever a busy machine makes of it: the ladder
in which sound once jumped by 1.3 s within a segment (C2, D5).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.fmp4.checks import check_segment
from segmenter.fmp4.reader import read_fragments
from segmenter.media import Sample, Track
from segmenter.presentation import PresentationSettings
from segmenter.segment import Segment
from tests.segmenter.stage import AUDIO, SMALL, START, Stage, audio, renamed, video
from tests.segmenter.test_late_encoders import on_grid

HIGH = renamed(SMALL, "720p")
LADDER = ["720p", "360p"]
FPS = 10


@dataclass(frozen=True)
class Life:
    """One publisher's: tenths of a second."""

    seconds: int
    away: int
    late: int
    """How far the encoders are behind."""
    lost: int
    """Of what they still had when it died: never encoded."""


def tenths(least: int, most: int) -> st.SearchStrategy[int]:
    return st.integers(least, most)


GOOD = Life(60, 0, 3, 0)
lives = st.lists(
    st.builds(Life, tenths(3, 60), tenths(0, 30), tenths(0, 25), tenths(0, 25)),
    min_size=2,
    max_size=4,
)


def live(stage: Stage, life: Life, at: float) -> None:
    """From announcement to death; sound goes ahead until the encoders are open."""
    seconds, late_s = life.seconds / 10, life.late / 10
    marks = at > 0
    stage.start(AUDIO, expected=LADDER)
    sound = audio(at=at, seconds=seconds, breaks=marks)
    rungs = [
        on_grid(video(track, at=at, seconds=seconds, fps=FPS, breaks=marks))
        for track in (HIGH, SMALL)
    ]
    opened = min(late_s, seconds)
    until = int(opened * 48_000 / 1024)
    stage.push(sound[:until])
    stage.start(AUDIO, HIGH, SMALL, expected=LADDER)
    died_at = START + at + seconds
    before = [[s for s in rung if s.dts / 90_000 + late_s < died_at] for rung in rungs]
    late = dict.fromkeys(LADDER, late_s)
    stage.push(sound[until:], *before, late=late)
    stage.pause()
    kept = round(max(0, life.late - life.lost) / 10 * FPS)
    rest = [rung[len(sent) :][:kept] for rung, sent in zip(rungs, before, strict=True)]
    stage.push(*rest, late=late)


def written(stage: Stage, track: Track) -> list[tuple[Segment, list[Sample]]]:
    """Each segment that is no gap, and its samples, read from its bytes."""
    found = []
    for segment in stage.segments[track.name]:
        if segment.is_gap:
            continue
        data = stage.data[track.name, segment.name]
        # C3 looks into pictures, of which there are none here.
        assert [f for f in check_segment(data, track) if not f.startswith("C3")] == []
        found.append((segment, read_fragments(data, track)))
    return found


def end_of(sample: Sample) -> int:
    return sample.dts + sample.duration


def assert_times_go_on(stage: Stage, track: Track) -> None:
    segments = written(stage, track)
    gaps = stage.gaps(track.name)
    for segment, samples in segments:
        assert all(end_of(a) == b.dts for a, b in pairwise(samples)), "C2"
        assert segment.start == samples[0].dts, "D5"
        # Parts that have gone out cannot be stretched to where a gap begins.
        is_cut = segment.msn + 1 in gaps
        assert segment.end == end_of(samples[-1]) or is_cut, "D5"
    for (before, first), (after, second) in pairwise(segments):
        jump = second[0].dts - end_of(first[-1])
        assert jump >= 0
        is_told = after.discontinuity > before.discontinuity or after.msn > before.msn + 1
        assert jump == 0 or is_told, f"{track.name} jumps by {jump} ticks"


@settings(max_examples=25, deadline=None, derandomize=True)
@given(lives=lives, parts=st.sampled_from([0.0, 0.2]))
def test_whenever_publishers_are_killed_media_times_go_on(lives: list[Life], parts: float) -> None:
    stage = Stage(settings=PresentationSettings(part_duration_s=parts))
    at = 0.0
    for life in [*lives, GOOD]:
        live(stage, life, at)
        stage.wait(life.away / 10)
        at = max(stage.now - START, at + life.seconds / 10) + 0.05
    stage.wait(4)
    for track in (AUDIO, HIGH, SMALL):
        assert stage.segments[track.name]
        assert_times_go_on(stage, track)
    assert not stage.segments["audio"][-1].is_gap
