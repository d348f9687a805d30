"""Which layers can be packaged beside the best picture."""

from __future__ import annotations

from collections.abc import Iterable

from segmenter.media import Sample
from streaming.layer_gate import LayerGate
from tests.segmenter.stage import SMALL, interleaved, renamed, video

LAYER = renamed(SMALL, "source_l")


def admitted(gate: LayerGate, *streams: Iterable[Sample]) -> list[Sample]:
    samples = interleaved(*streams, tracks=(LAYER,))
    return [sample for sample in samples if gate.admits(sample) and sample.track == "source_l"]


def test_a_layer_with_the_key_frames_of_the_best_is_packaged() -> None:
    gate = LayerGate(2.0, ("source", "source_l"))
    layer = video(LAYER, seconds=20)
    assert admitted(gate, video(seconds=20), layer) == layer
    assert gate.closed == ()


def test_a_layer_that_lags_on_its_way_is_judged_when_it_has_come() -> None:
    gate = LayerGate(2.0, ("source", "source_l"))
    best, layer = video(seconds=20), video(LAYER, seconds=20)
    for sample in best[:30]:
        gate.admits(sample)
    assert all(gate.admits(each) for pair in zip(best[30:], layer, strict=False) for each in pair)
    assert gate.closed == ()


def test_more_key_frames_than_segments_are_no_miss() -> None:
    gate = LayerGate(2.0, ("source", "source_l"))
    layer = video(LAYER, seconds=20)
    assert admitted(gate, video(seconds=20, gop=15), layer) == layer
    gate = LayerGate(2.0, ("source", "source_l"))
    layer = video(LAYER, seconds=20, gop=15)
    assert admitted(gate, video(seconds=20), layer) == layer


def test_a_layer_with_key_frames_of_its_own_is_not_packaged_after_some_segments() -> None:
    gate = LayerGate(2.0, ("source", "source_l"))
    layer = video(LAYER, at=0.7, seconds=19)
    packaged = admitted(gate, video(seconds=20), layer)
    assert gate.closed == ("source_l",)
    assert packaged == layer[: len(packaged)]
    assert 120 < len(packaged) < 240


def test_it_is_taken_again_from_a_key_frame_once_two_have_met() -> None:
    gate = LayerGate(2.0, ("source", "source_l"))
    apart, together = video(LAYER, at=0.7, seconds=9.3), video(LAYER, at=10, seconds=10)
    packaged = admitted(gate, video(seconds=20), apart, together)
    assert gate.closed == ()
    assert packaged[-180:] == together[120:]
    assert packaged[-180].is_sync
    assert packaged[-181] in apart


def test_a_key_frame_lost_is_forgiven() -> None:
    gate = LayerGate(2.0, ("source", "source_l"))
    layer = [*video(LAYER, seconds=4), *video(LAYER, at=4, seconds=4, gop=999)[1:]]
    layer += video(LAYER, at=8, seconds=8)
    assert admitted(gate, video(seconds=16), layer) == layer


def test_what_is_no_layer_passes() -> None:
    gate = LayerGate(2.0, ("source", "source_l"))
    gate.follow(("source",))
    layer = video(LAYER, at=0.7, seconds=9)
    assert admitted(gate, video(seconds=10), layer) == layer


def test_a_layer_that_leads_now_is_packaged_whatever_it_did() -> None:
    gate = LayerGate(2.0, ("source", "source_l"))
    admitted(gate, video(seconds=20), video(LAYER, at=0.7, seconds=19))
    gate.follow(("source_l",))
    layer = video(LAYER, at=20.7, seconds=6)
    assert admitted(gate, layer) == layer
