"""How long parts may be and are (RFC 8216bis 4.4.4.9): H12 of standards.md."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.media import VIDEO_TIMESCALE, Sample
from segmenter.part_target import choose_part_target_ms, longest_part_target_ms, suits
from segmenter.presentation import PresentationSettings
from segmenter.segment import PartReady
from tests.segmenter.stage import SOURCE, START, Stage

USUAL_RATES = [
    *(Fraction(rate) for rate in (10, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120)),
    *(Fraction(rate * 1000, 1001) for rate in (24, 30, 60, 120)),
]
AAC_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


@pytest.mark.parametrize("rate", USUAL_RATES)
def test_at_200_ms_one_target_suits_all_usual_frame_rates(rate: Fraction) -> None:
    assert choose_part_target_ms(0.2, 1 / rate) == 216


@pytest.mark.parametrize("rate", AAC_RATES)
def test_at_200_ms_the_same_target_suits_aac(rate: int) -> None:
    assert choose_part_target_ms(0.2, Fraction(1024, rate)) == 216


@given(
    part_duration_s=st.sampled_from([0.1, 0.2, 0.25, 0.333, 0.5, 1.0]),
    frame_s=st.fractions(Fraction(1, 240), Fraction(1)),
)
def test_whole_frames_fill_any_target_that_is_chosen(
    part_duration_s: float, frame_s: Fraction
) -> None:
    target_ms = choose_part_target_ms(part_duration_s, frame_s)
    frames = max(1, target_ms // (1000 * frame_s))
    assert frames * frame_s * 1000 <= target_ms
    if frame_s > Fraction(1, 30):  # below that the slack for jitter is no small part of a frame
        assert suits(target_ms, frame_s)
    if 1000 * frame_s <= 1000 * part_duration_s:
        assert target_ms <= longest_part_target_ms(part_duration_s)


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Frames of one rate."""

    rate: int
    frames: int


stretches = st.builds(
    Stretch, rate=st.sampled_from([10, 12, 15, 20, 24, 25, 30, 50, 60]), frames=st.integers(1, 150)
)


def frames_of(story: list[Stretch], *, in_milliseconds: bool, has_durations: bool) -> list[Sample]:
    starts = [Fraction(START)]
    for stretch in story:
        starts += [starts[-1] + Fraction(n + 1, stretch.rate) for n in range(stretch.frames)]
    unit = 1000 if in_milliseconds else VIDEO_TIMESCALE
    ticks = [round(start * unit) * (VIDEO_TIMESCALE // unit) for start in starts]
    return [
        Sample("source", dts, dts, bytes(10), n % 50 == 0, end - dts if has_durations else 0)
        for n, (dts, end) in enumerate(itertools.pairwise(ticks))
    ]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    story=st.lists(stretches, min_size=1, max_size=6),
    in_milliseconds=st.booleans(),
    has_durations=st.booleans(),
)
def test_h12_no_part_is_too_long_and_only_a_change_of_rate_makes_one_too_short(
    story: list[Stretch], in_milliseconds: bool, has_durations: bool
) -> None:
    stage = Stage(
        dataclasses.replace(SOURCE, frame_rate=Fraction(0)),
        settings=PresentationSettings(target_duration=4),
    )
    stage.push(frames_of(story, in_milliseconds=in_milliseconds, has_durations=has_durations))
    stage.pause()
    target_ms = stage.presentation.renditions["source"].part_target_ms
    longest = target_ms * VIDEO_TIMESCALE // 1000
    parts = [event.part for event in stage.events if isinstance(event, PartReady)]
    ends = list(itertools.accumulate(Fraction(s.frames, s.rate) for s in story))
    for part, following in itertools.pairwise(parts):
        assert part.duration <= longest or part.sample_count == 1
        begin = Fraction(part.start, VIDEO_TIMESCALE) - START
        end = begin + Fraction(target_ms, 1000)
        inside = next((n for n, until in enumerate(ends) if end <= until), None)
        if inside is None or (inside > 0 and begin < ends[inside - 1]):
            continue  # the rate changes, or the media end
        is_last = following.msn != part.msn
        if suits(target_ms, Fraction(1, story[inside].rate)) and not is_last:
            least = Fraction(85, 100) * target_ms * VIDEO_TIMESCALE / 1000
            assert part.duration >= least or part.is_independent
