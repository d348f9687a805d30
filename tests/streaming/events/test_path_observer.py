"""What is observed of paths once a second."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from segmenter.timeline import RTMP_CLOCK
from streaming.events.advice_memory import AdviceMemory
from streaming.events.av_drift import MEASURES, AvDrift
from streaming.events.path_observer import PathObserver
from streaming.path_news import segment_news
from streaming.transcode.messages import StatusMessage
from streaming.transcode.transcode_link import (
    TranscodePhase,
    TranscodeState,
    TranscodeStatistics,
)
from streaming.worker_process import WorkerExit, WorkerStatistics
from tests.segmenter.stage import SOURCE
from tests.streaming.events.news_scene import AUDIO, T0, Scene
from tests.streaming.events.test_ingest_exam import picture, sound
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import request


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
