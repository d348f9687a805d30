"""Whatever happens to a registry's paths, each keeps to the drawn table, and no timer fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.timeline import RTMP_CLOCK
from streaming import path_sources
from streaming.config import Config
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.ingest.pull import RunEnd, SourceOwner
from streaming.ingest.source import Publication, PublishDoor, PublishRequest
from streaming.media_store import MediaStore
from streaming.path_entry import PathEntry
from streaming.path_registry import PathRegistry
from streaming.path_state import TRANSITIONS, Cause, PathState
from streaming.publisher_slot import Rank
from streaming.shelf_feed import ShelfFeed
from tests.segmenter.stage import SOURCE, START
from tests.streaming.events.news_scene import Recorder
from tests.streaming.events.test_ingest_exam import picture
from tests.streaming.test_path import FakePublisher
from tests.streaming.test_path_registry import request

NAMES = ("open", "keyed", "cam", "asked-for")
TABLES = {
    "open": PathConfig(ladder="copy", linger_s=3, window_s=10),
    "keyed": PathConfig(ladder="copy", linger_s=3, window_s=10, publish_key="right"),
    "cam": PathConfig(ladder="copy", linger_s=3, window_s=10, source="x:"),
    "asked-for": PathConfig(
        ladder="copy", linger_s=3, window_s=10, source="x:", source_on_demand=True
    ),
}


class FakeSource:
    """A pulled source that does what the test says, with the door's own publication."""

    def __init__(
        self, path: str, config: PathConfig, door: PublishDoor, owner: SourceOwner
    ) -> None:
        self.path, self.door, self.owner = path, door, owner
        self.is_open = False
        self.publication: Publication | None = None

    def open(self) -> None:
        self.is_open = True

    def abandon(self, reason: str) -> None:
        self.fail()

    async def begin(self) -> None:
        if self.is_open and self.publication is None:
            asked = PublishRequest(self.path, "", "x:", "pull")
            self.publication = await self.door.publish(asked, Tenant(self))
            self.owner.source_opened()
            self.publication.set_tracks([SOURCE], RTMP_CLOCK)
            self.publication.write([picture(0, sync=True), picture(33)])

    def fail(self) -> None:
        if self.is_open:
            self._leave("lost")
            self.owner.source_failed(RunEnd("lost", 1.0, died=True))

    def finish(self) -> None:
        if self.is_open:
            self._leave("over")
            self.owner.source_over("over")

    async def close(self) -> None:
        self._leave("closed")

    def displace(self) -> None:
        self.publication, self.is_open = None, False
        self.owner.source_over("closed")

    def _leave(self, reason: str) -> None:
        self.is_open = False
        publication, self.publication = self.publication, None
        if publication is not None:
            publication.close(reason)


class Tenant:
    """What a path closes of a source."""

    def __init__(self, source: FakeSource) -> None:
        self.source = source

    def close(self, code: str, description: str) -> None:
        self.source.displace()


class Story:
    def __init__(self) -> None:
        self.now = float(START)
        self.recorder = Recorder()
        self.tables = dict(TABLES)
        self.registry = PathRegistry(
            Config(paths=self.tables), ShelfFeed(MediaStore()), lambda: self.now,
            emit=self.recorder,
        )  # fmt: skip
        self.publications: list[Publication] = []
        self.registry.start()

    async def publish(self, name: str, **query: str) -> None:
        with contextlib.suppress(PublishRejected):
            asked = request(name, "right", **query)
            self.publications.append(await self.registry.publish(asked, FakePublisher()))

    async def intrude(self, name: str) -> None:
        with contextlib.suppress(PublishRejected):
            asked = request("keyed", "wrong")
            self.publications.append(await self.registry.publish(asked, FakePublisher()))

    async def send(self, name: str) -> None:
        for publication in self.publications:
            publication.set_tracks([SOURCE], RTMP_CLOCK)
            publication.write([picture(0, sync=True), picture(33)])

    async def leave(self, name: str) -> None:
        if self.publications:
            self.publications.pop().close("gone")

    async def begin_sources(self, name: str) -> None:
        for source in self.sources:
            with contextlib.suppress(PublishRejected):
                await source.begin()

    async def fail_sources(self, name: str) -> None:
        for source in self.sources:
            source.fail()

    async def finish_sources(self, name: str) -> None:
        for source in self.sources:
            source.finish()

    async def configure(self, name: str) -> None:
        other = PathConfig(ladder="copy", linger_s=3, window_s=10)
        is_back = self.tables[name] != TABLES[name]
        self.tables = {**self.tables, name: TABLES[name] if is_back else other}
        self.registry.apply(Config(paths=self.tables))

    async def want(self, name: str) -> None:
        self.registry.want(name)

    async def kick(self, name: str) -> None:
        self.registry.kick(name)

    async def choose(self, name: str) -> None:
        self.registry.choose_on_air(name, Rank.BACKUP)

    async def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.5)):
            self.now += 0.5
            await self.registry.handle_timer()

    @property
    def sources(self) -> list[FakeSource]:
        pulls = [entry.pull for entry in self.registry._paths.values()]
        return [pull for pull in pulls if isinstance(pull, FakeSource)]

    def check(self) -> None:
        states = dict.fromkeys(NAMES, PathState.IDLE)
        for kind, path, data in self.recorder.events:
            if kind == "path.closed":
                states[path] = PathState.IDLE
            elif kind == "path.state":
                assert data["was"] == states[path].value
                new = TRANSITIONS[Cause(data["reason"])][states[path]]
                assert data["state"] == new.value
                states[path] = new


Happening = Callable[[Story, str], Coroutine[Any, Any, None]]
HAPPENINGS: tuple[Happening, ...] = (
    Story.publish, lambda story, name: story.publish(name, role="backup"), Story.intrude,
    Story.send, Story.leave, Story.begin_sources, Story.fail_sources, Story.finish_sources,
    Story.configure, Story.want, Story.kick, Story.choose,
    lambda story, name: story.wait(1), lambda story, name: story.wait(4),
    lambda story, name: story.wait(70),
)  # fmt: skip


async def live(happenings: list[tuple[int, str]]) -> Story:
    story = Story()
    for number, name in happenings:
        await HAPPENINGS[number](story, name)
    await story.registry.close()
    return story


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(HAPPENINGS) - 1), st.sampled_from(NAMES)),
        min_size=5,
        max_size=40,
    )
)
def test_whatever_happens_paths_keep_to_what_is_drawn(happenings: list[tuple[int, str]]) -> None:
    failed: list[str] = []
    work = PathEntry.handle_timer

    def watched(entry: PathEntry, now_utc: float) -> None:
        try:
            work(entry, now_utc)
        except Exception as error:
            failed.append(repr(error))
            raise

    with (
        patch.object(path_sources, "PullSource", FakeSource),
        patch.object(PathEntry, "handle_timer", watched),
    ):
        story = asyncio.run(live(happenings))
    assert failed == []
    story.check()
