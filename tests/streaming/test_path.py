"""A path: who holds the slot, what readers see, when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from segmenter.media import Codec, Sample, Track
from segmenter.timeline import RTMP_CLOCK
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.path import Path
from streaming.path_state import PathState, StateChange
from streaming.publish_codes import BAD_NAME, UNPUBLISHED
from streaming.publisher_slot import Slot

NOW = 1_700_000_000.0
AUDIO = Track("audio", Codec.AAC, 48_000, b"\x11\x90", sample_rate=48_000, channels=2)
VIDEO = Track(
    "source", Codec.H264, 90_000, b"\1", width=16, height=16,
    frame_rate=Fraction(25),
)  # fmt: skip


class FakePublisher:
    def __init__(self) -> None:
        self.closed: list[tuple[str, str]] = []

    def close(self, code: str, description: str) -> None:
        self.closed.append((code, description))


class RecordingReader:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.tracks: tuple[Track, ...] = ()
        self.samples: list[Sample] = []

    def set_tracks(self, tracks: Sequence[Track], now_utc: float) -> None:
        self.tracks = tuple(tracks)
        self.seen.append("tracks " + " ".join(track.name for track in tracks))

    def set_layers(self, tracks: Sequence[Track], now_utc: float) -> None:
        self.seen.append("layers " + " ".join(track.name for track in tracks))

    def write(self, samples: list[Sample], now_utc: float) -> None:
        self.samples += samples

    def is_drained(self, now_utc: float) -> bool:
        return True

    def pause(self, now_utc: float) -> None:
        self.seen.append("pause")

    def end(self, now_utc: float) -> None:
        self.seen.append("end")


class Scene:
    """A path with a reader, and the news of its states."""

    def __init__(self, config: PathConfig | None = None) -> None:
        self.changes: list[StateChange] = []
        self.path = Path("live/a", config or PathConfig(), NOW, self.changes.append)
        self.reader = RecordingReader()
        self.path.readers.append(self.reader)

    def occupy(self, now_utc: float = NOW) -> tuple[Slot, FakePublisher]:
        publisher = FakePublisher()
        return self.path.occupy(publisher, "1.2.3.4:5", "rtmp", now_utc), publisher

    def publish(self, slot: Slot, now_utc: float = NOW, frames: int = 50) -> None:
        self.path.set_tracks(slot, [VIDEO], RTMP_CLOCK, now_utc)
        for i in range(frames):
            sample = Sample("source", 40 * i, 40 * i, b"frame", i % 25 == 0)
            self.path.write(slot, [sample], now_utc + i / 25)

    @property
    def states(self) -> list[PathState]:
        return [change.new for change in self.changes]


def test_a_publisher_makes_the_path_live_with_its_first_sample() -> None:
    scene = Scene()
    slot, _ = scene.occupy()
    assert scene.states == [PathState.PROBING]
    scene.publish(slot)
    assert scene.states == [PathState.PROBING, PathState.STARTING, PathState.LIVE]
    assert scene.reader.seen == ["tracks source"]
    assert [sample.is_sync for sample in scene.reader.samples[:2]] == [True, False]


def test_samples_reach_readers_in_media_time() -> None:
    scene = Scene()
    slot, _ = scene.occupy()
    scene.publish(slot)
    first = scene.reader.samples[0]
    assert first.dts / 90_000 == pytest.approx(NOW, abs=1.0)


def test_a_second_publisher_takes_over_and_the_first_is_told() -> None:
    scene = Scene()
    first, first_publisher = scene.occupy()
    scene.publish(first)
    second, _ = scene.occupy(NOW + 10)
    assert first_publisher.closed == [(UNPUBLISHED, "another publisher took over live/a")]
    seen = len(scene.reader.samples)
    scene.path.write(first, [Sample("source", 99_000, 99_000, b"late", True)], NOW + 11)
    assert len(scene.reader.samples) == seen, "a stale slot writes nothing"
    scene.publish(second, NOW + 11)
    assert scene.path.state is PathState.LIVE


def test_a_second_publisher_is_rejected_where_the_policy_says_so() -> None:
    scene = Scene(PathConfig(republish="reject"))
    slot, publisher = scene.occupy()
    with pytest.raises(PublishRejected) as refused:
        scene.occupy()
    assert refused.value.code == BAD_NAME
    assert "has a publisher already" in refused.value.description
    assert publisher.closed == []
    scene.publish(slot)
    assert scene.path.state is PathState.LIVE


def test_media_time_goes_on_rising_over_a_reconnect() -> None:
    scene = Scene()
    slot, _ = scene.occupy()
    scene.publish(slot)
    scene.path.leave(slot, "gone", NOW + 2)
    before = scene.reader.samples[-1].dts
    slot, _ = scene.occupy(NOW + 3)
    scene.publish(slot, NOW + 3)
    times = [sample.dts for sample in scene.reader.samples]
    assert times == sorted(times)
    after = next(sample for sample in scene.reader.samples if sample.dts > before)
    assert after.discontinuity


def test_a_path_ends_when_nobody_comes_back_within_linger() -> None:
    scene = Scene(PathConfig(linger_s=20))
    slot, _ = scene.occupy()
    scene.publish(slot)
    scene.path.leave(slot, "gone", NOW + 2)
    assert scene.reader.seen[-1] == "pause"
    scene.path.handle_timer(NOW + 21)
    assert scene.path.state is PathState.RECONNECTING
    scene.path.handle_timer(NOW + 22)
    assert scene.path.state is PathState.ENDED
    assert scene.reader.seen[-1] == "end"


def test_an_ended_path_can_be_published_again() -> None:
    scene = Scene(PathConfig(linger_s=0))
    slot, _ = scene.occupy()
    scene.publish(slot)
    scene.path.leave(slot, "gone", NOW + 2)
    scene.path.handle_timer(NOW + 2)
    slot, _ = scene.occupy(NOW + 5)
    scene.publish(slot, NOW + 5)
    assert scene.path.state is PathState.LIVE


def test_a_publisher_that_never_sent_a_sample_leaves_quietly() -> None:
    scene = Scene()
    slot, _ = scene.occupy()
    scene.path.leave(slot, "gone", NOW + 1)
    assert scene.states == [PathState.PROBING, PathState.RECONNECTING]


def test_a_kicked_publisher_is_told_why_and_its_late_goodbye_changes_nothing() -> None:
    scene = Scene()
    slot, publisher = scene.occupy()
    scene.path.kick("NetStream.Unpublish.Success", "closed by the operator", NOW + 1)
    assert publisher.closed == [("NetStream.Unpublish.Success", "closed by the operator")]
    scene.path.leave(slot, "connection lost", NOW + 2)
    assert scene.states == [PathState.PROBING, PathState.RECONNECTING]


def test_an_encoder_in_trouble_degrades_a_live_path_until_it_recovers() -> None:
    scene = Scene()
    scene.path.set_degraded(True, "too slow", NOW)
    assert scene.path.state is PathState.IDLE, "only what is live can be degraded"
    slot, _ = scene.occupy()
    scene.publish(slot)
    scene.path.set_degraded(True, "too slow", NOW + 3)
    scene.path.set_degraded(True, "too slow", NOW + 4)
    scene.path.set_degraded(False, "recovered", NOW + 5)
    assert scene.states[-2:] == [PathState.DEGRADED, PathState.LIVE]


def test_state_versions_count_every_transition() -> None:
    scene = Scene()
    slot, _ = scene.occupy()
    scene.publish(slot)
    scene.path.leave(slot, "gone", NOW + 2)
    assert [change.version for change in scene.changes] == [1, 2, 3, 4]
    assert scene.path.statistics(NOW + 2).life.version == 4


def test_a_change_of_tracks_keeps_the_path_live_and_its_time_unbroken() -> None:
    scene = Scene()
    slot, _ = scene.occupy()
    scene.publish(slot)
    scene.path.set_tracks(slot, [VIDEO, AUDIO], RTMP_CLOCK, NOW + 2)
    scene.path.write(slot, [Sample("source", 2000, 2000, b"frame", True)], NOW + 2)
    scene.path.write(slot, [Sample("source", 2040, 2040, b"frame", False)], NOW + 2.04)
    scene.path.leave(slot, "gone", NOW + 3)
    assert scene.states[-3:] == [PathState.STARTING, PathState.LIVE, PathState.RECONNECTING]
    times = [sample.dts for sample in scene.reader.samples if sample.track == "source"]
    assert len(times) == 52
    assert times == sorted(times)


LAYER = replace(VIDEO, name="source_l", width=8, height=8)


def send_layers(scene: Scene, slot: Slot, frames: range, *names: str) -> None:
    for i in frames:
        samples = [Sample(name, 40 * i, 40 * i, b"frame", i % 25 == 0) for name in names]
        scene.path.write(slot, samples, NOW + i / 25)


def test_layers_come_and_go_without_a_break() -> None:
    scene = Scene()
    slot, _ = scene.occupy()
    scene.path.set_tracks(slot, [VIDEO, AUDIO], RTMP_CLOCK, NOW)
    send_layers(scene, slot, range(50), "source")
    scene.path.set_tracks(slot, [VIDEO, LAYER, AUDIO], RTMP_CLOCK, NOW + 2)
    send_layers(scene, slot, range(50, 100), "source", "source_l")
    scene.path.set_tracks(slot, [LAYER, AUDIO], RTMP_CLOCK, NOW + 4)
    send_layers(scene, slot, range(100, 150), "source_l")
    scene.path.set_tracks(slot, [VIDEO, LAYER, AUDIO], RTMP_CLOCK, NOW + 6)
    send_layers(scene, slot, range(150, 200), "source", "source_l")
    assert scene.reader.seen == [
        "tracks source audio",
        "layers source source_l audio",
        "layers source_l audio",
        "layers source source_l audio",
    ]
    assert scene.states[-1] is PathState.LIVE
    assert scene.states.count(PathState.STARTING) == 1
    assert not any(sample.discontinuity for sample in scene.reader.samples)
    times = {name: [s.dts for s in scene.reader.samples if s.track == name]
             for name in ("source", "source_l")}  # fmt: skip
    assert len(times["source"]) == len(times["source_l"]) == 150
    assert times["source"][50:100] == times["source_l"][:50]
    assert times["source"][100:] == times["source_l"][100:]


def test_another_size_of_the_same_layer_breaks() -> None:
    scene = Scene()
    slot, _ = scene.occupy()
    scene.path.set_tracks(slot, [VIDEO, LAYER], RTMP_CLOCK, NOW)
    send_layers(scene, slot, range(50), "source", "source_l")
    scene.path.set_tracks(slot, [VIDEO, replace(LAYER, width=4)], RTMP_CLOCK, NOW + 2)
    assert scene.reader.seen[-1] == "tracks source source_l"


def test_a_backup_with_other_layers_takes_over_with_a_break() -> None:
    scene = Scene()
    first, _ = scene.occupy()
    scene.publish(first)
    second, _ = scene.occupy(NOW + 2)
    scene.path.set_tracks(second, [VIDEO, LAYER], RTMP_CLOCK, NOW + 2)
    assert scene.reader.seen[-1] == "tracks source source_l"


def test_statistics_measure_what_arrives() -> None:
    scene = Scene()
    slot, _ = scene.occupy()
    scene.publish(slot, frames=250)
    seen = scene.path.statistics(NOW + 10)
    assert seen.samples_in == 250
    assert seen.bytes_in == 1250
    assert seen.bitrate == pytest.approx(1000, rel=0.05)


def test_the_publisher_on_air_may_ask_where_its_stamps_are_in_media_time() -> None:
    scene = Scene()
    slot, _ = scene.occupy()
    assert scene.path.media_time(slot, "source", 0) is None
    scene.publish(slot, frames=2)
    assert scene.path.media_time(slot, "source", 40) == scene.reader.samples[1].dts
    scene.path.leave(slot, "gone", NOW + 1)
    assert scene.path.media_time(slot, "source", 40) is None
