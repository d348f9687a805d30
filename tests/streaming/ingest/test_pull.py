"""A pulled source seen from the origin, with the true worker process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from segmenter.media import Codec
from streaming.config import PathConfig
from streaming.errors import LocalError
from streaming.ingest.pull import PullSource, PullState
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
        source = PullSource("live/pulled", config, door, on_state=door.note_change)
        sources.append(source)
        source.start()
        return source

    yield make
    for source in sources:
        await source.close()


async def test_the_test_source_arrives_as_two_tracks_in_ticks_of_90_khz(
    door: FakeDoor, open_pull: Open
) -> None:
    source = open_pull(TINY)
    await door.wait_until(lambda: len(door.samples()) >= 20)
    assert source.state is PullState.LIVE
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


async def test_a_worker_that_dies_ends_the_publication_and_another_run_publishes_anew(
    door: FakeDoor, open_pull: Open
) -> None:
    source = open_pull(TINY)
    await door.wait_until(lambda: len(door.samples()) >= 2)
    source.kill_worker("killed by the test")
    await door.wait_until(lambda: len(door.samples(1)) >= 2)
    assert "killed by the test" in door.publications[0].closed
    assert source.statistics().starts == 2


async def test_a_source_displaced_by_another_publisher_stands_back(
    door: FakeDoor, open_pull: Open
) -> None:
    source = open_pull(TINY)
    await door.wait_until(lambda: source.state is PullState.LIVE)
    door.publishers[0].close("NetStream.Publish.Reset", "taken over")
    assert source.state is PullState.DISPLACED
    assert door.publications[0].closed == "", "whoever displaces a publisher knows"
    source.start()
    await door.wait_until(lambda: len(door.samples(1)) >= 1)


async def test_a_refused_source_waits_and_says_why(door: FakeDoor, open_pull: Open) -> None:
    door.refusal = "the path is taken"
    source = open_pull(TINY)
    await door.wait_until(lambda: source.state is PullState.WAITING)
    assert "the path is taken" in source.statistics().last_error


async def test_an_impossible_source_is_reported_in_one_sentence(
    door: FakeDoor, open_pull: Open
) -> None:
    source = open_pull("test:?widht=3")
    await door.wait_until(lambda: source.state is PullState.WAITING)
    assert "unknown option 'widht'" in source.statistics().last_error
    assert door.requests == []


async def test_a_closed_source_has_left_the_path_and_cannot_start_again(
    door: FakeDoor, open_pull: Open
) -> None:
    source = open_pull(TINY)
    await door.wait_until(lambda: source.state is PullState.LIVE)
    await source.close()
    assert door.publications[0].closed
    with pytest.raises(LocalError, match="closed"):
        source.start()


async def test_the_secrets_of_a_source_stay_out_of_its_statistics(door: FakeDoor) -> None:
    config = PathConfig(source="rtsp://admin:hunter2@camera/stream?token=abc")
    source = PullSource("cam", config, door)
    assert source.statistics().source == "rtsp://***@camera/stream?token=***"


async def test_a_file_arrives_and_its_end_is_the_end_of_the_source(
    door: FakeDoor, open_pull: Open, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "second.mp4", "", "aac", seconds=1)
    source = open_pull(str(clip), source_loop=False)
    await door.wait_until(lambda: source.state is PullState.ENDED)
    assert len(door.samples()) == 48
    assert "ended" in door.publications[0].closed


async def test_a_missing_file_is_tried_again_and_named(door: FakeDoor, open_pull: Open) -> None:
    source = open_pull("no/such/clip.mp4")
    await door.wait_until(lambda: source.statistics().starts == 2)
    assert "no/such/clip.mp4: No such file" in source.statistics().last_error
