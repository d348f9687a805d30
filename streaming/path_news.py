"""What is told of paths: states to the delivery processes, events to the log, lines to ours."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from streaming.errors import PublishRejected
from streaming.events.event import CLOSED, STATE, Emit
from streaming.events.event_filter import SEGMENT
from streaming.events.viewer_news import VIEWERS, Flood, ViewerNews
from streaming.ingest.source import PublishRequest
from streaming.on_air import Switch
from streaming.path_entry import RESTARTED, PathEntry
from streaming.path_metrics import transition_metrics
from streaming.path_name import name_error
from streaming.path_state import Cause, StateChange
from streaming.path_statistics import PathStatistics
from streaming.pipeline import PipelineStatistics
from streaming.publisher_slot import Rank, Slot
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import Metric, PathPhase, PathState
from streaming.status import path_state_message

logger = logging.getLogger(__name__)

REJECTIONS_PER_S: Final = 2.0
REJECTIONS_BURST: Final = 20.0
"""Of rejected publishers that are told as events; the others are counted."""


class PathNews:
    """Owns what was told lately; the registry says what has happened to its paths."""

    def __init__(self, entries: Mapping[str, PathEntry], feed: ShelfFeed, emit: Emit) -> None:
        """`entries` are the registry's, looked at and never changed."""
        self._entries = entries
        self._feed = feed
        self._emit = emit
        self._viewers = ViewerNews()
        self._rejections = Flood(REJECTIONS_PER_S, REJECTIONS_BURST)
        self._causes = Counter[Cause]()

    # -- publishers and viewers --------------------------------------------------------------

    def connected(self, request: PublishRequest, rank: Rank) -> None:
        """A publisher has its place."""
        data = {"protocol": request.protocol, "role": rank.value}
        logger.info("%s: %s publisher %s", request.path, request.protocol, request.remote)
        self._emit_of(request.path, "publisher.connected", data)

    def rejected(self, request: PublishRequest, refusal: PublishRejected, now_utc: float) -> None:
        """A publisher was turned down."""
        data = {"protocol": request.protocol, "code": refusal.code, "reason": str(refusal)}
        told = self._rejections.push(data, now_utc)
        if told is not None:
            path = "" if name_error(request.path) else request.path
            self._emit("publisher.rejected", path, told)

    def left(self, name: str, slot: Slot, reason: str) -> None:
        """A publisher has left its place."""
        if slot.rank is not Rank.SLATE:
            data = {"protocol": slot.protocol, "role": slot.rank.value, "reason": reason}
            self._emit_of(name, "publisher.disconnected", data)

    def restarted(self, name: str, worker: str, reason: str) -> None:
        """A worker of a path died and is being replaced."""
        self._emit_of(name, RESTARTED, {"worker": worker, "reason": reason})

    def watched(self, viewers: Mapping[str, int], now_utc: float) -> None:
        """Viewers of each path right now."""
        for name, count in self._viewers.push(viewers, now_utc):
            self._emit_of(name, VIEWERS, {"viewers": count})

    # -- a path's life -----------------------------------------------------------------------

    def announce(
        self, name: str, phase: PathPhase, reason: str, window_s: float, now_utc: float
    ) -> None:
        """Viewers of what is not there yet are asked to wait, not told that there is nothing."""
        self._feed.path_state(
            PathState(path=name, state=phase, reason=reason, since_utc=now_utc, window_s=window_s)
        )

    def changed(self, change: StateChange) -> None:
        """A path is in another state."""
        because = f"{change.cause.value}: {change.detail}" if change.detail else change.cause.value
        logger.info("%s: %s → %s (%s)", change.path, change.old.value, change.new.value, because)
        self._causes[change.cause] += 1
        data = {
            "state": change.new.value,
            "was": change.old.value,
            "was_for_s": round(change.spent_s, 3),
            "reason": change.cause.value,
            "detail": change.detail,
        }
        self._emit(STATE, change.path, data, change.version)
        self._tell_at_once(change.path, change.at_utc)

    def switched(self, name: str, switch: Switch) -> None:
        """Somebody else is on air."""
        old = switch.old.value if switch.old is not None else "nobody"
        new = switch.slot.rank.value if switch.slot is not None else "nobody"
        logger.info("%s: on air: %s → %s (%s)", name, old, new, switch.reason)
        self._tell_at_once(name, switch.at_utc)

    def observed(self, entry: PathEntry, now_utc: float) -> None:
        """A second has passed: how a path fares, and what is new about that."""
        seen, made = self._tell(entry, now_utc)
        for news in entry.observer.push(seen, made, now_utc):
            self._emit(news.kind, entry.path.name, news.data, seen.life.version)

    def gone(self, name: str) -> None:
        """A path has gone with everything on it."""
        self._feed.path_gone(name)
        self._emit(CLOSED, name)

    def metrics(self) -> list[Metric]:
        """What led from state to state, of all paths there have been."""
        return transition_metrics(self._causes)

    def _emit_of(self, name: str, kind: str, data: Mapping[str, Any]) -> None:
        entry = self._entries.get(name)
        self._emit(kind, name, data, entry.path.state_version if entry is not None else 0)

    def _tell_at_once(self, name: str, now_utc: float) -> None:
        entry = self._entries.get(name)
        if entry is not None:
            self._tell(entry, now_utc)

    def _tell(self, entry: PathEntry, now_utc: float) -> tuple[PathStatistics, PipelineStatistics]:
        """Tells the delivery processes how a path fares by now, and gives that."""
        path, pipeline = entry.path, entry.pipeline
        seen, made = path.statistics(now_utc), pipeline.statistics()
        advice = entry.advice.standing()
        self._feed.path_state(path_state_message(path, pipeline, seen, made, advice))
        return seen, made


def segment_news(emit: Emit) -> Callable[[str, str, int], None]:
    """For a feed's `on_segment`: each segment that can be fetched as an event."""

    def ready(path: str, rendition: str, msn: int) -> None:
        url = f"/{path}/{rendition}/{msn}.m4s"
        emit(SEGMENT, path, {"rendition": rendition, "msn": msn, "url": url})

    return ready
