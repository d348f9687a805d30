"""Another configuration under live paths: what did not change is not touched, nobody is dropped."""

from __future__ import annotations

import random
from typing import Any, Final

import pytest

from streaming.config import Config
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.ingest.source import PublishRequest
from streaming.path_registry import PathRegistry
from tests.segmenter.stage import START
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import RecordingFeed

PATHS: Final = [f"live/{n}" for n in range(6)] + ["cam", "studio/a/main"]
TABLES: Final = ["*", "live/*", "live/1", "live/2", "studio/*", "cam", "other"]
CHANGES: Final[list[dict[str, Any]]] = [
    {},
    {"ladder": "copy"},
    {"ladder": "none"},
    {"publish_key": "new key"},
    {"view": "token"},
    {"linger_s": 1.0},
    {"stall_s": 9.0},
    {"backup_return": "manual"},
    {"republish": "reject"},
    {"window_s": 12.0},
    {"segment_duration_s": 4.0},
    {"slate": "card"},
]


class Origin:
    """A registry with one publisher on each path, and what they have been told."""

    def __init__(self) -> None:
        self.now = START
        self.feed = RecordingFeed()
        self.config = Config(paths={"*": PathConfig(ladder="copy", audio="copy")})
        self.registry = PathRegistry(self.config, self.feed, lambda: self.now)
        self.publishers = {name: FakePublisher() for name in PATHS}
        self.publications: dict[str, Any] = {}

    async def publish(self) -> None:
        for name, publisher in self.publishers.items():
            asked = PublishRequest(name, "", "10.0.0.1:5", "rtmp", {})
            self.publications[name] = await self.registry.publish(asked, publisher)

    def versions(self) -> dict[str, int | None]:
        return {name: self.registry.state_version(name) for name in PATHS}

    def put_on(self, tables: dict[str, PathConfig]) -> None:
        self.config = Config(paths=tables)
        self.registry.apply(self.config)


@pytest.mark.parametrize("seed", range(5))
async def test_no_change_of_the_configuration_drops_a_publisher_or_moves_a_path(seed: int) -> None:
    chance = random.Random(seed)
    origin = Origin()
    try:
        await origin.publish()
        before = origin.versions()
        for _ in range(60):
            tables = dict(origin.config.paths)
            table = chance.choice(TABLES)
            if chance.random() < 0.2:
                tables.pop(table, None)
            else:
                tables[table] = PathConfig(**chance.choice(CHANGES))
            origin.put_on(tables)
            assert all(one.closed == [] for one in origin.publishers.values())
            assert origin.versions() == before
    finally:
        await origin.registry.close()


async def test_the_same_configuration_again_tells_nobody_anything() -> None:
    origin = Origin()
    try:
        await origin.publish()
        told = len(origin.feed.told)
        changes = origin.registry.apply(Config(paths=dict(origin.config.paths)))
        assert (changes.changed, changes.deferred, len(origin.feed.told)) == ([], [], told)
    finally:
        await origin.registry.close()


async def test_a_source_that_is_added_waits_for_whoever_pushes_to_leave() -> None:
    origin = Origin()
    pull = PublishRequest("cam", "", "test:", "pull", {})
    try:
        await origin.publish()
        with pytest.raises(PublishRejected):
            await origin.registry.publish(pull, FakePublisher())
        assert origin.publishers["cam"].closed == []
        origin.publications["cam"].close("gone")
        await origin.registry.publish(pull, FakePublisher())
    finally:
        await origin.registry.close()


async def test_a_source_takes_over_from_the_one_that_it_replaces() -> None:
    origin = Origin()
    old = FakePublisher()
    pull = PublishRequest("pulled", "", "test:", "pull", {})
    try:
        await origin.registry.publish(pull, old)
        await origin.registry.publish(pull, FakePublisher())
        assert len(old.closed) == 1
    finally:
        await origin.registry.close()
