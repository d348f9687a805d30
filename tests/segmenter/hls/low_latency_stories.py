"""Publishers whose low-latency playlists tests look at."""

from __future__ import annotations

import functools

from segmenter.presentation import PresentationSettings
from tests.segmenter.low_latency_stage import LowLatencyStage
from tests.segmenter.stage import (
    AUDIO,
    SMALL,
    SOURCE,
    audio,
    video,
)

NAMES = ("source", "360p", "audio")


def staged(seconds: float = 60, **cutting: float) -> LowLatencyStage:
    stage = LowLatencyStage(SOURCE, SMALL, AUDIO, settings=PresentationSettings(**cutting))
    stage.push(video(seconds=seconds), video(SMALL, seconds=seconds), audio(seconds=seconds))
    return stage


@functools.cache
def half_a_minute() -> LowLatencyStage:
    """For those that only look."""
    return staged(29)


def returned(after: float = 8, went: float = 27) -> LowLatencyStage:
    """A publisher that went after 27 s, in the middle of a segment, and was back 4.3 s later."""
    stage = staged(went)
    stage.pause()
    stage.wait(4)
    rungs = [video(t, at=went + 4.3, seconds=after, breaks=True) for t in (SOURCE, SMALL)]
    stage.push(*rungs, audio(at=went + 4.3, seconds=after, breaks=True))
    return stage


def full(stage: LowLatencyStage, name: str = "source") -> str:
    return stage.rendered[name].full.decode()
