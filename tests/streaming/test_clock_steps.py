"""The system's clock is set while a path is on air."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from segmenter.media import Sample
from segmenter.timeline import SourceClock
from streaming.config import Config
from streaming.config_paths import PathConfig
from streaming.ingest.source import Publication
from streaming.media_store import MediaStore
from streaming.path import Path
from streaming.path_registry import PathRegistry
from streaming.path_state import PathState
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import Put
from streaming.utc_clock import UtcClock
from tests.segmenter.stage import SOURCE, START, video
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import request

STEPS = pytest.mark.parametrize("step_s", [3600.0, -3600.0])


class Machine:
    """An origin on a machine whose clock can be set."""

    def __init__(self) -> None:
        self.uptime = 500.0
        self.ahead = START - 500.0
        self.clock = UtcClock(
            system=lambda: self.uptime + self.ahead, monotonic=lambda: self.uptime
        )
        self.feed = ShelfFeed(MediaStore())
        config = Config(paths={"*": PathConfig(ladder="copy", linger_s=30)})
        self.registry = PathRegistry(config, self.feed, self.clock)

    async def publish(self) -> Publication:
        publication = await self.registry.publish(request(), FakePublisher())
        publication.set_tracks([SOURCE], SourceClock(90_000))
        return publication

    async def run(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.uptime += 1
            self.clock.follow(is_idle=self.registry.is_idle)
            await self.registry.handle_timer()

    async def push(self, publication: Publication, at: float, seconds: float) -> None:
        for number, sample in enumerate(video(at=at, seconds=seconds)):
            stamp = sample.dts
            publication.write([Sample(sample.track, stamp, stamp, sample.data, sample.is_sync)])
            self.uptime += 1 / 30
            if number % 30 == 29:
                self.clock.follow(is_idle=self.registry.is_idle)
                await self.registry.handle_timer()

    def text(self) -> str:
        put = self.feed._current["/live/a/source/index.m3u8"]
        assert isinstance(put, Put)
        return put.body.decode()

    @property
    def path(self) -> Path:
        return self.registry._paths["live/a"].path


@STEPS
async def test_the_stream_goes_on_as_if_nothing_had_happened(step_s: float) -> None:
    machine = Machine()
    publication = await machine.publish()
    await machine.push(publication, 0, 10)
    machine.ahead += step_s
    await machine.push(publication, 10, 10)
    text = machine.text()
    numbers = [int(number) for number in re.findall(r"^(\d+)\.m4s$", text, re.M)]
    dates = [
        datetime.fromisoformat(date).timestamp()
        for date in re.findall(r"PROGRAM-DATE-TIME:(\S+)\n(?:#EXT-X-PART.*\n)*#EXTINF", text)
    ]
    assert numbers == list(range(numbers[0], numbers[0] + 9))
    assert [round(date - START) for date in dates] == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert "#EXT-X-DISCONTINUITY\n" not in text
    assert machine.path.state is PathState.LIVE


@STEPS
async def test_a_path_lingers_neither_longer_nor_shorter(step_s: float) -> None:
    machine = Machine()
    publication = await machine.publish()
    await machine.push(publication, 0, 5)
    publication.close("gone")
    machine.ahead += step_s
    await machine.run(28)
    assert machine.path.state is PathState.RECONNECTING
    await machine.run(3)
    assert machine.path.state is PathState.ENDED


@STEPS
async def test_a_publisher_that_comes_back_continues_where_time_is(step_s: float) -> None:
    machine = Machine()
    publication = await machine.publish()
    await machine.push(publication, 0, 5)
    publication.close("gone")
    machine.ahead += step_s
    await machine.run(7)
    await machine.push(await machine.publish(), 0, 5)
    dates = re.findall(
        r"#EXT-X-DISCONTINUITY\n(?:.*\n)*?#EXT-X-PROGRAM-DATE-TIME:(\S+)", machine.text()
    )
    (back,) = (datetime.fromisoformat(date).timestamp() - START for date in dates)
    assert back == pytest.approx(12, abs=0.2)
