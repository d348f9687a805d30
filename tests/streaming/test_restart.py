"""Another registry on the same state directory: paths go on, or at least above their numbers."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path

import pytest

from segmenter.media import Sample
from segmenter.timeline import SourceClock
from streaming.config import Config
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.ingest.source import Publication
from streaming.live_state.live_state import LONGEST_ABSENCE_S, LiveState
from streaming.media_store import MediaStore
from streaming.path_registry import PathRegistry
from streaming.path_state import PathState
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import PathState as PathStateMessage
from streaming.shelf_messages import Put
from tests.segmenter.stage import AUDIO, SOURCE, START, audio, interleaved, video
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import request

CLOCK = SourceClock(90_000)
COPY = PathConfig(ladder="copy", audio="copy", linger_s=30)


class Machine:
    """What stays when an origin dies: the disk and the time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = float(START)
        self.settings = COPY
        self.boot()

    def boot(self, name: str = "live/*") -> None:
        """An origin starts."""
        store = MediaStore()
        self.feed = ShelfFeed(store)
        self.live_state = LiveState(str(self.root), {}, store.open_reader())
        config = Config(paths={name: self.settings})
        self.registry = PathRegistry(config, self.feed, lambda: self.now, self.live_state)
        self.registry.start()

    async def reboot(self, away_s: float = 1.0, name: str = "live/*") -> None:
        """The origin is killed and another one starts."""
        self.live_state.close()
        self.now += away_s
        self.boot(name)
        restoring = self.registry._restoring
        assert restoring is not None
        await restoring.wait_done()

    async def publish(self) -> Publication:
        publication = await self.registry.publish(request(), FakePublisher())
        publication.set_tracks([SOURCE, AUDIO], CLOCK)
        return publication

    def push(self, publication: Publication, seconds: float) -> None:
        first = self.now
        for sample in interleaved(video(seconds=seconds), audio(seconds=seconds)):
            scale = 90_000 if sample.track == "source" else 48_000
            self.now = first + sample.dts / scale - START
            stamp = sample.dts * 90_000 // scale
            publication.write([Sample(sample.track, stamp, stamp, sample.data, sample.is_sync)])

    async def play(self, seconds: float) -> None:
        self.push(await self.publish(), seconds)

    def text(self) -> str:
        put = self.feed._current.get("/live/a/source/index.m3u8")
        return put.body.decode() if isinstance(put, Put) else ""

    def numbers(self) -> list[int]:
        return [int(number) for number in re.findall(r"^(\d+)\.m4s$", self.text(), re.M)]

    @property
    def state(self) -> PathState | None:
        entry = self.registry._paths.get("live/a")
        return entry.path.state if entry is not None else None


@pytest.fixture
async def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def test_a_path_waits_for_its_publisher_with_its_playlists(machine: Machine) -> None:
    await machine.play(9)
    before = machine.numbers()
    await machine.reboot()
    assert machine.numbers() == [*before, before[-1] + 1]
    assert machine.text().count("#EXT-X-GAP") == 1
    assert machine.state is PathState.RECONNECTING


async def test_versions_of_its_state_go_on_rising_over_a_kill(machine: Machine) -> None:
    await machine.play(9)
    before = machine.registry.state_version("live/a")
    assert before is not None
    await machine.reboot(away_s=0.5)
    after = machine.registry.state_version("live/a")
    assert after is not None
    assert after > before


async def test_a_publisher_that_comes_back_goes_on_after_a_discontinuity(machine: Machine) -> None:
    await machine.play(9)
    before = machine.numbers()
    await machine.reboot(5)
    await machine.play(9)
    assert machine.numbers() == list(range(before[0], before[-1] + 6))
    assert machine.text().count("#EXT-X-DISCONTINUITY\n") == 1
    assert machine.text().count("#EXT-X-GAP") == 1


async def test_a_path_lingers_from_the_restart_on_and_then_ends(machine: Machine) -> None:
    await machine.play(9)
    await machine.reboot(100)
    machine.now += COPY.linger_s - 1
    await machine.registry.handle_timer()
    assert machine.state is PathState.RECONNECTING
    machine.now += 2
    await machine.registry.handle_timer()
    assert machine.state is PathState.ENDED
    assert machine.text().endswith("#EXT-X-ENDLIST\n")
    await machine.reboot()
    assert machine.state is None


async def test_a_publisher_that_is_back_first_waits_for_its_path(machine: Machine) -> None:
    await machine.play(9)
    before = machine.numbers()
    machine.live_state.close()
    machine.boot()
    said = machine.feed._current["path:live/a"]
    assert isinstance(said, PathStateMessage)
    assert said.state == "starting"
    await machine.play(5)
    assert machine.numbers()[: len(before)] == before


async def test_timers_do_not_touch_a_path_that_is_being_restored(machine: Machine) -> None:
    await machine.play(9)
    before = machine.numbers()
    machine.live_state.close()
    machine.boot()
    restoring = machine.registry._restoring
    assert restoring is not None
    waiting = asyncio.create_task(restoring.wait_done())
    while not waiting.done():
        await machine.registry.handle_timer()
        machine.registry.publish_states()
        await asyncio.sleep(0)
    assert machine.numbers() == [*before, before[-1] + 1]


async def test_settings_that_were_changed_begin_anew_above_the_old_numbers(
    machine: Machine,
) -> None:
    await machine.play(9)
    before = machine.numbers()
    machine.settings = PathConfig(ladder="copy", audio="copy", segment_duration_s=1)
    machine.now -= 3600
    await machine.reboot()
    assert machine.state is None
    await machine.play(5)
    assert machine.numbers()[0] > before[-1]


async def test_numbers_that_were_left_outlast_a_publisher_that_is_refused(
    machine: Machine,
) -> None:
    await machine.play(9)
    before = machine.numbers()
    machine.settings = PathConfig(
        ladder="copy", audio="copy", segment_duration_s=1, publish_key="right"
    )
    machine.now -= 3600
    await machine.reboot(name="live/a")
    with pytest.raises(PublishRejected):
        await machine.registry.publish(request(key="wrong"), FakePublisher())
    await machine.registry.handle_timer()
    assert machine.state is None
    publication = await machine.registry.publish(request(key="right"), FakePublisher())
    publication.set_tracks([SOURCE, AUDIO], CLOCK)
    machine.push(publication, 5)
    assert machine.numbers()[0] > before[-1]


async def test_what_was_left_long_ago_is_not_restored_but_its_numbers_count(
    machine: Machine,
) -> None:
    await machine.play(9)
    before = machine.numbers()
    await machine.reboot(LONGEST_ABSENCE_S + 60)
    assert machine.state is None
    machine.now -= 2 * 3600
    await machine.play(5)
    assert machine.numbers()[0] > before[-1]


async def test_a_path_that_cannot_be_restored_begins_anew_above_its_numbers(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await machine.play(9)
    before = machine.numbers()
    machine.live_state.close()

    def fails(*_: object) -> None:
        raise ValueError("nonsense")

    monkeypatch.setattr("streaming.origin.Origin.begin_restore", fails)
    machine.now -= 3600
    await machine.reboot()
    assert machine.state is None
    assert "ValueError: nonsense" in caplog.text
    await machine.play(5)
    assert machine.numbers()[0] > before[-1]


async def test_a_shutdown_leaves_everything_to_the_successor(machine: Machine) -> None:
    await machine.play(9)
    await machine.registry.close()
    await machine.reboot()
    assert machine.state is PathState.RECONNECTING
    assert machine.text().count("#EXT-X-GAP") == 0


async def test_viewers_of_a_restored_path_wake_its_source(machine: Machine, tmp_path: Path) -> None:
    await machine.play(9)
    machine.settings = PathConfig(
        ladder="copy", audio="copy", source=str(tmp_path / "none.mp4"), source_on_demand=True
    )
    await machine.reboot(name="live/a")
    assert machine.state is PathState.RECONNECTING
    assert machine.registry.statistics().pulls == 0
    machine.registry.set_viewers({"live/a": 1})
    assert machine.registry.statistics().pulls == 1
    await machine.registry.close()
