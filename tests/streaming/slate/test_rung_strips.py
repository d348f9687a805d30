"""When the slate of a ladder is encoded, by a real worker process."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fractions import Fraction
from typing import cast

from segmenter.media import Codec
from streaming.config_paths import PathConfig
from streaming.pipeline import Pipeline
from streaming.slate.loop import SlateStrip
from streaming.slate.messages import LadderToCover, RungSetup
from streaming.slate.rung_strips import CALM_S, RungStrips
from streaming.transcode.encoders import software_encoder
from streaming.transcode.planned_rung import PlannedRung
from streaming.transcode.rung_encoder import Look, RungEncoder
from tests.streaming.slate.test_source import until

NOW = 1_800_000_000.0


def ladder(height: int = 72) -> LadderToCover:
    planned = PlannedRung("72p", Codec.H264, 128, height, 1, 100, 110, 110, preset="ultrafast")
    look = Look(Fraction(1), 1, 1, 1)
    choice = software_encoder(Codec.H264, "live")
    live = RungEncoder(planned, choice, Fraction(25), look).track
    return LadderToCover((live,), (RungSetup(planned, choice.name),))


class FakePipeline:
    def __init__(self) -> None:
        self.ladder_to_cover: LadderToCover | None = None
        self.sets: list[list[SlateStrip]] = []

    def set_strips(self, strips: Sequence[SlateStrip]) -> None:
        self.sets.append(list(strips))

    def has_set(self, count: int) -> bool:
        return len(self.sets) == count


def made() -> tuple[FakePipeline, RungStrips]:
    pipeline = FakePipeline()
    config = PathConfig(slate="card", segment_duration_s=1)
    return pipeline, RungStrips("live/a", config, cast(Pipeline, pipeline))


async def test_a_ladder_s_slate_is_encoded_once_when_it_has_run_for_a_while() -> None:
    pipeline, strips = made()
    strips.handle_timer(NOW)
    pipeline.ladder_to_cover = ladder()
    strips.handle_timer(NOW + 1)
    assert strips._encoding.pid == 0
    strips.handle_timer(NOW + 1 + CALM_S)
    await until(lambda: bool(pipeline.sets), lambda: strips.handle_timer(NOW + 3))
    [[strip]] = pipeline.sets
    assert strip.track == pipeline.ladder_to_cover.tracks[0]
    assert len(strip.samples) == 25
    pipeline.ladder_to_cover = None  # the encoder has died
    strips.handle_timer(NOW + 9)
    pipeline.ladder_to_cover = ladder()
    strips.handle_timer(NOW + 10)
    strips.handle_timer(NOW + 12)
    assert strips._encoding.pid == 0, "its slate is there"
    await strips.close()


async def test_another_ladder_gets_another_slate_and_the_one_before_is_kept() -> None:
    pipeline, strips = made()
    ladders = [ladder(72), ladder(96)]
    for number, wanted in enumerate([*ladders, *ladders]):
        pipeline.ladder_to_cover = wanted
        strips.handle_timer(NOW + 10 * number)
        strips.handle_timer(NOW + 10 * number + CALM_S)
        if number < len(ladders):
            await until(functools.partial(pipeline.has_set, number + 1))
        assert pipeline.has_set(number + 1), "at once, where it was encoded before"
    assert [strip.track.height for [strip] in pipeline.sets] == [72, 96, 72, 96]
    await strips.close()
