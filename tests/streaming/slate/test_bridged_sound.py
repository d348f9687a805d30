"""Sound that is encoded, bridged."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from segmenter.media import Sample
from streaming.slate.bridge import LadderBridge
from streaming.slate.bridge_outcome import Outcome
from tests.segmenter.stage import OPUS, START
from tests.streaming.slate.bridge_scene import LOUD, SEGMENT_S, SOUND, sound_strip

AAC = 1024


class SoundScene:
    """The same for encoded sound alone: Opus in, AAC out, later by `lag` samples."""

    def __init__(self) -> None:
        self.bridge = LadderBridge(SEGMENT_S)
        self.bridge.follow(replace(LOUD, rungs=()), (OPUS,), is_away=False)
        self.out: list[Sample] = []
        self.at = START * 48_000
        self.next = self.at
        self.runs = True
        self.lag = 1920
        self.obey(self.bridge.set_encoded((SOUND,)))
        self.bridge.set_strips([sound_strip()])

    def obey(self, outcome: Outcome) -> None:
        self.out += [one for one in outcome if isinstance(one, Sample)]

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds * 50)):
            source = Sample(OPUS.name, self.at, self.at, b"opus", True, 960)
            self.obey(self.bridge.push_source(source))
            self.at += 960
            while self.runs and self.next + AAC <= self.at - self.lag:
                sample = Sample("audio_aac", self.next, self.next, b"live", True, AAC)
                self.next += AAC
                self.obey(self.bridge.push_encoded(sample))


@pytest.mark.parametrize("lag", [960, 1920, 4800])
def test_sound_that_is_encoded_is_bridged_and_back_within_half_a_frame(lag: int) -> None:
    scene = SoundScene()
    scene.run(2)
    scene.runs = False
    scene.bridge.worker_lost()
    scene.run(1)
    scene.runs, scene.next, scene.lag = True, scene.at - 10_000, lag
    scene.obey(scene.bridge.set_encoded((SOUND,)))
    scene.run(1)
    assert not scene.bridge.is_active
    steps = [b.dts - a.dts for a, b in pairwise(scene.out)]
    assert all(abs(step - AAC) <= AAC // 2 for step in steps)
    assert sum(step != AAC for step in steps) <= 1
    assert len({sample.data for sample in scene.out}) == 2
