"""Whatever publishers, encoders and networks do, low-latency playlists keep every rule.

The stage judges after each event: see tests/segmenter/low_latency_stage.py.
"""

from __future__ import annotations

import dataclasses

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from segmenter.presentation import PresentationSettings
from tests.segmenter.low_latency_stage import LowLatencyStage
from tests.segmenter.test_presentation_properties import Scene, cuts, play, scenes

NO_SHRINKING = (Phase.explicit, Phase.generate)
"""A story takes a tenth of a second and shrinking it minutes; the failing one is short enough."""


@settings(max_examples=12, deadline=None, derandomize=True, phases=NO_SHRINKING)
@given(
    story=st.lists(scenes, min_size=1, max_size=6),
    cutting=cuts.filter(lambda cutting: cutting.part_duration_s > 0),
    is_early=st.booleans(),
)
def test_h10_a_delta_merged_into_the_previous_playlist_is_the_whole_one_in_every_story(
    story: list[Scene], cutting: PresentationSettings, is_early: bool
) -> None:
    if is_early:
        cutting = dataclasses.replace(cutting, target_duration=4)
    stage = LowLatencyStage(settings=cutting, apart_s=None)
    at = 0.0
    for number, scene in enumerate(story):
        at += scene.before_s
        play(stage, scene, at, is_first=number == 0)
        at += scene.seconds
    stage.wait(3)
    stage.end()
    for name, playlist in stage.low_latency.items():
        assert playlist.is_ended
        assert stage.numbers(name)
