"""Whatever publishers, encoders and networks do, every playlist and manifest keeps every rule.

The watched stage does the judging, after each event; here are only the troubles it is put to.
"""

from __future__ import annotations

import dataclasses
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.media import Sample
from segmenter.presentation import PresentationSettings
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, Stage, audio, renamed, video
from tests.segmenter.watched_stage import WatchedStage


@dataclasses.dataclass(frozen=True)
class Scene:
    """A stretch of one publisher's media, and what goes wrong in it."""

    before_s: float
    """Nothing arrives for this long before it."""
    seconds: float
    gop: int
    fps: int
    is_new_publisher: bool
    is_paused: bool
    is_killed: bool
    """The origin goes before it, and begins anew with what it had kept."""
    has_other_size: bool
    has_video: bool
    has_audio: bool
    rung_s: float
    """How much of it the rung encodes."""
    lost: tuple[float, float]
    """What is lost of the source's video, as fractions of the scene."""
    has_durations: bool


tenths = st.integers(1, 70).map(lambda number: number / 10)
fractions = st.floats(0, 1, allow_nan=False).map(lambda number: round(number, 2))
scenes = st.builds(
    Scene,
    before_s=st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.7, 3.1, 9.0, 45.0]),
    seconds=tenths,
    gop=st.sampled_from([1, 15, 29, 30, 48, 60, 61, 120, 300]),
    fps=st.sampled_from([5, 24, 25, 30, 60]),
    is_new_publisher=st.booleans(),
    is_paused=st.booleans(),
    is_killed=st.sampled_from([False, False, False, True]),
    has_other_size=st.sampled_from([False, False, True]),
    has_video=st.sampled_from([True, True, True, False]),
    has_audio=st.sampled_from([True, True, True, False]),
    rung_s=tenths,
    lost=st.sampled_from([(1.0, 1.0), (1.0, 1.0), (0.3, 0.5), (0.0, 0.4)]),
    has_durations=st.booleans(),
)
cuts = st.builds(
    PresentationSettings,
    segment_duration_s=st.sampled_from([0.5, 1.0, 2.0, 2.0, 3.5]),
    part_duration_s=st.sampled_from([0.0, 0.2, 0.5]),
    window_s=st.sampled_from([6.0, 10.0, 30.0]),
    window_bytes=st.sampled_from([40_000, 1 << 30]),
)


def play(stage: Stage, scene: Scene, at: float, *, is_first: bool) -> None:
    """Bring one scene on the stage."""
    breaks = not is_first and (scene.is_new_publisher or scene.has_other_size or scene.is_killed)
    if breaks and scene.is_paused:
        stage.pause()
    if breaks and scene.is_killed:
        stage.kill()
    stage.wait(scene.before_s)
    source = renamed(SMALL, "source") if scene.has_other_size else SOURCE
    if breaks or is_first:
        stage.start(source, SMALL, AUDIO)
    streams: list[list[Sample]] = []
    if scene.has_video:
        begin, end = (fraction * scene.seconds for fraction in scene.lost)
        frames = video(
            source, at=at, seconds=scene.seconds, gop=scene.gop, fps=scene.fps, breaks=breaks
        )
        first = frames[0].dts if frames else 0
        streams.append([s for s in frames if not begin <= (s.dts - first) / 90_000 < end])
        rung = min(scene.rung_s, scene.seconds)
        streams.append(
            video(SMALL, at=at, seconds=rung, gop=scene.gop, fps=scene.fps, breaks=breaks)
        )
    if scene.has_audio:
        streams.append(audio(at=at, seconds=scene.seconds, breaks=breaks))
    if not scene.has_durations:
        streams = [[dataclasses.replace(s, duration=0) for s in stream] for stream in streams]
    stage.push(*streams)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(story=st.lists(scenes, min_size=1, max_size=6), cutting=cuts)
def test_no_story_breaks_a_rule_of_any_playlist_or_manifest(
    story: list[Scene], cutting: PresentationSettings
) -> None:
    stage = WatchedStage(settings=cutting, apart_s=None)
    at = 0.0
    for number, scene in enumerate(story):
        at += scene.before_s
        play(stage, scene, at, is_first=number == 0)
        at += scene.seconds
    stage.wait(3)
    stage.end()
    for name in stage.segments:
        numbers = stage.numbers(name)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    gops=st.lists(st.integers(1, 200), min_size=3, max_size=12),
    fps=st.sampled_from([24, 25, 30, 50]),
    duration=st.sampled_from([1.0, 2.0, 4.0]),
)
def test_any_rhythm_of_key_frames_is_cut_into_aligned_contiguous_segments(
    gops: list[int], fps: int, duration: float
) -> None:
    cutting = PresentationSettings(segment_duration_s=duration)
    stage = WatchedStage(SOURCE, SMALL, AUDIO, settings=cutting, apart_s=1024 / 48_000)
    total = sum(gops)
    keys = {sum(gops[:index]) for index in range(len(gops))}
    streams = []
    for track in (SOURCE, SMALL):
        frames = video(track, seconds=total / fps, fps=fps)
        streams.append([dataclasses.replace(s, is_sync=n in keys) for n, s in enumerate(frames)])
    stage.push(*streams, audio(seconds=total / fps))
    stage.pause()
    source, rung = stage.segments["source"], stage.segments["360p"]
    assert [(s.msn, s.start, s.duration) for s in source] == [
        (s.msn, s.start, s.duration) for s in rung
    ]
    assert sum(s.sample_count for s in source) == total
    assert all(one.end == two.start for one, two in itertools.pairwise(source))
    assert stage.presentation.is_independent == all(s.is_independent for s in source)
    assert stage.presentation.statistics().samples_dropped == 0
