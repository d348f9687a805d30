"""A pulled source seen from the origin, with the true worker process."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from segmenter.media import Codec
from streaming.config_paths import PathConfig
from streaming.errors import LocalError
from streaming.ingest.pull import PullSource
from tests.streaming.ingest.pull_fakes import FakeDoor
from tests.streaming.ingest.test_demux import make_clip

TINY = "test:?width=160&height=90&fps=10&bitrate_kbps=100"
Open = Callable[..., PullSource]


@pytest.fixture
async def door() -> FakeDoor:
    return FakeDoor()


@pytest.fixture
async def open_pull(door: FakeDoor) -> AsyncIterator[Open]:
    sources: list[PullSource] = []

    def make(url: str, **settings: object) -> PullSource:
        config = PathConfig(source=url, **settings)  # type: ignore[arg-type]
        source = PullSource("live/pulled", config, door, door)
        sources.append(source)
        source.open()
        return source

    yield make
    for source in sources:
        await source.close()


async def test_the_test_source_arrives_as_two_tracks_in_ticks_of_90_khz(
    door: FakeDoor, open_pull: Open
) -> None:
    source = open_pull(TINY)
    await door.wait_until(lambda: len(door.samples()) >= 20)
    assert source.statistics().is_publishing
    (published,) = door.publications
    assert [(t.name, t.codec) for t in published.tracks] == [
        ("source", Codec.H264),
        ("audio", Codec.AAC),
    ]
    assert published.clock is not None
    assert (published.clock.timescale, published.clock.wrap_bits) == (90_000, None)
    first = next(s for s in published.samples if s.track == "source")
    assert first.is_sync
    assert abs(first.captured_utc - first.pts / 90_000) < 0.001
    assert (door.requests[0].path, door.requests[0].protocol) == ("live/pulled", "pull")


async def test_a_run_that_is_over_ends_the_publication_and_the_next_publishes_anew(
    door: FakeDoor, open_pull: Open
) -> None:
    source = open_pull(TINY)
    await door.wait_until(lambda: len(door.samples()) >= 2)
    source.abandon("ended by the test")
    await door.wait_until(lambda: bool(door.ends))
    assert door.publications[0].closed == "the source was lost", "events do not name it"
    assert door.ends[0].reason == "ended by the test"
    assert not door.ends[0].died, "we know why"
    source.open()
    await door.wait_until(lambda: len(door.samples(1)) >= 2)
    assert source.statistics().starts == 2
    assert door.opened == 2


async def test_a_worker_that_is_killed_is_no_fault_of_the_source(
    door: FakeDoor, open_pull: Open
) -> None:
    source = open_pull(TINY)
    await door.wait_until(lambda: len(door.samples()) >= 2)
    assert source._worker is not None
    os.kill(source._worker.statistics().pid, signal.SIGKILL)
    await door.wait_until(lambda: bool(door.ends))
    assert door.ends[0].died
    assert door.ends[0].reason == "signal 9"


async def test_a_source_displaced_by_another_publisher_stands_back(
    door: FakeDoor, open_pull: Open
) -> None:
    source = open_pull(TINY)
    await door.wait_until(lambda: source.statistics().is_publishing)
    door.publishers[0].close("NetStream.Publish.Reset", "taken over")
    assert door.over == ["taken over"]
    assert door.publications[0].closed == "", "whoever displaces a publisher knows"
    source.open()
    await door.wait_until(lambda: len(door.samples(1)) >= 1)


async def test_a_refused_source_says_why(door: FakeDoor, open_pull: Open) -> None:
    door.refusal = "the path is taken"
    source = open_pull(TINY)
    await door.wait_until(lambda: bool(door.ends))
    assert "the path is taken" in source.statistics().last_error
    assert door.opened == 0


async def test_an_impossible_source_is_reported_in_one_sentence(
    door: FakeDoor, open_pull: Open
) -> None:
    source = open_pull("test:?widht=3")
    await door.wait_until(lambda: bool(door.ends))
    assert "unknown option 'widht'" in source.statistics().last_error
    assert door.requests == []


async def test_a_closed_source_has_left_the_path_and_cannot_be_opened_again(
    door: FakeDoor, open_pull: Open
) -> None:
    source = open_pull(TINY)
    await door.wait_until(lambda: source.statistics().is_publishing)
    await source.close()
    assert door.publications[0].closed
    assert door.ends == []
    with pytest.raises(LocalError, match="closed"):
        source.open()


async def test_the_secrets_of_a_source_stay_out_of_its_statistics(door: FakeDoor) -> None:
    config = PathConfig(source="rtsp://admin:hunter2@camera/stream?token=abc")
    source = PullSource("cam", config, door, door)
    assert source.statistics().source == "rtsp://***@camera/stream?token=***"


async def test_a_file_arrives_and_its_end_is_the_end_of_the_source(
    door: FakeDoor, open_pull: Open, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "second.mp4", "", "aac", seconds=1)
    open_pull(str(clip), source_loop=False)
    await door.wait_until(lambda: bool(door.over))
    assert len(door.samples()) == 48
    assert "ended" in door.publications[0].closed


async def test_a_missing_file_is_named(door: FakeDoor, open_pull: Open) -> None:
    open_pull("no/such/clip.mp4")
    await door.wait_until(lambda: bool(door.ends))
    assert "no/such/clip.mp4: No such file" in door.ends[0].reason
