"""Simulcast layers of a publisher on their way through a path's pipeline."""

from __future__ import annotations

from segmenter.media import Sample
from streaming.config_paths import RungConfig
from tests.segmenter.stage import AUDIO, SOURCE
from tests.streaming.pipeline_scene import CLOCK, LADDER, LAYER, Scene
from tests.streaming.pipeline_scene import fake_links as fake_links


def test_layers_are_packaged_beside_the_source() -> None:
    scene = Scene(ladder="copy")
    scene.publish(SOURCE, LAYER, AUDIO)
    scene.send(6.2, "source", "source_l", "audio")
    assert scene.segments("source") == scene.segments("source_l") == 3


def test_a_layer_with_key_frames_of_its_own_is_not_packaged_and_the_record_says_why() -> None:
    scene = Scene(ladder="copy", part_duration_s=0.0)
    scene.publish(SOURCE, LAYER)
    assert scene.slot is not None
    for at in range(400):
        for name, first in (("source", 0), ("source_l", 20)):
            sample = Sample(name, 40 * at, 40 * at, b"media", at % 50 == first)
            scene.path.write(scene.slot, [sample], scene.now)
        scene.now += 0.04
    scene.pipeline.handle_timer(scene.now + 3.1)
    assert "source_l is not packaged" in scene.pipeline.statistics().ladder_reasons[-1]
    assert scene.segments("source") == 7
    assert scene.variants() == ["source"], "players are not pointed to it any more"


def test_an_encoder_does_not_notice_that_a_lower_layer_comes_or_goes() -> None:
    scene = Scene(ladder=LADDER)
    scene.publish(SOURCE, AUDIO)
    scene.send(2, "source", "audio")
    assert scene.slot is not None
    scene.path.set_tracks(scene.slot, [SOURCE, LAYER, AUDIO], CLOCK, scene.now)
    scene.send(4, "source", "source_l", "audio")
    scene.path.set_tracks(scene.slot, [SOURCE, AUDIO], CLOCK, scene.now)
    scene.send(2, "source", "audio")
    assert len(scene.link.plans) == 1
    assert "source_l" not in {sample.track for sample in scene.link.written}
    assert scene.segments("source_l") == 2, "nothing more is to come of the other one either"


def test_where_the_best_layer_stops_the_next_one_is_encoded() -> None:
    scene = Scene(ladder=(RungConfig(name="source", copy=True), RungConfig(name="p", height=180)))
    scene.publish(SOURCE, LAYER, AUDIO)
    scene.send(4, "source", "source_l", "audio")
    assert scene.slot is not None
    scene.path.set_tracks(scene.slot, [LAYER, AUDIO], CLOCK, scene.now)
    scene.send(4, "source_l", "audio")
    assert len(scene.link.plans) == 2
    encoded = [sample.track for sample in scene.link.written if sample.track != "audio"]
    assert encoded == 100 * ["source"] + 100 * ["source_l"]
    assert scene.segments("source_l") == 3
