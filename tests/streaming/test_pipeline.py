"""What hangs off a path: what is copied, what is encoded, and what happens while encoders die."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segmenter.errors import MediaError
from segmenter.lanes import DRAIN_S
from segmenter.media import Codec, Sample, Track
from streaming.config_paths import RungConfig
from streaming.path_state import PathState
from streaming.pipeline import Pipeline
from streaming.rtc.tap import RtcTap
from streaming.status import path_state_message
from streaming.transcode.ladder import NOTHING_OFFERED
from streaming.transcode.messages import RungStatus, StatusMessage
from tests.segmenter.stage import AUDIO, SMALL, SOURCE
from tests.streaming.pipeline_scene import CLOCK, LADDER, FakeLink, Scene
from tests.streaming.pipeline_scene import fake_links as fake_links


def test_a_copy_ladder_needs_no_worker() -> None:
    scene = Scene(ladder="copy")
    scene.publish(SOURCE)
    scene.send(7, "source")
    assert FakeLink.made == []
    assert not scene.pipeline.is_encoding
    assert scene.segments("source") == 3


def test_a_path_that_leaves_out_all_that_is_published_says_so() -> None:
    """Players were told for ever that the stream is about to start."""
    scene = Scene(ladder="none")
    scene.publish(SOURCE)
    scene.send(3, "source")
    record = path_state_message(
        scene.path, scene.pipeline, scene.path.statistics(scene.now), scene.pipeline.statistics()
    )
    assert (record.state, record.reason) == ("starting", NOTHING_OFFERED)
    assert 'the picture is left out: ladder = "none"' in record.details["ladder"]


def test_everyone_may_see_what_the_ladder_takes_and_by_what_its_rungs_are_encoded() -> None:
    scene = Scene()
    scene.publish(SOURCE)
    scene.link.status = StatusMessage(
        rungs=(RungStatus("360p", "h264_qsv", "it opens on this machine", 30.0, 0, False),)
    )
    record = path_state_message(
        scene.path, scene.pipeline, scene.path.statistics(scene.now), scene.pipeline.statistics()
    )
    assert any("of the CPU budget of 1.20 cores" in text for text in record.details["ladder"])
    (rung,) = record.details["transcode"]["status"]["rungs"]
    assert (rung["encoder"], rung["chosen_because"]) == ("h264_qsv", "it opens on this machine")


def test_a_path_that_is_watched_by_webrtc_alone_is_watched() -> None:
    scene = Scene(ladder="copy")
    tap = RtcTap("live/a", scene.path.config, WebrtcNobody())
    pipeline = Pipeline(scene.path, scene.feed, lambda name: 1.2, lambda: scene.now, tap=tap)
    scene.publish(SOURCE)
    scene.send(3, "source")
    pipeline.rest()
    assert not pipeline.is_watched
    assert not pipeline.is_prompt
    tap.watch()
    assert pipeline.is_watched
    assert pipeline.is_prompt
    tap.unwatch()
    assert not pipeline.is_watched


class WebrtcNobody:
    """An outlet that nothing comes out of."""

    buffered_bytes = 0

    def send(self, message: object) -> None: ...


def test_a_rung_for_webrtc_alone_is_in_no_playlist() -> None:
    rung = RungConfig(name="180p", height=180, webrtc=True)
    scene = Scene(ladder=(*LADDER, rung))
    scene.publish(SOURCE)
    scene.send(1, "source")
    tiny = replace(SMALL, name="180p")
    scene.link.on_tracks([SMALL, tiny])
    for sample in list(scene.link.written):
        for name in ("360p", "180p"):
            scene.link.on_sample(Sample(name, sample.dts, sample.pts, b"small", sample.is_sync))
    names = {track.name for track in scene.pipeline.statistics().tracks}
    assert names == {"source", "360p"}


def test_what_is_encoded_comes_beside_what_is_copied() -> None:
    scene = Scene(ladder=LADDER)
    scene.publish(SOURCE)
    scene.send(1, "source")
    assert [rung.name for plan in scene.link.plans if plan for rung in plan.rungs] == ["360p"]
    assert len(scene.link.written) >= 24
    scene.link.on_tracks([SMALL])
    for sample in list(scene.link.written):
        scene.link.on_sample(Sample("360p", sample.dts, sample.pts, b"small", sample.is_sync))
    names = {track.name for track in scene.pipeline.statistics().tracks}
    assert names == {"source", "360p"}
    assert scene.pipeline.statistics().copied == {"source"}


def test_a_sample_of_a_rung_that_is_no_more_is_ignored() -> None:
    scene = Scene(ladder=LADDER)
    scene.publish(SOURCE)
    scene.link.on_sample(Sample("480p", 0, 0, b"old", is_sync=True))
    assert {track.name for track in scene.pipeline.statistics().tracks} == {"source"}


def test_a_path_ends_when_its_encoder_has_brought_what_it_was_given() -> None:
    scene = Scene(ladder=LADDER, linger_s=0)
    scene.publish(SOURCE)
    scene.link.on_tracks([SMALL])
    encoded = 0
    for _ in range(10):
        scene.encode(scene.link.written[encoded:])
        encoded = len(scene.link.written)
        scene.send(0.4, "source")
    assert scene.slot is not None
    scene.path.leave(scene.slot, "gone", scene.now)
    for sample in scene.link.written[encoded:]:
        scene.path.handle_timer(scene.now)
        assert scene.path.state is PathState.ENDING, "late is better than lost"
        scene.encode([sample])
        scene.now += 0.01
    scene.now += DRAIN_S - 0.1
    scene.path.handle_timer(scene.now)
    assert scene.path.state is PathState.ENDING
    scene.now += 0.2
    scene.path.handle_timer(scene.now)
    assert scene.path.state is PathState.ENDED
    assert scene.segments("360p") == scene.segments("source")


def test_an_encoder_that_never_stops_bringing_is_not_waited_for_for_ever() -> None:
    scene = Scene(ladder=LADDER, linger_s=0)
    scene.publish(SOURCE)
    scene.link.on_tracks([SMALL])
    scene.send(5, "source")
    assert scene.slot is not None
    scene.path.leave(scene.slot, "gone", scene.now)
    for _ in range(9):
        scene.path.handle_timer(scene.now)
        scene.encode(scene.link.written[-1:])
        scene.now += 0.5
    assert scene.path.state is PathState.ENDED


def test_a_change_of_tracks_is_planned_anew() -> None:
    scene = Scene(ladder=LADDER, audio="encode")
    scene.publish(SOURCE)
    scene.send(2, "source")
    assert scene.slot is not None
    scene.path.set_tracks(scene.slot, [SOURCE, AUDIO], CLOCK, scene.now)
    first, second = scene.link.plans
    assert first is not None and first.encode_audio is None  # noqa: PT018
    assert second is not None and second.encode_audio is not None  # noqa: PT018


def test_a_track_that_cannot_be_described_is_the_publishers_fault() -> None:
    scene = Scene(ladder="copy")
    broken = Track("source", Codec.H264, 90_000, b"\xff", width=16, height=16)
    with pytest.raises(MediaError):
        scene.publish(broken)


async def test_closing_stops_the_worker() -> None:
    scene = Scene(ladder=LADDER)
    scene.publish(SOURCE)
    link = scene.link
    await scene.pipeline.close()
    assert link.is_closed
    assert not scene.pipeline.is_encoding
