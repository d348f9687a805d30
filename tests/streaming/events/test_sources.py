"""What becomes an event: publishers, tracks, renditions, viewers, sessions, and advice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from segmenter.media import Codec, Sample, Track
from segmenter.timeline import RTMP_CLOCK
from streaming.config import Config
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.events.advice_memory import AdviceMemory
from streaming.events.av_drift import MEASURES, AvDrift
from streaming.events.event import Emit
from streaming.events.ingest_exam import EXAM_S, IngestExam
from streaming.events.path_observer import PathObserver
from streaming.events.session_news import SessionNews
from streaming.events.viewer_news import Flood, ViewerNews
from streaming.media_store import MediaStore
from streaming.path_news import segment_news
from streaming.path_registry import PathRegistry
from streaming.rtc.signal_messages import SignalAnswer, SignalRequest
from streaming.shelf_feed import ShelfFeed
from streaming.transcode.messages import StatusMessage
from streaming.transcode.transcode_link import (
    TranscodePhase,
    TranscodeState,
    TranscodeStatistics,
)
from streaming.worker_process import WorkerExit, WorkerStatistics
from tests.segmenter.stage import SOURCE, START
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import COPY, request

T0 = START
VIDEO = Track("source", Codec.H264, 90_000, b"", 640, 360)
AUDIO = Track("audio", Codec.AAC, 48_000, b"\x11\x90", sample_rate=48_000, channels=2)


class Recorder:
    """Keeps what is emitted."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.versions: list[int] = []

    def __call__(
        self,
        kind: str,
        path: str = "",
        data: Mapping[str, Any] | None = None,
        state_version: int = 0,
    ) -> None:
        self.events.append((kind, path, dict(data or {})))
        self.versions.append(state_version)

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.events]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for each, _, data in self.events if each == kind]


class Scene:
    def __init__(self, **paths: PathConfig) -> None:
        self.now = T0
        self.recorder = Recorder()
        emit: Emit = self.recorder
        config = Config(paths=paths or {"*": COPY})  # type: ignore[arg-type]
        self.feed = ShelfFeed(MediaStore())
        self.registry = PathRegistry(config, self.feed, lambda: self.now, emit=emit)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.registry.close()


async def test_a_publishers_visit_is_told_from_its_coming_to_its_leaving(scene: Scene) -> None:
    publication = await scene.registry.publish(request(), FakePublisher())
    publication.set_tracks([SOURCE], RTMP_CLOCK)
    scene.now += 0.5
    publication.write([picture(0, sync=True), picture(33)])
    scene.registry.publish_states()
    publication.close("the client closed")
    assert scene.recorder.kinds == [
        "path.state", "publisher.connected", "path.state", "path.state", "track.added",
        "rendition.added", "publisher.disconnected", "path.state",
    ]  # fmt: skip
    assert scene.recorder.of("path.state")[2] == {
        "state": "live", "was": "starting", "was_for_s": 0.5, "reason": "first-sample",
        "detail": "",
    }  # fmt: skip
    assert scene.recorder.of("publisher.connected") == [{"protocol": "rtmp", "role": "primary"}]
    assert scene.recorder.of("publisher.disconnected")[0]["reason"] == "the client closed"
    assert scene.recorder.of("rendition.added")[0]["copied"] is True
    first = scene.recorder.versions[0]
    assert [v - first for v in scene.recorder.versions] == [0, 0, 1, 2, 2, 2, 2, 3]
    assert "10.0.0.1" not in str(scene.recorder.events), "no addresses"


async def test_a_takeover_tells_that_the_old_publisher_left(scene: Scene) -> None:
    await scene.registry.publish(request(), FakePublisher())
    await scene.registry.publish(request(), FakePublisher())
    assert scene.recorder.of("publisher.disconnected")[0]["reason"] == "taken over"


async def test_a_rejection_is_told_with_its_reason_and_without_the_key() -> None:
    scene = Scene(**{"*": PathConfig(ladder="copy", publish_key="secret-key")})
    with pytest.raises(PublishRejected):
        await scene.registry.publish(request(key="wrong-key"), FakePublisher())
    assert scene.recorder.of("publisher.rejected") == [
        {
            "protocol": "rtmp",
            "code": "NetStream.Publish.BadName",
            "reason": "wrong or missing publish key for live/a",
        }
    ]
    assert "-key" not in str(scene.recorder.events)


async def test_a_flood_of_rejections_does_not_push_everything_else_out(scene: Scene) -> None:
    for _ in range(500):
        with pytest.raises(PublishRejected):
            await scene.registry.publish(request(path="api/../x"), FakePublisher())
    assert len(scene.recorder.events) == 20
    assert {path for _, path, _ in scene.recorder.events} == {""}, "it is no path's name"
    scene.now += 1.0
    with pytest.raises(PublishRejected):
        await scene.registry.publish(request(path="api/../x"), FakePublisher())
    assert scene.recorder.events[-1][2]["withheld"] == 480


async def test_a_path_that_goes_is_told(scene: Scene) -> None:
    publication = await scene.registry.publish(request(), FakePublisher())
    publication.close("gone")
    scene.now += 1_000.0
    await scene.registry.handle_timer()
    scene.now += 1_000.0
    await scene.registry.handle_timer()
    assert scene.recorder.kinds[-2:] == ["path.state", "path.closed"]


async def test_viewers_are_told_at_most_every_five_seconds(scene: Scene) -> None:
    scene.registry.set_viewers({"live/a": 1})
    for second in range(1, 8):
        scene.now = T0 + second
        scene.registry.set_viewers({"live/a": second + 1})
    assert scene.recorder.of("viewer.count") == [{"viewers": 1}, {"viewers": 6}]


def test_viewers_who_left_are_told_and_then_forgotten() -> None:
    news = ViewerNews()
    assert news.push({"a": 3}, 10.0) == [("a", 3)]
    assert news.push({}, 12.0) == []
    assert news.push({}, 15.0) == [("a", 0)]
    assert news.push({}, 20.0) == []
    assert news.push({}, 25.0) == []
    assert news.push({"a": 1}, 25.5) == [("a", 1)]


def test_a_flood_is_let_through_at_its_rate() -> None:
    flood = Flood(rate=2.0, burst=3.0)
    told = [flood.push({"n": n}, n / 10) for n in range(30)]
    assert 3 <= sum(one is not None for one in told) <= 9
    assert sum((one or {}).get("withheld", 0) for one in told) <= 27


NOW = 1_700_000_000.0


def test_sessions_are_told_with_as_much_of_their_name_as_logs_show() -> None:
    recorder = Recorder()
    news = SessionNews(recorder)
    view = SignalRequest(1, "view", "live/a")
    news.answered(view, SignalAnswer(1, 409), NOW)
    news.answered(view, SignalAnswer(1, 201, session="0123456789abcdef"), NOW)
    news.answered(SignalRequest(2, "patch", "live/a"), SignalAnswer(2, 204), NOW)
    news.ended("0123456789abcdef", "closed by the client")
    news.ended("0123456789abcdef", "again")
    assert recorder.events == [
        ("session.opened", "live/a", {"session": "01234567", "protocol": "whep"}),
        ("session.closed", "live/a",
         {"session": "01234567", "protocol": "whep", "reason": "closed by the client"}),
    ]  # fmt: skip


def test_viewers_are_known_by_what_is_shown_of_them() -> None:
    news = SessionNews(Recorder())
    view = SignalRequest(1, "view", "live/a", remote="10.0.0.1")
    for session in ("0123456789abcdef", "fedcba98aaa", "fedcba98bbb"):
        news.answered(view, SignalAnswer(1, 201, session=session), NOW)
    publish = SignalRequest(2, "publish", "live/a")
    news.answered(publish, SignalAnswer(2, 201, session="publisher-of-it"), NOW)
    assert [shown for shown, _ in news.viewers()] == ["01234567", "fedcba98", "fedcba98"]
    (_, first), *_ = news.viewers()
    assert (first.path, first.remote, first.since_utc) == ("live/a", "10.0.0.1", NOW)
    assert news.full_name("live/a", "01234567") == "0123456789abcdef"
    for path, shown in (("live/b", "01234567"), ("live/a", "fedcba98"), ("live/a", ""), ("x", "0")):
        assert news.full_name(path, shown) is None


def test_sessions_that_are_lost_with_their_process_are_told() -> None:
    recorder = Recorder()
    news = SessionNews(recorder)
    news.answered(SignalRequest(1, "publish", "live/b"), SignalAnswer(1, 201, session="abc"), NOW)
    news.all_ended("signal 9")
    assert recorder.events[-1][2] == {"session": "abc", "protocol": "whip", "reason": "signal 9"}


# -- what is observed once a second ------------------------------------------------------------


async def observed(scene: Scene) -> Any:
    publication = await scene.registry.publish(request(), FakePublisher())
    publication.set_tracks([SOURCE], RTMP_CLOCK)
    entry = scene.registry._paths["live/a"]
    return entry.path.statistics(scene.now), entry.pipeline.statistics()


async def test_a_change_of_a_track_and_of_renditions_is_told_once(scene: Scene) -> None:
    seen, made = await observed(scene)
    observer = PathObserver(AdviceMemory())
    assert [n.kind for n in observer.push(seen, made, T0)] == ["track.added", "rendition.added"]
    assert observer.push(seen, made, T0) == []
    larger = replace(SOURCE, width=1920, height=1080)
    made = replace(made, tracks=(AUDIO,))
    news = observer.push(replace(seen, tracks=(larger,)), made, T0)
    assert [(n.kind, n.data["name"]) for n in news] == [
        ("track.changed", SOURCE.name), ("rendition.removed", SOURCE.name),
        ("rendition.added", "audio"),
    ]  # fmt: skip
    assert news[0].data["width"] == 1920
    away = observer.push(replace(seen, tracks=()), made, T0)
    assert away == [], "a publisher that is away has not changed its tracks"


async def test_jumps_of_a_clock_are_advised_about_but_not_each(scene: Scene) -> None:
    seen, made = await observed(scene)
    observer = PathObserver(AdviceMemory())
    observer.push(seen, made, T0)
    told = []
    for second in range(1, 25):
        timeline = replace(seen.timeline, jumps=second)
        told += observer.push(replace(seen, timeline=timeline), made, T0 + second)
    assert [(n.kind, n.data["code"]) for n in told] == [("ingest.advice", "timestamp-jump")] * 3
    assert all(n.data["to_do"] for n in told)


async def test_a_clock_that_drifts_is_advised_about_once_until_it_does_not(scene: Scene) -> None:
    seen, made = await observed(scene)
    observer = PathObserver(AdviceMemory())
    observer.push(seen, made, T0)

    def codes(ahead_s: float, publishers: int = 1) -> list[str]:
        timeline = replace(seen.timeline, is_adrift=abs(ahead_s) > 2, ahead_s=ahead_s)
        now = replace(seen, timeline=timeline, publishers=publishers)
        return [news.data["code"] for news in observer.push(now, made, T0)]

    assert codes(2.5) == ["clock-drift"]
    assert codes(2.6) == []
    assert codes(2.6, publishers=2) == [], "whoever comes back as before knows"
    assert codes(3.4) == ["clock-drift"], "it is worse"
    assert codes(1.9) == codes(2.7) == [], "it is not over at the line"
    assert codes(0.1) == []
    assert codes(2.1) == ["clock-drift"]


async def test_sound_that_drifts_from_its_picture_is_advised_about(scene: Scene) -> None:
    seen, made = await observed(scene)
    observer = PathObserver(AdviceMemory())
    told = []
    for second in range(120):
        timeline = replace(seen.timeline, skew_s=0.2 + 0.005 * second)
        told += observer.push(replace(seen, timeline=timeline), made, T0 + second)
    advice = [news.data for news in told if news.kind == "ingest.advice"]
    assert {one["code"] for one in advice} == {"av-drift"}
    assert 0.25 < advice[0]["sound_ahead_s"] < 0.3
    assert "ahead of the picture" in advice[0]["text"]
    assert len(advice) <= 4, "and again when it is worse, not each second"


async def test_a_publisher_whose_sound_runs_one_percent_fast_is_told(scene: Scene) -> None:
    publication = await scene.registry.publish(request(), FakePublisher())
    publication.set_tracks([SOURCE, AUDIO], RTMP_CLOCK)
    sounds = 0
    for n in range(60 * 25):
        scene.now = T0 + n / 25
        publication.write([picture(n * 40, sync=n % 50 == 0)])
        while sounds * 1024 / 48 < n * 40:
            publication.write([sound(int(sounds * 1024 / 48 * 1.01))])
            sounds += 1
        if n % 25 == 0:
            scene.registry.publish_states()
    advice = [data for data in scene.recorder.of("ingest.advice") if data["code"] == "av-drift"]
    assert 1 <= len(advice) <= 3
    assert 0.25 < advice[0]["sound_ahead_s"] < 0.35
    assert advice[0]["role"] == "primary"


def test_a_constant_distance_of_sound_and_picture_is_no_drift() -> None:
    drift = AvDrift()
    assert {drift.push(1, 0.8) for _ in range(60)} == {0.0}
    uneven = [0.8 + 0.2 * (n % 3 - 1) for n in range(60)]
    assert max(abs(drift.push(2, skew_s)) for skew_s in uneven) < 0.1
    assert drift.push(3, 5.0) == 0.0, "another publisher is measured anew"
    assert drift.push(3, None) == 0.0
    for _ in range(2 * MEASURES):
        assert drift.push(3, 5.0) == 0.0


async def test_a_transcoders_death_is_told_with_its_reason(scene: Scene) -> None:
    seen, made = await observed(scene)
    observer = PathObserver(AdviceMemory())
    end = WorkerExit(-9, "signal 9", 3.0, 0.5)

    def transcode(starts: int) -> TranscodeStatistics:
        state = TranscodeState(TranscodePhase.RUNNING, "", ())
        worker = WorkerStatistics(7, starts, 0, end if starts > 1 else None)
        return TranscodeStatistics(state, worker, StatusMessage(), 0, 0, 0)

    told = [
        observer.push(seen, replace(made, transcode=transcode(starts)), T0)
        for starts in (1, 1, 2, 2)
    ]
    restarts = [[n.data for n in news if n.kind == "worker.restarted"] for news in told]
    assert restarts == [[], [], [{"worker": "transcoder", "reason": "signal 9"}], []]


async def test_segments_are_told_when_they_can_be_fetched(scene: Scene) -> None:
    scene.feed.on_segment = segment_news(scene.recorder)
    publication = await scene.registry.publish(request(), FakePublisher())
    publication.set_tracks([SOURCE], RTMP_CLOCK)
    for n in range(0, 7_000, 40):
        scene.now = T0 + n / 1000
        publication.write([picture(n, sync=n % 1000 == 0)])
    told = scene.recorder.of("segment.ready")
    assert len(told) >= 2
    assert told[1]["msn"] == told[0]["msn"] + 1
    assert told[0]["url"] == f"/live/a/source/{told[0]['msn']}.m4s"


# -- the first seconds of a publisher ----------------------------------------------------------


def picture(ms: int, *, sync: bool = False, later_ms: int = 0) -> Sample:
    return Sample("source", ms, ms + later_ms, b"x", sync)


def sound(ms: int) -> Sample:
    return Sample("audio", ms, ms, b"x", True)


def verdict(
    samples: list[Sample], tracks: tuple[Track, ...] = (VIDEO, AUDIO), **options: Any
) -> list[str]:
    exam = IngestExam(T0, 2.0, **options)
    exam.set_tracks(tracks, RTMP_CLOCK)
    exam.push(samples)
    assert not exam.is_over(T0 + EXAM_S - 1)
    assert exam.is_over(T0 + EXAM_S)
    return [advice.code for advice in exam.verdict()]


def stream(gop: int, frames: int = 300, **options: int) -> list[Sample]:
    pictures = [picture(n * 100 // 3, sync=n % gop == 0, **options) for n in range(frames)]
    return [*pictures, sound(0)]


def test_a_good_publisher_gets_no_advice() -> None:
    assert verdict(stream(60)) == []
    assert verdict(stream(60, later_ms=67)) == [], "a constant offset is no reordering"


def test_long_groups_of_pictures_are_advised_about() -> None:
    assert verdict(stream(150)) == ["gop-too-long"]
    assert verdict(stream(1_000)) == ["gop-too-long"], "also one that has not ended yet"
    assert verdict(stream(150), asks_key_frames=True) == []


def test_b_frames_are_advised_about() -> None:
    samples = stream(60)
    samples[7] = picture(233, later_ms=67)
    assert verdict(samples) == ["b-frames"]


def test_a_variable_frame_rate_is_advised_about_and_a_lost_picture_is_not() -> None:
    assert verdict([s for n, s in enumerate(stream(60)) if n % 5 or n == 300]) == [
        "variable-frame-rate"
    ]
    assert verdict([s for n, s in enumerate(stream(60)) if n != 37]) == []


def test_missing_sound_and_pictures_are_advised_about() -> None:
    assert verdict(stream(60)[:-1]) == ["missing-audio"]
    assert verdict(stream(60)[:-1], tracks=(VIDEO,)) == ["missing-audio"]
    assert verdict([sound(0)]) == ["missing-video"]


async def test_advice_follows_the_first_seconds_of_a_publisher(scene: Scene) -> None:
    publication = await scene.registry.publish(request(), FakePublisher())
    publication.set_tracks([SOURCE], RTMP_CLOCK)
    for n in range(14):
        scene.now = T0 + n
        publication.write([picture(n * 1000, sync=n == 0)])
    codes = [data["code"] for data in scene.recorder.of("ingest.advice")]
    assert codes == ["gop-too-long", "missing-audio"]


async def test_nobody_is_advised_about_our_own_test_source() -> None:
    """On a machine that is too slow for it its key frames are late, which nobody can set right."""
    scene = Scene(demo=PathConfig(source="test:?fps=30", ladder="copy"))
    publication = await scene.registry.publish(request("demo", protocol="pull"), FakePublisher())
    publication.set_tracks([SOURCE], RTMP_CLOCK)
    for n in range(14):
        scene.now = T0 + n
        publication.write([picture(n * 1000, sync=n == 0)])
    assert scene.recorder.of("ingest.advice") == []
    await scene.registry.close()


async def test_advice_is_given_once_until_it_changes_whoever_connects_again(scene: Scene) -> None:
    codes = []
    for gop in (1_000, 1_000, 2_000, 60, 1_000):  # frames: seconds of them
        publication = await scene.registry.publish(request(), FakePublisher())
        publication.set_tracks([SOURCE], RTMP_CLOCK)
        before = len(scene.recorder.events)
        for second in range(14):
            scene.now += 1
            for n in range(second * 30, second * 30 + 30):
                publication.write([picture(n * 100 // 3, sync=n % gop == 0)])
        publication.close("gone")
        codes.append([
            data["code"] for kind, _, data in scene.recorder.events[before:]
            if kind == "ingest.advice" and data["code"] != "missing-audio"
        ])  # fmt: skip
    assert codes == [["gop-too-long"], [], [], [], ["gop-too-long"]]
