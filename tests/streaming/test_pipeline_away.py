"""What a path offers and does while its rungs are not encoded."""

from __future__ import annotations

from streaming.path_state import PathState
from streaming.transcode.transcode_link import (
    TranscodePhase,
    TranscodeState,
)
from tests.segmenter.stage import AUDIO, SMALL, SOURCE
from tests.streaming.pipeline_scene import LADDER, Scene
from tests.streaming.pipeline_scene import fake_links as fake_links


def test_a_rung_that_the_machine_is_too_slow_for_is_not_offered_until_it_is_back() -> None:
    scene = Scene(ladder=LADDER)
    scene.publish(SOURCE)
    scene.link.on_tracks([SMALL])
    scene.send_encoded(6.2)
    assert scene.variants() == ["source", "360p"]
    scene.link.enter(TranscodePhase.DEGRADED, "the machine is too slow: 360p stopped", "360p")
    scene.send(8.0, "source")
    scene.pipeline.handle_timer(scene.now + 3.1)
    assert scene.variants() == ["source"]
    scene.link.enter(TranscodePhase.RUNNING)
    assert scene.variants() == ["source"]
    scene.send_encoded(6.0)
    assert scene.variants() == ["source", "360p"]


def test_a_rung_whose_encoder_crashes_again_and_again_is_not_offered_until_it_is_back() -> None:
    scene = Scene(ladder=LADDER)
    scene.publish(SOURCE)
    scene.link.on_tracks([SMALL])
    scene.send_encoded(6.2)
    for seconds in (0.6, 1.1, 2.1):
        scene.link.enter(TranscodePhase.RESTARTING, "signal 11")
        scene.send(seconds, "source")
        assert scene.variants() == ["source", "360p"], "it may be back at any moment"
        scene.link.enter(TranscodePhase.STARTING)
    scene.link.enter(TranscodePhase.RESTARTING, "signal 11")
    scene.send(4.1, "source")
    scene.pipeline.handle_timer(scene.now + 3.1)
    assert scene.variants() == ["source"]
    scene.link.enter(TranscodePhase.STARTING)
    scene.send(2.0, "source")
    assert scene.variants() == ["source"], "it may crash again"
    scene.link.on_tracks([SMALL])
    scene.link.enter(TranscodePhase.RUNNING)
    scene.send_encoded(6.0)
    assert scene.variants() == ["source", "360p"]


def test_a_rung_that_no_encoder_takes_any_more_is_not_offered_until_one_does() -> None:
    scene = Scene(ladder=LADDER)
    scene.publish(SOURCE)
    scene.link.on_tracks([SMALL])
    scene.send_encoded(6.2)
    scene.link.enter(TranscodePhase.RESTARTING, "signal 11")
    scene.link.enter(TranscodePhase.STARTING)
    failure = "360p cannot be encoded (h264_nvenc: no session is left)"
    scene.link.enter(TranscodePhase.DEGRADED, failure, failed=("360p",))
    scene.send(8.0, "source")
    scene.pipeline.handle_timer(scene.now + 3.1)
    assert scene.variants() == ["source"]
    scene.link.enter(TranscodePhase.STARTING)
    scene.link.on_tracks([SMALL])
    scene.link.enter(TranscodePhase.RUNNING)
    scene.send_encoded(6.0)
    assert scene.variants() == ["source", "360p"]


def test_pictures_whose_encoders_crash_stay_offered_where_sound_alone_would_be_left() -> None:
    """Players read the multivariant playlist once: who came meanwhile would never see a picture."""
    scene = Scene(ladder=LADDER[1:])
    scene.publish(SOURCE, AUDIO)
    scene.link.on_tracks([SMALL])
    for _ in range(31):
        before = len(scene.link.written)
        scene.send(0.2, "source", "audio")
        scene.encode([sample for sample in scene.link.written[before:] if sample.track == "source"])
    assert scene.variants() == ["360p"]
    scene.link.enter(TranscodePhase.RESTARTING, "signal 11")
    scene.send(16.0, "source", "audio")
    scene.pipeline.handle_timer(scene.now + 3.1)
    assert scene.variants() == ["360p"]


def test_the_source_goes_on_while_its_encoder_is_away() -> None:
    scene = Scene(ladder=LADDER)
    scene.publish(SOURCE)
    scene.send(3, "source")
    scene.link.state = TranscodeState(TranscodePhase.RESTARTING, "signal 9")
    scene.link.starts = 2
    scene.send(6, "source")
    assert scene.segments("source") == 4
    assert scene.path.state is PathState.DEGRADED
    assert scene.pipeline.trouble == "signal 9"
    scene.link.state = TranscodeState(TranscodePhase.STARTING)
    scene.send(1, "source")
    assert scene.path.state is PathState.DEGRADED, "it is not back before it runs"
    scene.link.state = TranscodeState(TranscodePhase.RUNNING)
    scene.send(1, "source")
    assert scene.path.state is PathState.LIVE
    assert scene.pipeline.trouble == ""


def test_everything_waits_for_the_encoder_where_the_configuration_says_so() -> None:
    scene = Scene(ladder=LADDER, on_worker_crash="wait")
    scene.publish(SOURCE)
    scene.send(5, "source")
    listed = scene.segments("source")
    scene.link.state = TranscodeState(TranscodePhase.RESTARTING, "signal 9")
    scene.link.starts = 2
    scene.send(6, "source")
    assert scene.segments("source") == listed
    scene.link.state = TranscodeState(TranscodePhase.RUNNING)
    scene.send(5, "source")
    assert scene.segments("source") > listed


def test_a_first_start_is_not_waited_for() -> None:
    scene = Scene(ladder=LADDER, on_worker_crash="wait")
    scene.publish(SOURCE)
    scene.send(5, "source")
    assert scene.segments("source") >= 1
