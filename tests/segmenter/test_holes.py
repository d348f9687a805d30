"""Media that were lost: what is written still has no hole in its times (CMAF, DASH)."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.codecs.silence import silence_of
from segmenter.fmp4.checks import check_segment
from segmenter.fmp4.reader import read_fragments
from segmenter.media import Sample, Track
from segmenter.presentation import PresentationSettings
from segmenter.segment import PartReady
from tests.segmenter.stage import AUDIO, OPUS, SOURCE, START, Stage, audio, video
from tests.segmenter.watched_stage import WatchedStage

UNFILLED = dataclasses.replace(AUDIO, codec_config=bytes.fromhex("2b098800"))
"""HE-AAC: nothing here says its silence."""
NO_PARTS = PresentationSettings(part_duration_s=0)


def without(samples: list[Sample], scale: int, *holes: tuple[float, float]) -> list[Sample]:
    """All but those which begin within one of the ``holes`` (seconds)."""

    def is_lost(sample: Sample) -> bool:
        at_s = sample.dts / scale - START
        return any(begin <= at_s < end for begin, end in holes)

    return [sample for sample in samples if not is_lost(sample)]


def written(stage: Stage, track: Track) -> list[Sample]:
    """All samples of a rendition, read from its segments, each of which is looked at."""
    found = []
    for segment in stage.segments[track.name]:
        if not segment.is_gap:
            data = stage.data[track.name, segment.name]
            faults = check_segment(data, track)
            assert [fault for fault in faults if not fault.startswith("C3")] == []  # a lost key
            found += read_fragments(data, track)
    return found


def assert_no_hole(stage: Stage, track: Track) -> None:
    samples = written(stage, track)
    assert all(a.dts + a.duration == b.dts for a, b in itertools.pairwise(samples))
    listed = stage.segments[track.name]
    assert all(one.end == two.start for one, two in itertools.pairwise(listed))


def test_sound_that_was_lost_within_a_segment_is_silence() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(), without(audio(), 48_000, (4.3, 5.6)))
    silence = silence_of(AUDIO)
    assert silence is not None
    assert_no_hole(stage, AUDIO)
    silent = [s.dts for s in written(stage, AUDIO) if s.data == silence.data]
    assert 59 <= len(silent) <= 62
    assert 4.25 < min(silent) / 48_000 - START < max(silent) / 48_000 - START < 5.6


def test_sound_that_was_lost_around_a_boundary_is_silence_in_both_segments() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(), without(audio(), 48_000, (3.2, 4.9)))
    assert_no_hole(stage, AUDIO)
    assert stage.gaps("audio") == []
    assert stage.numbers("audio") == stage.numbers("source")


def test_opus_has_a_silence_of_its_own() -> None:
    frames = [
        dataclasses.replace(s, dts=s.dts // 1024 * 960, pts=s.dts // 1024 * 960, duration=960)
        for s in audio(OPUS, seconds=1)
    ]
    begin = START * 48_000
    sound = [
        dataclasses.replace(frames[0], dts=begin + n * 960, pts=begin + n * 960) for n in range(400)
    ]
    stage = WatchedStage(SOURCE, OPUS)
    stage.push(video(), without(sound, 48_000, (4.3, 5.6)))
    assert_no_hole(stage, OPUS)


def test_parts_of_sound_stay_regular_over_a_loss() -> None:
    stage = Stage(SOURCE, AUDIO)
    stage.push(video(), without(audio(), 48_000, (4.3, 5.6)))
    parts = [e.part for e in stage.events if isinstance(e, PartReady) and e.rendition == "audio"]
    longest = stage.presentation.renditions["audio"].part_target_s * 48_000
    assert max(part.duration for part in parts) <= longest


def test_a_picture_after_a_loss_is_shown_from_its_beginning_on() -> None:
    stage = WatchedStage(SOURCE)
    stage.push(without(video(), 90_000, (4.5, 5.6)))
    assert_no_hole(stage, SOURCE)
    samples = written(stage, SOURCE)
    assert all(sample.pts == sample.dts for sample in samples)
    assert max(sample.duration for sample in samples) >= 1.0 * 90_000


seconds = st.integers(0, 90).map(lambda number: number / 10)
losses = st.lists(st.tuples(seconds, st.integers(1, 17).map(lambda n: n / 10)), max_size=5)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    of_sound=losses,
    of_pictures=losses,
    track=st.sampled_from([AUDIO, UNFILLED]),
    cutting=st.sampled_from([PresentationSettings(), NO_PARTS]),
)
def test_whatever_is_lost_no_segment_has_a_hole_in_its_times(
    of_sound: list[tuple[float, float]],
    of_pictures: list[tuple[float, float]],
    track: Track,
    cutting: PresentationSettings,
) -> None:
    stage = Stage(SOURCE, track, settings=cutting)
    pictures = [(at, at + length) for at, length in of_pictures]
    sounds = [(at, at + length) for at, length in of_sound]
    stage.push(
        without(video(seconds=10), 90_000, *pictures),
        without(audio(track, seconds=10), 48_000, *sounds),
    )
    stage.end()
    written(stage, SOURCE)
    written(stage, track)


def test_sound_lasts_as_long_as_the_picture_when_the_publisher_has_gone() -> None:
    """What comes next begins where the last of both ended; a hole before it stalls players."""
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=5), audio(seconds=4.92))
    stage.pause()
    ends = {name: stage.segments[name][-1].end / stage.scales[name] for name in stage.scales}
    assert 0 <= ends["source"] - ends["audio"] < 1024 / 48_000
    stage.push(video(at=5, seconds=4, breaks=True), audio(at=5, seconds=4, breaks=True))
    assert stage.gaps("audio") == []


def test_a_picture_that_ends_before_the_sound_is_left_alone() -> None:
    stage = WatchedStage(SOURCE, AUDIO)
    stage.push(video(seconds=4.8), audio(seconds=5))
    stage.pause()
    stage.wait(2)
    assert stage.segments["source"][-1].end / 90_000 - START == pytest.approx(4.8, abs=0.02)
