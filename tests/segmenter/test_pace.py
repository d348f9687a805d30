"""H16 (RFC 8216bis 6.2.1): something new within 1.5 target durations, over a publisher's return."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest

from segmenter.presentation import PresentationSettings
from segmenter.segment import Event, PartReady, SegmentReady
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, START, Stage, audio, video
from tests.segmenter.test_late_encoders import HIGH, LADDER, on_grid

LATE = {"360p": 0.3, "720p": 0.3}
"""What an encoder takes."""
LISTING_S = 0.05
"""Frames are whole, so a segment is listed up to a frame after its end."""


class Pace(Stage):
    """Notes when each rendition got something new."""

    def __init__(self, settings: PresentationSettings) -> None:
        self.listed_at: dict[str, list[float]] = defaultdict(list)
        self.part_at: dict[str, list[float]] = defaultdict(list)
        super().__init__(settings=settings)

    def _record(self, events: list[Event]) -> list[Event]:
        for event in events:
            if isinstance(event, SegmentReady):
                self.listed_at[event.rendition].append(self.now)
            elif isinstance(event, PartReady):
                self.part_at[event.rendition].append(self.now)
        return super()._record(events)


def stand_still_s(moments: list[float]) -> float:
    return max(after - before for before, after in pairwise(moments))


def play(stage: Pace, died_s: float, away_s: float, *, copies: bool = True) -> None:
    """A publisher dies after so many seconds, another comes so much later, with a key frame."""
    stage.start(*((SOURCE, AUDIO, SMALL) if copies else (AUDIO, HIGH, SMALL)))
    send(stage, 0.0, died_s, copies=copies, breaks=False)
    stage.pause()
    stage.wait(max(0.0, START + died_s + away_s - stage.now))
    stage.start(*((SOURCE, AUDIO) if copies else (AUDIO,)), expected=LADDER)
    send(stage, died_s + away_s, 5.0, copies=copies, breaks=True)


def send(stage: Pace, at: float, seconds: float, *, copies: bool, breaks: bool) -> None:
    top, low = (video(t, at=at, seconds=seconds, breaks=breaks) for t in (HIGH, SMALL))
    if copies:
        top = video(at=at, seconds=seconds, breaks=breaks)
    else:
        top, low = on_grid(top), on_grid(low)
    stage.push(top, low, audio(at=at, seconds=seconds, breaks=breaks), late=LATE)


MOMENTS = pytest.mark.parametrize("died_s", [4.1, 5.5, 5.97])
PAUSES = pytest.mark.parametrize("away_s", [0.1, 0.5, 0.95])


@PAUSES
@MOMENTS
@pytest.mark.parametrize("copies", [True, False], ids=["copied", "encoded"])
def test_a_publisher_that_is_back_within_a_second_keeps_the_pace_of_segments(
    died_s: float, away_s: float, copies: bool
) -> None:
    stage = Pace(PresentationSettings())
    play(stage, died_s, away_s, copies=copies)
    target = stage.presentation.target_duration
    assert len(stage.listed_at) == 3
    for name, moments in stage.listed_at.items():
        assert stand_still_s(moments) <= 1.5 * target + LISTING_S, name


@PAUSES
@MOMENTS
def test_parts_stand_still_no_longer_than_the_publisher_was_away(
    died_s: float, away_s: float
) -> None:
    stage = Pace(PresentationSettings(part_duration_s=0.2))
    play(stage, died_s, away_s)
    for name, moments in stage.part_at.items():
        assert stand_still_s(moments) <= away_s + 0.4 + LATE.get(name, 0.0), name
