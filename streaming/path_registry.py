"""Name → path and pipeline: who may publish where, what is restored, what is closed.

Implements the doors through which every ingest publishes. How paths are made is in
streaming/path_table.py, how configured sources come and go in streaming/path_sources.py.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from segmenter.timed_message import TimedMessage
from streaming.admission import Admission
from streaming.command_messages import SessionRecord
from streaming.config import Config, path_config
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.events.event import Emit, no_events
from streaming.events.viewer_news import Flood
from streaming.ingest.source import Publication, Publisher, PublishRequest
from streaming.live_state.live_state import LiveState, SavedPath
from streaming.live_state.restoring import Restoring, obstacle, restore_origin
from streaming.origin import NumberFloor
from streaming.path_claim import PathClaim
from streaming.path_entry import PathEntry, PathPublication
from streaming.path_metrics import path_metrics
from streaming.path_sources import PathSources
from streaming.path_state import PathState
from streaming.path_table import PathTable
from streaming.publish_codes import BAD_NAME, UNPUBLISHED
from streaming.publisher_slot import Rank
from streaming.rtc.tap import RtcTap, TapOutlet
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import Metric
from streaming.transcode.written_ladder import may_name_rendition

logger = logging.getLogger(__name__)

KNOCKS_PER_S: Final = 0.2
KNOCKS_BURST: Final = 10.0
"""Publishers for whom a path comes into being before they are let in; it costs three events."""


@dataclass(frozen=True, slots=True)
class RegistryStatistics:
    """Paths that exist, and sources being pulled, now."""

    paths: int
    pulls: int


@dataclass(frozen=True, slots=True)
class ConfigChanges:
    """What came of another configuration."""

    changed: list[str]
    """Tables that differ."""
    deferred: list[str]
    """Live paths of whose new settings some wait until they begin anew."""


class PathRegistry:
    """Owns every path; the composition root starts, ticks and closes it."""

    def __init__(
        self,
        config: Config,
        feed: ShelfFeed,
        clock: Callable[[], float] = time.time,
        live_state: LiveState | None = None,
        webrtc: TapOutlet | None = None,
        emit: Emit = no_events,
        messages: Mapping[str, Sequence[TimedMessage]] | None = None,
    ) -> None:
        """`messages` are of paths that may be restored, from the log of an earlier server."""
        self._messages = dict(messages or {})
        self._config = config
        self._emit = emit
        self._live_state = live_state
        self._restoring: Restoring | None = None
        self._feed = feed
        self._clock = clock
        self._paths = PathTable(config.max_paths, feed, clock, live_state, webrtc, emit)
        self._news = self._paths.news
        self._sources = PathSources(self._paths, self, feed, clock)
        self._admission = Admission(config)
        self._knocks = Flood(KNOCKS_PER_S, KNOCKS_BURST)

    def start(self) -> None:
        """Restores what an earlier origin left, and starts the sources that are always pulled.

        Needs a running loop; nothing is waited for.
        """
        for name, settings in self._config.paths.items():
            if settings.source_on_demand:
                self._sources.offer(name, settings)
        if self._live_state is not None:
            self._restoring = Restoring(self._live_state, self._restore)
            self._restoring.start()
            for name in self._restoring.paths:
                window_s = path_config(self._config, name).window_s
                reason = "restored after a restart"
                self._news.announce(name, "starting", reason, window_s, self._clock())
        for name, settings in self._config.paths.items():
            if not self._is_restoring(name):
                self._sources.begin(name, settings)

    async def publish(self, request: PublishRequest, publisher: Publisher) -> Publication:
        """See PublishDoor."""
        claim = await self.admit(request)
        return claim.take(publisher)

    async def admit(self, request: PublishRequest) -> PathClaim:
        """See AdmissionDoor."""
        settings = path_config(self._config, request.path)
        with self._telling_refusals(request), contextlib.ExitStack() as asking:
            asking.enter_context(self._asking(request, settings))
            rank = await self._admit(request)
            self._check_room(request.path)
            entry = self._paths.get(request.path)
            if entry is not None:
                entry.path.check_room(request.protocol, rank)
            begin = functools.partial(self._begin, request, rank)
            return PathClaim(begin, asking.pop_all())

    def _begin(self, request: PublishRequest, rank: Rank, publisher: Publisher) -> Publication:
        """Whoever was let in takes its slot."""
        settings = path_config(self._config, request.path)
        with self._telling_refusals(request):
            self._check_room(request.path)
            entry, now = self._paths.ensure(request.path, settings), self._clock()
            slot = entry.path.occupy(publisher, request.remote, request.protocol, now, rank)
        self._news.connected(request, rank)
        return PathPublication(entry, slot, self._clock, self._emit)

    def _check_room(self, name: str) -> None:
        """Raises PublishRejected where the path cannot be: its URLs may be another's."""
        self._paths.check_room(name)
        for other in self._paths:
            upper, lower = sorted((name, other), key=len)
            rest = lower.removeprefix(f"{upper}/")
            ladder = path_config(self._config, upper).ladder
            if rest != lower and may_name_rendition(rest, ladder):
                text = f"{lower} cannot be beside {upper}: a rendition of {upper} has that URL"
                raise PublishRejected(BAD_NAME, text, http_status=409)

    @contextlib.contextmanager
    def _telling_refusals(self, request: PublishRequest) -> Iterator[None]:
        try:
            yield
        except PublishRejected as refusal:
            self._news.rejected(request, refusal, self._clock())
            raise

    async def _admit(self, request: PublishRequest) -> Rank:
        """The rank that the publisher may have.

        Who waited while the configuration changed is judged again, by what holds now.
        """
        while True:
            config = self._config
            settings = path_config(config, request.path)
            rank = await self._admission.check(request, settings)
            if self._restoring is not None:
                await self._restoring.wait_restored(request.path)
            if config is self._config:
                return rank

    @contextlib.contextmanager
    def _asking(self, request: PublishRequest, settings: PathConfig) -> Iterator[None]:
        """Lets a path know that somebody who asks to publish on it waits for the answer, or has
        one and has not begun.

        For strangers' sake no path comes into being by asking but those that the configuration
        names, and these not often: others begin when their publisher has been let in.
        """
        name, now = request.path, self._clock()
        entry = None
        if self._admission.has_to_ask(request, settings) and not self._is_restoring(name):
            entry = self._paths.get(name)
            is_named = name in self._config.paths and not self._paths.is_full
            if entry is None and is_named and self._knocks.push({}, now) is not None:
                entry = self._paths.ensure(name, settings)
        if entry is None:
            yield
            return
        entry.path.lifecycle.ask(request.protocol, now)
        try:
            yield
        finally:
            entry.path.lifecycle.answered(self._clock())

    def want(self, name: str) -> None:
        """A viewer asks for a path that is not live or not watched.

        Its source is pulled if it has one on demand, and its texts are rendered.
        """
        if self._is_restoring(name):
            return
        self._sources.want(name)
        entry = self._paths.get(name)
        if entry is not None:
            entry.want(self._clock())

    def tap(self, name: str) -> RtcTap | None:
        """What WebRTC viewers of a path get; None where there is no such path."""
        entry = self._paths.get(name)
        return entry.pipeline.tap if entry is not None else None

    def spoken(self, name: str) -> PathEntry | None:
        """A path that messages can be sent to; None where there is none."""
        return None if self._is_restoring(name) else self._paths.get(name)

    def segment_duration_s(self, name: str) -> float:
        """How long the segments of a path are to be, seconds."""
        return path_config(self._config, name).segment_duration_s

    def set_viewers(self, viewers: Mapping[str, int]) -> None:
        """Viewers of each path right now; on-demand sources live as long as there are some."""
        now = self._clock()
        self._news.watched(viewers, now)
        for name in [name for name, count in viewers.items() if count]:
            entry = self._paths.get(name)
            if entry is not None and not self._is_restoring(name):
                entry.want(now)
            # A path that was restored has viewers before its source is pulled again.
            if entry is None or entry.pull is None:
                self.want(name)

    async def handle_timer(self) -> None:
        """What time alone brings about; called a few times a second."""
        now = self._clock()
        for name, entry in list(self._paths.items()):
            if self._is_restoring(name):
                continue
            try:
                entry.handle_timer(now)
            except Exception:  # costs this path its timer, not the others theirs
                logger.exception("%s: its timer failed", name)
                continue
            if self._sources.is_over(name, entry, now):
                await self._discard(name)

    def publish_states(self) -> None:
        """Tells the delivery processes how each path fares; called once a second."""
        now = self._clock()
        for name, entry in self._paths.items():
            if not self._is_restoring(name):
                self._news.observed(entry, now)

    @property
    def is_idle(self) -> bool:
        """Whether no path has anything that viewers may still be playing."""
        return all(entry.path.state in _BEFORE_MEDIA for entry in self._paths.values())

    def statistics(self) -> RegistryStatistics:
        """How much there is."""
        pulls = sum(entry.pull is not None for entry in self._paths.values())
        return RegistryStatistics(len(self._paths), pulls)

    def metrics(self) -> list[Metric]:
        """What /metrics shows of paths beside their states."""
        now = self._clock()
        return [
            *self._news.metrics(),
            *(
                metric
                for entry in self._paths.values()
                for metric in path_metrics(entry.path, entry.pipeline, now)
            ),
        ]

    def state_version(self, name: str) -> int | None:
        """Number of the path's latest transition; None where there is no such path."""
        entry = self._paths.get(name)
        return None if entry is None else entry.path.state_version

    def apply(self, config: Config) -> ConfigChanges:
        """Another configuration from now on; no publisher is dropped.

        Who may publish and view, and what is pulled, holds at once. The policies of a path that
        lives hold at once as well; how its media are cut and encoded when it begins anew.
        """
        old, self._config = self._config, config
        self._paths.max_paths = config.max_paths
        self._admission.apply(config)
        names = old.paths.keys() | config.paths.keys()
        changed = sorted(n for n in names if old.paths.get(n) != config.paths.get(n))
        deferred = [
            name
            for name, entry in self._paths.items()
            if not entry.path.apply(path_config(config, name))
        ]
        for name in changed:
            if not self._is_restoring(name):
                self._sources.follow(name, old.paths.get(name), config.paths.get(name))
        return ConfigChanges(changed, sorted(deferred))

    def kick(self, name: str) -> bool:
        """Closes the publisher of a path; False where there is none."""
        entry = self._paths.get(name)
        if entry is None or not entry.path.has_publisher:
            return False
        entry.path.kick(UNPUBLISHED, "closed by the operator", self._clock())
        return True

    def publisher_sessions(self) -> list[SessionRecord]:
        """Everybody who publishes, pushed or pulled."""
        now = self._clock()
        return [
            SessionRecord(
                name, one.session, one.protocol, "publisher", one.rank, one.is_on_air,
                one.remote, one.since_utc, one.bytes_in,
            )
            for name, entry in self._paths.items()
            for one in entry.path.publishers(now)
        ]  # fmt: skip

    def end_publisher(self, name: str, session: str) -> bool:
        """Closes one publisher of a path; False where there is no such one."""
        entry = self._paths.get(name)
        return entry is not None and entry.path.end_session(
            session, UNPUBLISHED, "closed by the operator", self._clock()
        )

    def choose_on_air(self, name: str, rank: Rank | None) -> bool:
        """Puts a rank on air for as long as it delivers, or the slate; None is automatic.

        Publishers stay connected. False where there is no such path.
        """
        entry = self._paths.get(name)
        if entry is None:
            return False
        entry.path.choose(rank, self._clock())
        return True

    async def close(self) -> None:
        """Closes every source, publisher and worker.

        What is on the shelf stays for viewers who are being served, and for the journals' thread,
        which may not have copied the latest of it yet; what is on disk stays for a successor.
        """
        self._admission.close()
        await self._sources.close()
        if self._restoring is not None:
            await self._restoring.close()
        await self._paths.close(UNPUBLISHED, "the server is shutting down")

    # -- after a restart ---------------------------------------------------------------------

    def _is_restoring(self, name: str) -> bool:
        return self._restoring is not None and name in self._restoring.paths

    async def _restore(self, name: str, saved: SavedPath | None) -> None:
        """Goes on with a path, or begins above its numbers where that cannot be."""
        obstacle = self._obstacle(saved) if saved is not None else "nothing can be listed"
        if saved is None or obstacle:
            self._begin_above(name, saved, obstacle)
        else:
            entry = self._paths.ensure(name, path_config(self._config, name), saved.notes)
            try:
                messages = self._messages.pop(name, ())
                await restore_origin(entry.pipeline.origin, saved, self._clock, messages)
                entry.path.restore(entry.pipeline.origin.end_utc, self._clock())
            except Exception as error:
                await self._discard(name)
                self._begin_above(name, saved, f"{type(error).__name__}: {error}")
        if name in self._config.paths:
            self._sources.begin(name, self._config.paths[name])

    def _begin_above(self, name: str, saved: SavedPath | None, reason: str) -> None:
        logger.info("path %s: not restored: %s", name, reason)
        if saved is not None and self._live_state is not None:
            left = saved.presentation
            floor = NumberFloor(left.last_msn + 1, left.last_discontinuity + 1)
            self._paths.set_floor(name, floor)
            self._live_state.forget([note.path for note in saved.notes])
        self._feed.path_gone(name)
        self._sources.announce_idle(name)

    def _obstacle(self, saved: SavedPath) -> str:
        """Why a saved path cannot be gone on with; "" if it can."""
        if self._paths.is_full:
            return self._paths.why_full
        return obstacle(saved, path_config(self._config, saved.path), self._clock())

    async def _discard(self, name: str) -> None:
        await self._paths.discard(name)
        self._sources.announce_idle(name)


_BEFORE_MEDIA = frozenset({PathState.IDLE, PathState.AUTHORIZING, PathState.CONNECTING})
