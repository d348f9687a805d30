"""What is said of a publisher's first seconds."""

from __future__ import annotations

from typing import Any

from segmenter.media import Sample, Track
from segmenter.timeline import RTMP_CLOCK
from streaming.config_paths import PathConfig
from streaming.events.ingest_exam import EXAM_S, IngestExam
from tests.segmenter.stage import SOURCE
from tests.streaming.events.news_scene import AUDIO, T0, VIDEO, Scene
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import request


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
