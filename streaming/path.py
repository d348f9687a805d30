"""A path: one publisher's slot, one timeline, one door for samples, and who reads them.

The life of a path:

    IDLE ──occupy──→ STARTING ──first sample placed──→ LIVE ⇄ DEGRADED (encoder cannot keep up)
                        ↑  │                             │
                occupy  │  └──publisher gone──→ RECONNECTING ←─publisher gone─┘
                        ├─────────────────────────┘  │
                        │                            └──linger over──→ ENDED
                        └────────────────────────────────occupy──────────┘

While RECONNECTING playlists stay as they are and the next publisher continues them. ENDED means
that players were told the end. Sans-IO: time arrives as an argument.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from segmenter.errors import UsageError
from segmenter.media import Sample, Track
from segmenter.timeline import SourceClock, Timeline
from segmenter.timeline_statistics import TimelineStatistics
from streaming.config import PathConfig
from streaming.errors import PublishRejected
from streaming.ingest.source import Publisher

BAD_NAME = "NetStream.Publish.BadName"
TAKEN_OVER = "NetStream.Unpublish.Success"
"""RTMP's reason codes, which every ingest translates for its own publishers."""


class PathState(enum.Enum):
    """Where a path is in its life; the value is the word of the API, logs and metrics."""

    IDLE = "idle"
    STARTING = "starting"
    LIVE = "live"
    DEGRADED = "degraded"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


_TRANSITIONS: dict[PathState, frozenset[PathState]] = {
    PathState.IDLE: frozenset({PathState.STARTING}),
    PathState.STARTING: frozenset({PathState.LIVE, PathState.RECONNECTING}),
    PathState.LIVE: frozenset({PathState.DEGRADED, PathState.RECONNECTING}),
    PathState.DEGRADED: frozenset({PathState.LIVE, PathState.RECONNECTING}),
    PathState.RECONNECTING: frozenset({PathState.STARTING, PathState.ENDED}),
    PathState.ENDED: frozenset({PathState.STARTING}),
}


@dataclass(frozen=True, slots=True)
class StateChange:
    """One transition; `version` counts a path's transitions from 1."""

    path: str
    old: PathState
    new: PathState
    reason: str
    version: int
    at_utc: float


class Reader(Protocol):
    """Who is given a path's samples, in order; must never block and never raise."""

    def set_tracks(self, tracks: Sequence[Track], now_utc: float) -> None:
        """The publisher's complete track list, before the first sample and at each change."""

    def write(self, sample: Sample, now_utc: float) -> None:
        """One sample in media time."""

    def pause(self, now_utc: float) -> None:
        """The publisher has gone; another may continue."""

    def end(self, now_utc: float) -> None:
        """Nobody continued in time."""


@dataclass(frozen=True, slots=True)
class PathStatistics:
    """What a path has seen; counters only rise."""

    state: PathState
    state_version: int
    state_since_utc: float
    publisher: str
    protocol: str
    publishers: int
    tracks: tuple[Track, ...]
    bytes_in: int
    samples_in: int
    bitrate: int
    """Bits per second, lately."""
    timeline: TimelineStatistics


class Slot:
    """One publisher's hold on the path; stale once another took over."""

    __slots__ = ("protocol", "publisher", "remote")

    def __init__(self, publisher: Publisher, remote: str, protocol: str) -> None:
        self.publisher = publisher
        self.remote = remote
        self.protocol = protocol


class Path:
    """Owns the publisher's slot and the timeline; the registry creates it and calls it.

    The one door for samples is `write`; everything behind it is called in packet order by the
    readers' own order.
    """

    def __init__(
        self,
        name: str,
        config: PathConfig,
        now_utc: float,
        on_change: Callable[[StateChange], None],
    ) -> None:
        self.name = name
        self.config = config
        self.readers: list[Reader] = []
        self.state = PathState.IDLE
        self.state_since_utc = now_utc
        self._state_version = 0
        self._on_change = on_change
        self._timeline = Timeline()
        self._slot: Slot | None = None
        self._tracks: tuple[Track, ...] = ()
        self._publishers = 0
        self._samples_in = 0
        self._bytes_in = 0
        self._rate = _Rate(now_utc)

    # -- the publisher's side ----------------------------------------------------------------

    def occupy(self, publisher: Publisher, remote: str, protocol: str, now_utc: float) -> Slot:
        """Takes the slot, by the path's `republish` policy.

        Raises PublishRejected where another publisher holds it and the policy is `reject`.
        """
        if self._slot is not None:
            if self.config.republish == "reject":
                raise PublishRejected(
                    BAD_NAME, f"{self.name} has a publisher already", http_status=409
                )
            old = self._slot
            self.leave(old, "taken over", now_utc)
            old.publisher.close(TAKEN_OVER, f"another publisher took over {self.name}")
        self._slot = Slot(publisher, remote, protocol)
        self._publishers += 1
        self._set_state(PathState.STARTING, f"{protocol} publisher {remote}", now_utc)
        return self._slot

    def set_tracks(
        self, slot: Slot, tracks: Sequence[Track], clock: SourceClock, now_utc: float
    ) -> None:
        """The publisher's complete list of tracks; again whenever one of them changes."""
        if slot is not self._slot:
            return
        continues = self.state in (PathState.LIVE, PathState.DEGRADED)
        if continues:
            self._deliver(self._timeline.flush(), now_utc)
        self._timeline.start(tracks, clock, continues=continues)
        self._tracks = tuple(tracks)
        for reader in self.readers:
            reader.set_tracks(self._tracks, now_utc)

    def write(self, slot: Slot, sample: Sample, now_utc: float) -> None:
        """One sample in the publisher's own clock."""
        if slot is not self._slot:
            return
        self._samples_in += 1
        self._bytes_in += len(sample.data)
        self._rate.add(len(sample.data), now_utc)
        self._deliver(self._timeline.push(sample, now_utc), now_utc)

    def _deliver(self, placed: list[Sample], now_utc: float) -> None:
        if placed and self.state is PathState.STARTING:
            self._set_state(PathState.LIVE, "first sample", now_utc)
        for sample in placed:
            for reader in self.readers:
                reader.write(sample, now_utc)

    def leave(self, slot: Slot, reason: str, now_utc: float) -> None:
        """The publisher has gone."""
        if slot is not self._slot:
            return
        if self._tracks:
            self._deliver(self._timeline.flush(), now_utc)
        self._slot = None
        self._tracks = ()
        for reader in self.readers:
            reader.pause(now_utc)
        self._set_state(PathState.RECONNECTING, reason, now_utc)

    # -- the registry's side -----------------------------------------------------------------

    def handle_timer(self, now_utc: float) -> None:
        """Ends the path when nobody continued it within `linger_s`."""
        if self.state is PathState.RECONNECTING:
            if now_utc - self.state_since_utc < self.config.linger_s:
                return
            for reader in self.readers:
                reader.end(now_utc)
            self._set_state(PathState.ENDED, "no publisher came back", now_utc)

    def set_degraded(self, degraded: bool, reason: str, now_utc: float) -> None:
        """The encoder fell behind, or caught up again."""
        wanted = PathState.DEGRADED if degraded else PathState.LIVE
        if self.state in (PathState.LIVE, PathState.DEGRADED) and self.state is not wanted:
            self._set_state(wanted, reason, now_utc)

    def kick(self, code: str, description: str, now_utc: float) -> None:
        """Closes the publisher, if there is one."""
        slot = self._slot
        if slot is not None:
            self.leave(slot, description, now_utc)
            slot.publisher.close(code, description)

    @property
    def has_publisher(self) -> bool:
        """Whether the slot is held."""
        return self._slot is not None

    def statistics(self, now_utc: float) -> PathStatistics:
        """What this path has seen until now."""
        slot = self._slot
        return PathStatistics(
            state=self.state,
            state_version=self._state_version,
            state_since_utc=self.state_since_utc,
            publisher=slot.remote if slot else "",
            protocol=slot.protocol if slot else "",
            publishers=self._publishers,
            tracks=self._tracks,
            bytes_in=self._bytes_in,
            samples_in=self._samples_in,
            bitrate=self._rate.bits_per_second(now_utc) if slot else 0,
            timeline=self._timeline.statistics(),
        )

    def _set_state(self, new: PathState, reason: str, now_utc: float) -> None:
        old = self.state
        if new not in _TRANSITIONS[old]:
            raise UsageError(f"path {self.name} cannot go from {old.value} to {new.value}")
        self.state = new
        self.state_since_utc = now_utc
        self._state_version += 1
        self._on_change(StateChange(self.name, old, new, reason, self._state_version, now_utc))


RATE_WINDOW_S = 5.0
"""Long enough to smooth a GOP's key frame, short enough to follow a publisher's change."""


class _Rate:
    """Bits per second over the last full window."""

    def __init__(self, now_utc: float) -> None:
        self._since = now_utc
        self._bytes = 0
        self._last = 0

    def add(self, size_bytes: int, now_utc: float) -> None:
        self._bytes += size_bytes
        if now_utc - self._since >= RATE_WINDOW_S:
            self._last = self.bits_per_second(now_utc)
            self._since, self._bytes = now_utc, 0

    def bits_per_second(self, now_utc: float) -> int:
        elapsed = now_utc - self._since
        if elapsed >= RATE_WINDOW_S or (not self._last and elapsed > 0):
            return int(self._bytes * 8 / elapsed)
        return self._last
