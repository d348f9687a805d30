"""What hangs off a path: what is copied, what is encoded, and what happens while encoders die."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

import streaming.pipeline
from segmenter.errors import MediaError
from segmenter.lanes import DRAIN_S
from segmenter.media import Codec, Sample, Track
from segmenter.timeline import SourceClock
from streaming.config_paths import PathConfig, RungConfig
from streaming.media_store import MediaStore
from streaming.path import Path
from streaming.path_state import PathState
from streaming.pipeline import Pipeline
from streaming.publisher_slot import Slot
from streaming.rtc.tap import RtcTap
from streaming.shelf_feed import ShelfFeed
from streaming.status import path_state_message
from streaming.transcode.ladder import LadderPlan
from streaming.transcode.messages import RungStatus, StatusMessage
from streaming.transcode.transcode_link import (
    TranscodePhase,
    TranscodeState,
    TranscodeStatistics,
)
from streaming.worker_process import WorkerStatistics
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, START
from tests.streaming.test_path import FakePublisher

CLOCK = SourceClock(1000, None)
LADDER = (RungConfig(name="source", copy=True), RungConfig(name="360p", height=360))


class FakeLink:
    """A transcoder that encodes nothing until the test says so."""

    made: list[FakeLink]

    def __init__(
        self,
        path: str,
        config: PathConfig,
        *,
        on_tracks: Callable[[Sequence[Track]], None],
        on_sample: Callable[[Sample], None],
        on_state: Callable[[TranscodeState], None],
    ) -> None:
        self.on_tracks, self.on_sample, self.on_state = on_tracks, on_sample, on_state
        self.state = TranscodeState(TranscodePhase.IDLE)
        self.plans: list[LadderPlan | None] = []
        self.written: list[Sample] = []
        self.key_asked: int | None = None
        self.starts = 1
        self.status = StatusMessage()
        self.is_closed = False
        self.made.append(self)

    def start(self, tracks: Sequence[Track], plan: LadderPlan | None = None) -> None:
        self.plans.append(plan)
        self.state = TranscodeState(TranscodePhase.STARTING)

    def write(self, sample: Sample) -> None:
        self.written.append(sample)

    def ask_for_key_frame(self, from_pts: int = 0) -> None:
        self.key_asked = from_pts

    def enter(
        self, phase: TranscodePhase, reason: str = "", *shed: str, failed: tuple[str, ...] = ()
    ) -> None:
        self.state = TranscodeState(phase, reason, shed, failed)
        self.on_state(self.state)

    def statistics(self) -> TranscodeStatistics:
        worker = WorkerStatistics(1, self.starts, 0, None)
        return TranscodeStatistics(self.state, worker, self.status, 0, 0, 0)

    async def close(self) -> None:
        self.is_closed = True


class Scene:
    """A path with a pipeline; its publisher sends 30 frames and 47 audio frames each second."""

    def __init__(self, **settings: object) -> None:
        FakeLink.made = []
        self.now = float(START)
        config = PathConfig(**settings)  # type: ignore[arg-type]
        self.path = Path("live/a", config, self.now, lambda change: None)
        self.feed = ShelfFeed(MediaStore())
        self.pipeline = Pipeline(self.path, self.feed, lambda name: 1.2, lambda: self.now)
        self.slot: Slot | None = None
        self.sent_ms = 0

    @property
    def link(self) -> FakeLink:
        [link] = FakeLink.made
        return link

    def publish(self, *tracks: Track) -> None:
        self.slot = self.path.occupy(FakePublisher(), "10.0.0.1:1", "rtmp", self.now)
        self.path.set_tracks(self.slot, tracks, CLOCK, self.now)

    def send(self, seconds: float, *names: str) -> None:
        assert self.slot is not None
        end_ms = self.sent_ms + int(seconds * 1000)
        while self.sent_ms < end_ms:
            for name in names:
                is_sync = name == "audio" or self.sent_ms % 2000 == 0
                sample = Sample(name, self.sent_ms, self.sent_ms, b"media", is_sync)
                self.path.write(self.slot, [sample], self.now)
            self.sent_ms += 40
            self.now += 0.04
        self.pipeline.handle_timer(self.now)

    def send_encoded(self, seconds: float, name: str = "source") -> None:
        """What is sent is in the rung a fifth of a second later."""
        for _ in range(round(seconds / 0.2)):
            before = len(self.link.written)
            self.send(0.2, name)
            self.encode(self.link.written[before:])

    def encode(self, samples: list[Sample]) -> None:
        for sample in samples:
            self.link.on_sample(Sample("360p", sample.dts, sample.pts, b"small", sample.is_sync))

    def variants(self) -> list[str]:
        """What the multivariant playlist points to."""
        text = self.feed._current["/live/a/index.m3u8"].body.decode()
        return [line.partition("/")[0] for line in text.splitlines() if line[:1] not in ("#", "")]

    def segments(self, rendition: str) -> int:
        """How many of its segments are listed, gaps not counted."""
        playlists = [
            put.body.decode()
            for key, put in self.feed._current.items()
            if key == f"/live/a/{rendition}/index.m3u8"
        ]
        return playlists[0].count("#EXTINF") if playlists else 0


@pytest.fixture(autouse=True)
def fake_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming.pipeline, "TranscodeLink", FakeLink)


def test_a_copy_ladder_needs_no_worker() -> None:
    scene = Scene(ladder="copy")
    scene.publish(SOURCE)
    scene.send(7, "source")
    assert FakeLink.made == []
    assert not scene.pipeline.is_encoding
    assert scene.segments("source") == 3


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


def test_a_sample_of_a_rung_that_is_no_more_is_ignored() -> None:
    scene = Scene(ladder=LADDER)
    scene.publish(SOURCE)
    scene.link.on_sample(Sample("480p", 0, 0, b"old", is_sync=True))
    assert {track.name for track in scene.pipeline.statistics().tracks} == {"source"}


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


def test_a_first_start_is_not_waited_for() -> None:
    scene = Scene(ladder=LADDER, on_worker_crash="wait")
    scene.publish(SOURCE)
    scene.send(5, "source")
    assert scene.segments("source") >= 1


def test_a_change_of_tracks_is_planned_anew() -> None:
    scene = Scene(ladder=LADDER, audio="encode")
    scene.publish(SOURCE)
    scene.send(2, "source")
    assert scene.slot is not None
    scene.path.set_tracks(scene.slot, [SOURCE, AUDIO], CLOCK, scene.now)
    first, second = scene.link.plans
    assert first is not None and first.encode_audio is None  # noqa: PT018
    assert second is not None and second.encode_audio is not None  # noqa: PT018


LAYER = replace(SMALL, name="source_l")


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
