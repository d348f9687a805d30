"""The paths that there are: how one comes into being with all that hangs off it, and goes."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.events.event import Emit
from streaming.live_state.live_state import LiveState
from streaming.live_state.path_journal import FileNote
from streaming.origin import NO_FLOOR, NumberFloor
from streaming.path import Path
from streaming.path_entry import PathEntry
from streaming.path_news import PathNews
from streaming.pipeline import Pipeline
from streaming.publish_codes import BAD_NAME
from streaming.rtc.tap import RtcTap, TapOutlet
from streaming.shelf_feed import ShelfFeed
from streaming.slate.rung_strips import RungStrips
from streaming.slate.source import SlateSource
from streaming.transcode.ladder import BUDGET_SHARE


class PathTable(Mapping[str, PathEntry]):
    """Owns every path's entry by its name; the registry fills and empties it, others look."""

    def __init__(
        self,
        max_paths: int,
        feed: ShelfFeed,
        clock: Callable[[], float],
        live_state: LiveState | None,
        webrtc: TapOutlet | None,
        emit: Emit,
    ) -> None:
        self.max_paths = max_paths
        self.news = PathNews(self, feed, emit)
        self._feed = feed
        self._clock = clock
        self._live_state = live_state
        self._webrtc = webrtc
        self._emit = emit
        self._floors: dict[str, NumberFloor] = {}
        self._entries: dict[str, PathEntry] = {}

    def __getitem__(self, name: str) -> PathEntry:
        """The entry of a path. Raises KeyError."""
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        """Names, in the order in which the paths came into being."""
        return iter(self._entries)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._entries)

    @property
    def is_full(self) -> bool:
        """Whether no other path can come into being."""
        return len(self._entries) >= self.max_paths

    def set_floor(self, name: str, floor: NumberFloor) -> None:
        """A path left numbers, and nothing else to go on with: it is to begin above them."""
        self._floors[name] = floor

    def ensure(self, name: str, settings: PathConfig, notes: Sequence[FileNote] = ()) -> PathEntry:
        """The path of that name, made where there is none; `notes` are what it left on disk.

        Raises PublishRejected when there are as many as there may be.
        """
        self.check_room(name)
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = self._make(name, settings, notes)
        return entry

    def check_room(self, name: str) -> None:
        """Raises PublishRejected where the path cannot come into being."""
        if name not in self._entries and self.is_full:
            raise PublishRejected(BAD_NAME, self.why_full, http_status=503)

    @property
    def why_full(self) -> str:
        """For whoever wants another path and gets none."""
        return f"the server has {self.max_paths} paths already"

    async def discard(self, name: str) -> None:
        """Ends a path and forgets it, with what it has on disk."""
        entry = self._entries.pop(name)
        await entry.stop()
        if entry.journal is not None:
            entry.journal.discard()
        self.news.gone(name)

    async def close(self, code: str, description: str) -> None:
        """Ends all paths; what they have on disk stays for a successor."""
        for entry in list(self._entries.values()):
            entry.path.kick(code, description, self._clock())
            await entry.stop()
            if entry.journal is not None:
                entry.journal.close()
        self._entries.clear()

    def _make(self, name: str, settings: PathConfig, notes: Sequence[FileNote]) -> PathEntry:
        path = Path(
            name,
            settings,
            self._clock(),
            self.news.changed,
            functools.partial(self.news.switched, name),
            functools.partial(self.news.left, name),
        )
        journal = self._live_state.journal(name, settings, notes) if self._live_state else None
        floor = self._floors.get(name, NO_FLOOR)
        tap = RtcTap(name, settings, self._webrtc) if self._webrtc is not None else None
        pipeline = Pipeline(path, self._feed, self._ladder_cores, self._clock, journal, floor, tap)
        entry = PathEntry(path, pipeline, journal, self._clock, self._emit)
        if settings.slate:
            told = functools.partial(self.news.restarted, name, "slate")
            entry.slate = SlateSource(path, self._clock, told)
            entry.rung_strips = RungStrips(name, settings, pipeline, told)
        return entry

    def _ladder_cores(self, name: str) -> float:
        """Cores that the automatic ladder of `name` may use beside those that run already."""
        others = sum(
            entry.pipeline.is_encoding for other, entry in self._entries.items() if other != name
        )
        return BUDGET_SHARE * (os.cpu_count() or 1) / (others + 1)
