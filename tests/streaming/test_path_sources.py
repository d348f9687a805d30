"""Sources that the configuration names: pulled while somebody watches, followed when it changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from unittest.mock import patch

import pytest

from streaming import path_sources
from streaming.config_paths import PathConfig
from streaming.events.event import no_events
from streaming.path_sources import PathSources
from streaming.path_table import PathTable
from tests.streaming.test_path_registry import RecordingFeed

NAME = "cam"
WATCHED = PathConfig(source="rtsp://cam/1", source_on_demand=True, source_idle_s=10.0)
ALWAYS = PathConfig(source="rtsp://cam/1")


class FakePull:
    """A source that never publishes."""

    def __init__(self, name: str, config: PathConfig, door: object, owner: object) -> None:
        self.url = config.source
        self.is_closed = False

    def open(self) -> None:
        """Nothing comes of it."""

    async def close(self) -> None:
        self.is_closed = True


class NoDoor:
    async def publish(self, request: object, publisher: object) -> object:
        raise AssertionError("nothing publishes here")


class Scene:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.feed = RecordingFeed()
        self.paths = PathTable(2, self.feed, lambda: self.now, None, None, no_events)
        self.sources = PathSources(self.paths, NoDoor(), self.feed, lambda: self.now)  # type: ignore[arg-type]

    @property
    def pull(self) -> FakePull | None:
        entry = self.paths.get(NAME)
        return entry.pull if entry is not None else None  # type: ignore[return-value]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    with patch.object(path_sources, "PullSource", FakePull):
        scene = Scene()
        yield scene
        await scene.sources.close()
        await scene.paths.close("code", "over")


async def test_a_source_on_demand_is_pulled_for_the_first_who_asks(scene: Scene) -> None:
    scene.sources.offer(NAME, WATCHED)
    assert [(one.path, one.state) for one in scene.feed.told] == [(NAME, "idle")]
    assert scene.pull is None
    scene.sources.want(NAME)
    pull = scene.pull
    assert pull is not None
    scene.sources.want(NAME)
    assert scene.pull is pull


async def test_a_path_without_a_source_on_demand_does_not_come_by_asking(scene: Scene) -> None:
    scene.sources.want(NAME)
    assert not scene.paths


async def test_a_source_on_demand_is_over_when_nobody_has_watched_for_long_enough(
    scene: Scene,
) -> None:
    scene.sources.offer(NAME, WATCHED)
    scene.sources.want(NAME)
    entry = scene.paths[NAME]
    assert not scene.sources.is_over(NAME, entry, scene.now + 10)
    assert scene.sources.is_over(NAME, entry, scene.now + 11)
    entry.want(scene.now + 5)
    assert not scene.sources.is_over(NAME, entry, scene.now + 15)


async def test_a_source_that_is_always_pulled_is_not_over_for_want_of_viewers(scene: Scene) -> None:
    scene.sources.begin(NAME, ALWAYS)
    assert not scene.sources.is_over(NAME, scene.paths[NAME], scene.now + 1e6)


async def test_another_source_takes_the_place_of_one_that_is_no_longer_configured(
    scene: Scene,
) -> None:
    scene.sources.begin(NAME, ALWAYS)
    old = scene.pull
    assert old is not None
    scene.sources.follow(NAME, ALWAYS, PathConfig(source="rtsp://cam/2"))
    assert scene.pull is not None
    assert scene.pull.url == "rtsp://cam/2"
    await scene.sources.close()
    assert old.is_closed


async def test_a_source_goes_on_where_only_other_settings_changed(scene: Scene) -> None:
    scene.sources.begin(NAME, ALWAYS)
    old = scene.pull
    scene.sources.follow(NAME, ALWAYS, PathConfig(source="rtsp://cam/1", window_s=60.0))
    assert scene.pull is old


async def test_an_offer_that_is_taken_back_is_wanted_in_vain(scene: Scene) -> None:
    scene.sources.offer(NAME, WATCHED)
    scene.sources.follow(NAME, WATCHED, None)
    scene.sources.want(NAME)
    assert not scene.paths
