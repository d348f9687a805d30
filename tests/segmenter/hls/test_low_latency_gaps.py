"""Parts that come in time, and those that never come."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

import pytest

from segmenter.fmp4.reader import read_fragments
from segmenter.hls.directives import Answer, Wait, decide, recheck
from segmenter.hls.live_playlists import LivePlaylists
from segmenter.hls.rendered_playlist import Skip
from segmenter.segment import PartReady, SegmentReady
from tests.segmenter.hls.low_latency_text import parse
from tests.segmenter.low_latency_stage import LowLatencyStage
from tests.segmenter.stage import (
    AUDIO,
    SMALL,
    SOURCE,
    START,
    Stage,
    audio,
    interleaved,
    video,
)


@pytest.mark.parametrize("settled", [True, False], ids=["lengths told", "lengths unknown"])
@pytest.mark.parametrize("fps", [24, 25, 30, 60])
def test_h16_parts_and_segments_come_in_time(fps: int, settled: bool) -> None:
    stage = LowLatencyStage(dataclasses.replace(SOURCE, frame_rate=Fraction(fps)), AUDIO)
    frames = video(seconds=20, fps=fps, gop=2 * fps)
    if not settled:
        frames = [dataclasses.replace(f, duration=0) for f in frames]
    came: dict[tuple[type, str], list[float]] = {}
    for sample in interleaved(frames, audio(seconds=20)):
        for event in stage.push([sample]):
            if isinstance(event, PartReady | SegmentReady):
                came.setdefault((type(event), event.rendition), []).append(stage.now)
    for name in ("source", "audio"):
        playlist = stage.low_latency[name]
        for kind, limit_s in (
            (PartReady, float(playlist.part_target)),
            (SegmentReady, 1.5 * playlist.target_duration),
        ):
            waits_s = [after - before for before, after in itertools.pairwise(came[kind, name])]
            # Where a segment ends is known with the next frame of the video.
            assert max(waits_s) <= limit_s + 1 / fps, (kind, name)


def test_h16_a_segment_that_lost_a_part_is_a_gap_that_still_lists_the_parts_it_had() -> None:
    stage = Stage(SOURCE)
    live = LivePlaylists(stage.presentation, low_latency=True)
    frames = video(seconds=11)
    stage.push(frames[:250])
    live.render(["source"])
    events = stage.push(frames[250:255])
    (lost,) = [event.part for event in events if isinstance(event, PartReady)]
    stage.presentation.lose("source", lost)
    before = live.render(["source"])["source"]
    opened = parse(before.full).opened
    assert opened is not None
    assert [part.is_gap for part in opened.parts] == [False] * lost.index + [True]
    assert before.state.hint == f"{lost.msn + 1}.0.m4s", "no part of it will come"
    stage.push(frames[255:])
    after = live.render(["source"])["source"]
    segment = parse(after.full).segments[-1]
    assert segment.is_gap
    assert segment.parts[: len(opened.parts)] == opened.parts
    assert all(part.is_gap for part in segment.parts[lost.index :])
    assert sum(part.duration for part in segment.parts) == 2
    assert after.state.last_parts == len(segment.parts) == 10


def test_h16_waiters_for_a_part_that_was_lost_are_answered_when_it_would_have_come() -> None:
    stage = Stage(SOURCE)
    live = LivePlaylists(stage.presentation, low_latency=True)
    frames = video(seconds=11)
    stage.push(frames[:250])
    state = live.render(["source"])["source"].state
    waiting = decide(f"_HLS_msn={state.last_msn + 1}&_HLS_part={state.open_parts}", state)
    assert isinstance(waiting, Wait)
    (lost,) = [e.part for e in stage.push(frames[250:255]) if isinstance(e, PartReady)]
    stage.presentation.lose("source", lost)
    state = live.render(["source"])["source"].state
    assert recheck(waiting.until, state, Skip.NO) == Answer(Skip.NO)


def held(seconds: float, *, settled: bool) -> LowLatencyStage:
    """A publisher that captured nothing for three seconds from then on, with its frames' lengths
    known or not."""
    stage = LowLatencyStage(SOURCE, AUDIO, apart_s=None)
    frames = video(seconds=20)
    paused = [f for f in frames if not seconds <= f.dts / 90_000 - START < seconds + 3]
    if not settled:
        paused = [dataclasses.replace(f, duration=0) for f in paused]
    stage.push(paused, audio(seconds=20))
    return stage


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("seconds", [8.3, 8.9, 9.4])
def test_h16_what_a_publisher_did_not_capture_is_told_as_parts_that_are_not_there(
    seconds: float, settled: bool
) -> None:
    stage = held(seconds, settled=settled)
    watch = stage.low_latency_watches["source"]
    segments = {s.msn: s for s in stage.segments["source"]}
    short = next(s for s in segments.values() if any(part.is_gap for part in s.parts))
    media = [part for part in short.parts if not part.is_gap]
    assert short.starts_discontinuity is False
    assert [part.is_gap for part in short.parts] == sorted(part.is_gap for part in short.parts)
    assert sum(part.duration for part in short.parts) == short.duration
    assert sum(part.size_bytes for part in media) == short.size_bytes > 0
    gaps = stage.gaps("source")
    assert gaps == [short.msn + 1 + index for index in range(len(gaps))]
    assert watch.odd_parts == [], "H12"
    assert any(b"GAP=YES" in versions.full for versions in stage.history["source"])


def test_h16_a_frame_that_stands_over_what_is_missing_leaves_no_hole_in_the_media() -> None:
    stage = held(8.3, settled=False)
    short = next(s for s in stage.segments["source"] if any(part.is_gap for part in s.parts))
    *_, last = read_fragments(stage.data["source", short.name], SOURCE)
    assert last.dts + last.duration == short.end


def test_h16_an_encoder_that_was_lost_leaves_parts_that_are_not_there_and_then_gaps() -> None:
    stage = LowLatencyStage(SOURCE, SMALL)
    stage.push(video(seconds=14), video(SMALL, seconds=7))
    last = [s for s in stage.segments["360p"] if not s.is_gap][-1]
    assert [part.is_gap for part in last.parts] == [False] * 5 + [True] * 5
    assert stage.gaps("360p")
    assert stage.low_latency_watches["360p"].odd_parts == [], "H12"
