"""A slate's worker and pace, with a real worker process."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable

from segmenter.timeline import RTMP_CLOCK
from streaming.config_paths import PathConfig
from streaming.path import Path
from streaming.path_state import PathState
from streaming.slate.source import SlateSource
from tests.segmenter.stage import AUDIO, SMALL
from tests.streaming.test_path import FakePublisher, RecordingReader

WAIT_S = 20.0


async def until(condition: Callable[[], bool], *each: Callable[[], None]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        for call in each:
            call()
        await asyncio.sleep(0.02)


def path(**settings: object) -> tuple[Path, RecordingReader]:
    config = PathConfig(
        slate="card", slate_always=True, slate_width=128, slate_height=72,
        **settings,  # type: ignore[arg-type]
    )  # fmt: skip
    made = Path("live/a", config, time.time(), lambda change: None)
    reader = RecordingReader()
    made.readers.append(reader)
    return made, reader


async def test_a_slate_is_encoded_once_and_played_at_its_pace() -> None:
    made, reader = path()
    source = SlateSource(made, time.time)

    def tick() -> None:
        made.handle_timer(time.time())
        source.handle_timer()

    await until(lambda: made.state is PathState.SLATE, tick)
    began = time.time()
    await until(lambda: time.time() - began > 1.0, tick)
    await source.close()
    video = [sample for sample in reader.samples if sample.track == "source"]
    assert 15 <= len(video) <= 45, "30 frames each second, on a machine that does other things"
    assert video[0].is_sync
    assert {sample.track for sample in reader.samples} == {"source", "audio"}
    assert abs(video[-1].dts / 90_000 - time.time()) < 1.0


async def test_a_slates_worker_that_is_killed_is_replaced_and_told_of() -> None:
    made, _ = path()
    died: list[str] = []
    source = SlateSource(made, time.time, died.append)

    def tick() -> None:
        made.handle_timer(time.time())
        source.handle_timer()

    await until(lambda: source._encoding.pid > 0, tick)
    os.kill(source._encoding.pid, signal.SIGKILL)
    await until(lambda: made.state is PathState.SLATE, tick)
    await source.close()
    assert died == ["signal 9"]


async def test_a_slate_follows_what_publishers_look_like() -> None:
    made, reader = path()
    source = SlateSource(made, time.time)
    slot = made.occupy(FakePublisher(), "1.2.3.4:5", "rtmp", time.time())
    made.set_tracks(slot, (SMALL, AUDIO), RTMP_CLOCK, time.time())
    assert made.live_tracks == (SMALL, AUDIO)
    made.leave(slot, "gone", time.time())

    def tick() -> None:
        made.handle_timer(time.time())
        source.handle_timer()

    await until(lambda: made.state is PathState.SLATE, tick)
    await source.close()
    video, sound = reader.tracks
    assert (video.width, video.height) == (640, 360)
    assert sound == AUDIO
