from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from segmenter.media import Sample, Track
from streaming.config_paths import PathConfig, RungConfig
from streaming.transcode.ladder import plan_ladder
from streaming.transcode.video_thread import VideoThread
from tests.streaming.transcode.clips import Clip, start_message, steady, video_clip

LADDER = (RungConfig(name="mid", height=96), RungConfig(name="low", height=64))
SECOND = 90_000


class Watched:
    """A VideoThread and what it emits."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.failures: list[BaseException] = []
        self._news = threading.Condition()
        self.thread = VideoThread(self._emit, self._tell, self.failures.append)

    def _emit(self, sample: Sample) -> None:
        with self._news:
            self.samples.append(sample)
            self._news.notify()

    def _tell(self, tracks: Sequence[Track]) -> None:
        pass

    def put(self, clip: Clip, after: int) -> None:
        for sample in clip.samples:
            self.thread.put(replace(sample, dts=sample.dts + after, pts=sample.pts + after))

    def wait(self, samples: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.samples) >= samples, 20)

    def pts(self, name: str) -> list[int]:
        return [sample.pts for sample in self.samples if sample.track == name]


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.thread.stop()
    assert not made.failures


@pytest.fixture(scope="module")
def clip() -> Clip:
    return video_clip(steady(10, 30), gop=10, frame_rate=30)


def begin(watched: Watched, clip: Clip, **options: Any) -> None:
    plan = plan_ladder(PathConfig(ladder=LADDER), clip.track, None, None, 8)
    watched.thread.start(start_message(plan, clip.track, follow_source=True, **options))


def test_a_shed_rung_stands_still_and_returns_with_a_key_frame(
    watched: Watched, clip: Clip
) -> None:
    begin(watched, clip)
    watched.put(clip, 0)
    watched.wait(20)
    watched.thread.shed(("mid",))
    watched.put(clip, SECOND)  # its first frame is on its way when the news arrives
    watched.wait(31)
    watched.put(clip, 2 * SECOND)
    watched.wait(41)
    watched.thread.shed(())
    watched.put(clip, 3 * SECOND)
    watched.wait(51)
    watched.put(clip, 4 * SECOND)
    watched.wait(71)
    first = clip.samples[0].pts
    assert watched.pts("low") == [s.pts + n * SECOND for n in range(5) for s in clip.samples]
    assert watched.pts("mid") == [
        *[s.pts for s in clip.samples],
        first + SECOND,
        *[s.pts + 4 * SECOND for s in clip.samples],
    ]
    assert watched.thread.statistics().shed == ()
    back = next(s for s in watched.samples if s.track == "mid" and s.pts == first + 4 * SECOND)
    assert back.is_sync
    assert not back.discontinuity


def test_each_rung_is_encoded_by_a_thread_of_its_own(watched: Watched, clip: Clip) -> None:
    begin(watched, clip)
    watched.put(clip, 0)
    watched.wait(20)
    names = [thread.name for thread in threading.enumerate()]
    assert (names.count("encode mid"), names.count("encode low")) == (1, 1)


gate = threading.Event()
reached = threading.Event()


def blocked(image: Any, pts_s: float) -> None:
    reached.set()
    gate.wait(20)


def test_a_frame_that_hangs_in_a_hook_shows_as_stuck(watched: Watched, clip: Clip) -> None:
    begin(watched, clip, frame_hook=f"{__name__}:blocked")
    watched.put(clip, 0)
    assert reached.wait(20)
    first = watched.thread.statistics().stuck_s
    assert 0 < first < watched.thread.statistics().stuck_s
    gate.set()
    watched.wait(20)
    watched.thread.drain().wait(20)
    assert watched.thread.statistics().stuck_s == 0


def test_what_waits_while_decoding_stands_still_is_lag(watched: Watched, clip: Clip) -> None:
    gate.clear()
    reached.clear()
    begin(watched, clip, frame_hook=f"{__name__}:blocked")
    watched.put(clip, 0)
    assert reached.wait(20)
    watched.put(clip, SECOND)
    assert 0.9 < watched.thread.lag_s < 1.4
    gate.set()
    watched.wait(40)
    assert watched.thread.lag_s == 0
