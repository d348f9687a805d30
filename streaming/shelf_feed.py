"""The origin's side of the shelf: what is served now, fanned out to every delivery process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from segmenter.media import Payload
from segmenter.segment import Part
from streaming.gone_memory import GoneMemory
from streaming.link import encode_frame
from streaming.media_feed import FedRendition
from streaming.media_store import MediaStore, StoreStatistics
from streaming.shelf_messages import (
    Drop,
    Metrics,
    PartAdded,
    PathGone,
    PathState,
    Put,
    RenditionOpened,
    Replayed,
    SegmentCompleted,
    SegmentDropped,
    TextsRest,
    Totals,
)

HIGH_WATER_BYTES: Final = 4 * 1024 * 1024
"""Bytes a link may buffer before it is sent only what is still current: some seconds of playlists
of a hundred paths, about 3 ms of copying when the other end wakes."""

BEHIND_S: Final = 10.0
"""A delivery process that has not caught up for so long is restarted: its viewers have stalled by
then, since players buffer two or three segments of 2 s to 4 s."""

_TOTALS: Final = "totals"
_METRICS: Final = "metrics"
_REPLAYED: Final = "replayed"

Key = str | tuple[int, int]
"""A URL, "path:<name>", "rest:<name>", "gone:<name>", "rendition:<handle>", "totals", "metrics" or
"replayed"; a segment by its rendition's handle and its number."""


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
    pending: dict[Key, None] = field(default_factory=dict)
    replayed: bool = False
    behind_since: float | None = None


@dataclass(frozen=True, slots=True)
class FeedStatistics:
    """What the feed holds and how its readers fare."""

    resources: int
    """Texts and init sections, segments and their parts."""
    resource_bytes: int
    """Of texts and init sections; media are in the store."""
    readers: int
    pending: int
    """Changes not yet sent to the reader that is furthest behind."""
    store: StoreStatistics


class ShelfFeed:
    """Owns what is on the shelf; the origin puts and drops, DeliveryProcesses attach their links.

    Media bytes go into the store, and links are told where. A change is encoded once for all
    links. A link that is behind gets no further frames but a list of changed keys; when it has
    room it is sent what these keys hold by then, so a slow delivery process skips playlists that
    are out of date and media that has gone, and costs the origin no memory but the keys.
    Replaying the shelf to a new process is the same thing with every key pending.
    """

    def __init__(self, store: MediaStore) -> None:
        self.on_segment: Callable[[str, str, int], None] | None = None
        """Told the path, rendition and number of each segment that has become complete."""
        # Last changed is last, so a replay sends media before the playlists that name it.
        self._current: dict[Key, Any] = {}
        self._store = store
        self._renditions: dict[tuple[str, str], FedRendition] = {}
        self._next_handle = 0
        self._gone = GoneMemory()
        self._readers: list[_Reader] = []
        self._urls_of_path: dict[str, set[str]] = {}
        self._resource_bytes = 0

    # -- what the origin says: media ----------------------------------------------------------

    def put_part(
        self, path: str, rendition: str, content_type: str, part: Part, pieces: Sequence[Payload]
    ) -> bool:
        """The next part of a segment can be fetched; `pieces` are its bytes.

        False where there is no room for them; the caller then adds no more to this segment.
        """
        fed = self._renditions.get((path, rendition))
        if fed is None:
            fed = self._open(path, rendition, content_type)
        offset = self._store.append(
            fed.log, pieces, part.size_bytes, starts_segment=part.msn not in fed.segments
        )
        if offset is None:
            return False
        added = PartAdded(fed.handle, part.msn, part.index, part.start, offset, part.size_bytes)
        key = (fed.handle, part.msn)
        self._set(key, fed.add_part(added))
        self._changed(key, added)
        return True

    def complete_segment(self, path: str, rendition: str, msn: int) -> None:
        """A segment has all its parts, and they are there."""
        fed = self._renditions[path, rendition]
        segment = fed.segments[msn]
        segment.is_complete = True
        self._set((fed.handle, msn), segment)
        self._changed((fed.handle, msn), SegmentCompleted(fed.handle, msn))
        if self.on_segment is not None:
            self.on_segment(path, rendition, msn)

    def place_of(self, path: str, rendition: str, msn: int) -> tuple[int, int] | None:
        """Offset and size in the store of a complete segment; None when there is none."""
        fed = self._renditions.get((path, rendition))
        segment = fed.segments.get(msn) if fed is not None else None
        if segment is None or not segment.is_complete:
            return None
        return segment.offset, sum(size for _, size in segment.parts)

    def drop_segments(self, path: str, rendition: str, last_msn: int) -> None:
        """Segments up to `last_msn` are no longer served, with all their parts."""
        fed = self._renditions.get((path, rendition))
        if fed is None:
            return
        for segment in fed.drop(last_msn):
            key = (fed.handle, segment.msn)
            self._current.pop(key, None)
            self._gone.remember_segment(fed.folder, segment.msn)
            self._changed(key, SegmentDropped(*key))
        self._store.free(fed.log, fed.first_offset)

    # -- what the origin says: everything else ------------------------------------------------

    def put(self, put: Put) -> None:
        """A resource appears or is replaced."""
        old = self._current.get(put.url)
        if old is not None:
            self._resource_bytes -= len(old.body)
        self._set(put.url, put)
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

    def rest(self, path: str) -> None:
        """A path's texts are not put any more until `wake`: what is there is out of date."""
        key = "rest:" + path
        self._set(key, TextsRest(path, is_resting=True))
        self._changed(key, TextsRest(path, is_resting=True))

    def wake(self, path: str) -> None:
        """A path's texts are as of now again."""
        key = "rest:" + path
        self._current.pop(key, None)
        self._changed(key, TextsRest(path, is_resting=False))

    def path_state(self, state: PathState) -> None:
        """A path's state or statistics changed."""
        key = "path:" + state.path
        self._set(key, state)
        self._changed(key, state)

    def path_gone(self, path: str) -> None:
        """A path has gone with everything on it."""
        keys: list[Key] = ["path:" + path, "rest:" + path]
        for key in keys:
            self._current.pop(key, None)
        for url in self._urls_of_path.pop(path, ()):
            keys.append(url)
            self._forget(url)
            self._gone.remember(url)
        for name in [name for name in self._renditions if name[0] == path]:
            keys += self._close(self._renditions.pop(name))
        for reader in self._readers:
            for key in keys:
                reader.pending.pop(key, None)
        # A key of its own: a path that comes back at once must not hide that it had gone.
        self._changed("gone:" + path, PathGone(path))

    def totals(self, totals: Totals) -> None:
        """The server-wide figures of this second."""
        self._set(_TOTALS, totals)
        self._changed(_TOTALS, totals)

    def metrics(self, metrics: Metrics) -> None:
        """The origin's newest figures for /metrics."""
        self._set(_METRICS, metrics)
        self._changed(_METRICS, metrics)

    # -- what the delivery processes' owner says ----------------------------------------------

    def open_reader(self) -> int:
        """A descriptor of the media store for a new delivery process; the caller closes it."""
        return self._store.open_reader()

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
            resources=sum(map(len, self._urls_of_path.values()))
            + sum(fed.resource_count for fed in self._renditions.values()),
            resource_bytes=self._resource_bytes,
            readers=len(self._readers),
            pending=max((len(r.pending) for r in self._readers), default=0),
            store=self._store.statistics(),
        )

    # -- inside -------------------------------------------------------------------------------

    def _open(self, path: str, rendition: str, content_type: str) -> FedRendition:
        self._next_handle += 1
        opened = RenditionOpened(self._next_handle, path, rendition, content_type)
        fed = self._renditions[path, rendition] = FedRendition(opened)
        key = f"rendition:{fed.handle}"
        self._set(key, opened)
        self._changed(key, opened)
        return fed

    def _close(self, fed: FedRendition) -> list[Key]:
        """Forget a rendition; gives the keys that are of it."""
        keys: list[Key] = [f"rendition:{fed.handle}"]
        for msn in fed.segments:
            self._gone.remember_segment(fed.folder, msn)
            keys.append((fed.handle, msn))
        for key in keys:
            self._current.pop(key, None)
        self._store.close_log(fed.log)
        return keys

    def _set(self, key: Key, value: Any) -> None:
        self._current.pop(key, None)
        self._current[key] = value

    def _forget(self, url: str) -> Put | None:
        put: Put | None = self._current.pop(url, None)
        if put is not None:
            self._resource_bytes -= len(put.body)
        return put

    def _changed(self, key: Key, message: Any) -> None:
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

    def _message(self, key: Key) -> Any:
        held = self._current.get(key)
        if isinstance(key, tuple):
            return SegmentDropped(*key) if held is None else held.state(key[0])
        if held is not None:
            return held
        if key == _REPLAYED:
            return Replayed()
        if key.startswith("gone:"):
            return PathGone(key.removeprefix("gone:"))
        if key.startswith("rest:"):
            return TextsRest(key.removeprefix("rest:"), is_resting=False)
        return Drop(key)
