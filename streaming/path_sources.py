"""What the configuration alone brings to life: sources that are pulled, always or while watched."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from streaming.config_paths import PathConfig
from streaming.ingest.pull import PullSource
from streaming.ingest.source import PublishDoor
from streaming.path_entry import PathEntry
from streaming.path_table import PathTable
from streaming.shelf_feed import ShelfFeed

logger = logging.getLogger(__name__)


class PathSources:
    """Owns which paths have a source on demand, and the pulls that are being closed.

    The registry says what is configured, watched and gone; sources publish through its door.
    """

    def __init__(
        self, paths: PathTable, door: PublishDoor, feed: ShelfFeed, clock: Callable[[], float]
    ) -> None:
        self._paths = paths
        self._door = door
        self._feed = feed
        self._clock = clock
        self._on_demand: dict[str, PathConfig] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def begin(self, name: str, settings: PathConfig) -> None:
        """What a path's table alone brings to life; needs a running loop."""
        if settings.source and not settings.source_on_demand:
            self._pull(name, settings)
        if settings.slate_always:
            self._paths.ensure(name, settings)

    def offer(self, name: str, settings: PathConfig) -> None:
        """A path's source is to be pulled while somebody watches, and may be asked for."""
        self._on_demand[name] = settings
        self.announce_idle(name)

    def announce_idle(self, name: str) -> None:
        """A path that is not there is told of if it comes by being asked for."""
        settings = self._on_demand.get(name)
        if settings is not None:
            reason = "pulled while someone watches"
            self._paths.news.announce(name, "idle", reason, settings.window_s, self._clock())

    def want(self, name: str) -> None:
        """Somebody wants to watch: pulls the source if it has one on demand."""
        settings = self._on_demand.get(name)
        if settings is not None:
            self._pull(name, settings)

    def is_over(self, name: str, entry: PathEntry, now_utc: float) -> bool:
        """Whether a path has had its time; one with a source on demand has when nobody watches."""
        if name not in self._on_demand or entry.pull is None or entry.path.has_guest:
            return entry.is_over(now_utc)
        idle_s = now_utc - entry.wanted_utc
        if idle_s <= entry.path.config.source_idle_s:
            return False
        logger.info("%s: nobody has watched for %.0f s", name, idle_s)
        return True

    def follow(self, name: str, old: PathConfig | None, new: PathConfig | None) -> None:
        """Pulls what a path's table says now; goes on where it says the same."""
        if _source_of(old) == _source_of(new):
            if new is not None and new.source_on_demand:
                self._on_demand[name] = new
            return
        entry = self._paths.get(name)
        self._let_go(entry)
        if self._on_demand.pop(name, None) is not None and entry is None:
            self._feed.path_gone(name)
        if new is not None and new.source and new.source_on_demand:
            self._on_demand[name] = new
            if entry is None:
                self.announce_idle(name)
        elif new is not None:
            self.begin(name, new)

    async def close(self) -> None:
        """Returns once those that were let go of have gone."""
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _pull(self, name: str, settings: PathConfig) -> None:
        entry = self._paths.ensure(name, settings)
        if entry.pull is None:
            entry.pull_from(PullSource(name, settings, self._door, entry))

    def _let_go(self, entry: PathEntry | None) -> None:
        pull = entry.let_go_of_source("the configuration names another") if entry else None
        if pull is not None:
            self._ending = {task for task in self._ending if not task.done()}
            self._ending.add(asyncio.create_task(pull.close()))


def _source_of(settings: PathConfig | None) -> tuple[object, ...]:
    settings = settings or PathConfig()
    return settings.source, settings.source_loop, settings.source_on_demand
