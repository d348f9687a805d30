"""The origin's side of the shelf: what is served now, fanned out to every delivery process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from streaming.link import encode_frame
from streaming.shelf import GoneMemory, numbered
from streaming.shelf_messages import Drop, PathGone, PathState, Put, Replayed, Totals

HIGH_WATER_BYTES: Final = 16 * 1024 * 1024
"""Bytes a link may buffer before it is sent only what is still current: two or three 4K segments,
about 10 ms of copying when the other end wakes."""

BEHIND_S: Final = 10.0
"""A delivery process that has not caught up for so long is restarted: its viewers have stalled by
then, since players buffer two or three segments of 2 s to 4 s."""

_TOTALS: Final = "totals"
_REPLAYED: Final = "replayed"


class FrameSink(Protocol):
    """The part of a Link that the feed needs."""

    @property
    def buffered_bytes(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    def send_frame(self, frame: bytearray) -> None: ...


@dataclass(slots=True)
class _Reader:
    """One link and the keys it still has to be told about, oldest change first."""

    sink: FrameSink
    pending: dict[str, None] = field(default_factory=dict)
    replayed: bool = False
    behind_since: float | None = None


@dataclass(frozen=True, slots=True)
class FeedStatistics:
    """What the feed holds and how its readers fare."""

    resources: int
    resource_bytes: int
    readers: int
    pending: int
    """Changes not yet sent to the reader that is furthest behind."""


class ShelfFeed:
    """Owns what is on the shelf; the origin puts and drops, DeliveryProcesses attach their links.

    A change is encoded once for all links. A link that is behind gets no further frames but a
    list of changed keys; when it has room it is sent what these keys hold by then, so a slow
    delivery process skips playlists that are out of date and media that has gone, and costs the
    origin no memory but the keys. Replaying the shelf to a new process is the same thing with
    every key pending.
    """

    def __init__(self) -> None:
        # url -> Put, "path:<name>" -> PathState, "totals" -> Totals; last changed is last, so a
        # replay sends media before the playlists that name it.
        self._current: dict[str, Any] = {}
        self._gone = GoneMemory()
        self._readers: list[_Reader] = []
        self._urls_of_path: dict[str, set[str]] = {}
        self._resource_bytes = 0

    # -- what the origin says -----------------------------------------------------------------

    def put(self, put: Put) -> None:
        """A resource appears or is replaced."""
        old = self._current.pop(put.url, None)
        if old is not None:
            self._resource_bytes -= len(old.body)
        self._current[put.url] = put
        self._resource_bytes += len(put.body)
        self._urls_of_path.setdefault(put.path, set()).add(put.url)
        self._changed(put.url, put)

    def drop(self, url: str) -> None:
        """A resource is no longer served; unknown URLs are ignored."""
        put = self._forget(url)
        if put is None:
            return
        self._urls_of_path[put.path].discard(url)
        self._gone.remember(url)
        self._changed(url, Drop(url))

    def path_state(self, state: PathState) -> None:
        """A path's state or statistics changed."""
        key = "path:" + state.path
        self._current.pop(key, None)
        self._current[key] = state
        self._changed(key, state)

    def path_gone(self, path: str) -> None:
        """A path has gone with everything on it."""
        for url in self._urls_of_path.pop(path, ()):
            self._forget(url)
            if numbered(url) is not None:
                self._gone.remember(url)
            for reader in self._readers:
                reader.pending.pop(url, None)
        self._current.pop("path:" + path, None)
        for reader in self._readers:
            reader.pending.pop("path:" + path, None)
        # A key of its own: a path that comes back at once must not hide that it had gone.
        self._changed("gone:" + path, PathGone(path))

    def totals(self, totals: Totals) -> None:
        """The server-wide figures of this second."""
        self._current[_TOTALS] = totals
        self._changed(_TOTALS, totals)

    # -- what the delivery processes' owner says ----------------------------------------------

    def attach(self, sink: FrameSink) -> None:
        """A delivery process has come: it is sent everything, then Replayed.

        The owner calls `pump` until it says that nothing is pending.
        """
        sink.send_frame(encode_frame(self._gone.snapshot()))
        self._readers.append(_Reader(sink, dict.fromkeys([*self._current, _REPLAYED])))

    def detach(self, sink: FrameSink) -> None:
        """A delivery process has gone."""
        self._readers = [r for r in self._readers if r.sink is not sink]

    def pump(self, now: float) -> bool:
        """Sends what is pending to links that have room; True while something is still pending."""
        for reader in self._readers:
            self._pump_reader(reader, now)
        return any(reader.pending for reader in self._readers)

    def sinks_behind(self, now: float) -> list[FrameSink]:
        """The links that were replayed to and have not caught up for BEHIND_S since."""
        return [
            reader.sink
            for reader in self._readers
            if reader.replayed
            and reader.behind_since is not None
            and now - reader.behind_since > BEHIND_S
        ]

    def statistics(self) -> FeedStatistics:
        """A snapshot for metrics."""
        return FeedStatistics(
            resources=sum(map(len, self._urls_of_path.values())),
            resource_bytes=self._resource_bytes,
            readers=len(self._readers),
            pending=max((len(r.pending) for r in self._readers), default=0),
        )

    # -- inside -------------------------------------------------------------------------------

    def _forget(self, url: str) -> Put | None:
        put: Put | None = self._current.pop(url, None)
        if put is not None:
            self._resource_bytes -= len(put.body)
        return put

    def _changed(self, key: str, message: Any) -> None:
        frame: bytearray | None = None
        for reader in self._readers:
            if reader.pending or reader.sink.buffered_bytes > HIGH_WATER_BYTES:
                # Last again: a playlist must follow the segments it names.
                reader.pending.pop(key, None)
                reader.pending[key] = None
                continue
            if frame is None:
                frame = encode_frame(message)
            reader.sink.send_frame(frame)

    def _pump_reader(self, reader: _Reader, now: float) -> None:
        pending, sink = reader.pending, reader.sink
        while pending and sink.buffered_bytes <= HIGH_WATER_BYTES:
            key = next(iter(pending))
            del pending[key]
            sink.send_frame(encode_frame(self._message(key)))
            reader.replayed |= key == _REPLAYED
        if not pending:
            reader.behind_since = None
        elif reader.behind_since is None:
            reader.behind_since = now

    def _message(self, key: str) -> Any:
        message = self._current.get(key)
        if message is not None:
            return message
        if key == _REPLAYED:
            return Replayed()
        if key.startswith("gone:"):
            return PathGone(key.removeprefix("gone:"))
        return Drop(key)
