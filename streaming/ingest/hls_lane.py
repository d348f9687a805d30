"""One rendition of another origin's presentation: its playlist followed, its segments fetched.

A lane is a thread, because a fetch must not hold up the pace at which samples are sent. What it
has read waits in a short queue; when that is full the lane waits, so that nothing is fetched far
ahead of its time.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from segmenter.errors import SegmenterError
from streaming.errors import RemoteError, StreamingError
from streaming.ingest.hls_fetch import MAX_PLAYLIST_BYTES, MAX_SEGMENT_BYTES, Fetcher, FetchError
from streaming.ingest.hls_pull import (
    MIN_STALE_S,
    ByteRange,
    MediaPlaylist,
    MediaSegment,
    PlaylistFollower,
    parse_playlist,
)
from streaming.ingest.hls_segment import SegmentReader
from streaming.ingest.pacing import Item

QUEUE_SEGMENTS = 2
"""Besides the one being sent; a live playlist is joined three target durations from its end."""
ATTEMPTS = 3
FIRST_RETRY_S = 0.5
"""Doubled by each further attempt."""
MAX_BROKEN = 5
"""Unreadable segments in a row; then the source is not what it claims."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one segment held; `stretch` changes where its timestamps begin anew."""

    items: list[Item]
    stretch: tuple[int, int]
    missing_s: float = 0.0
    """Of a gap, which holds nothing: how long it lasts."""


class Lane:
    """Owns the thread of one rendition; the merge reads `chunks` and calls `stop`.

    `chunks` gives Chunks, at the end None, or the error that ended the lane.
    """

    def __init__(
        self,
        url: str,
        names: Sequence[str],
        frame_rate: Fraction = Fraction(0),
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self._url = url
        self._fetcher = Fetcher()
        self._follower = PlaylistFollower(url)
        self._reader = SegmentReader(names, frame_rate)
        self._stopped = threading.Event()
        self._pause = pause or self._stopped.wait
        self._inits: dict[ByteRange, bytes] = {}
        self._broken = 0
        self.was_recording: bool | None = None
        """Whether the playlist was complete when first loaded; None before that."""
        self.chunks: queue.Queue[Chunk | StreamingError | SegmenterError | None] = queue.Queue(
            QUEUE_SEGMENTS
        )
        self._thread = threading.Thread(target=self._run, name=f"hls {url}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, after a fetch that is under way."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            self._follow()
        except (StreamingError, SegmenterError) as error:
            self._put(error)
        else:
            self._put(None)

    def _put(self, news: Chunk | StreamingError | SegmenterError | None) -> None:
        while not self._stopped.is_set():
            try:
                self.chunks.put(news, timeout=0.2)
                return
            except queue.Full:
                continue

    def _follow(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            playlist = self._load()
            if self.was_recording is None:
                self.was_recording = playlist.has_ended
            for segment in self._follower.update(playlist, time.monotonic()):
                self._take(segment)
                if self._stopped.is_set():
                    return
            if self._follower.has_ended:
                return
            self._pause(max(0.0, began + self._follower.reload_after_s() - time.monotonic()))

    def _load(self) -> MediaPlaylist:
        """The playlist as it is now; later failures are borne for as long as a standstill is."""
        give_up_at = time.monotonic() + MIN_STALE_S
        delay_s = FIRST_RETRY_S
        while True:
            try:
                return load_media_playlist(self._fetcher, self._url)
            except FetchError:
                is_first = self.was_recording is None
                if is_first or self._stopped.is_set() or time.monotonic() > give_up_at:
                    raise
            self._pause(delay_s)
            delay_s *= 2

    def _take(self, segment: MediaSegment) -> None:
        """Fetches and reads one segment; one that cannot be had is a gap."""
        stretch = (self._follower.restarts, segment.discontinuity_sequence)
        gap = Chunk([], stretch, segment.duration_s)
        if segment.is_gap:
            self._put(gap)
            return
        try:
            init = self._fetch_init(segment.init) if segment.init else b""
            data = self._fetch(segment.place)
        except FetchError:
            self._put(gap)
            return
        try:
            items = self._reader.read(data, init)
        except (RemoteError, SegmenterError) as error:
            self._broken += 1
            if self._broken >= MAX_BROKEN:
                raise RemoteError(f"{segment.place.url}: {error}") from error
            self._put(gap)
            return
        self._broken = 0
        self._put(Chunk(items, stretch))

    def _fetch_init(self, place: ByteRange) -> bytes:
        if place not in self._inits:
            self._inits = {place: self._fetch(place)}
        return self._inits[place]

    def _fetch(self, place: ByteRange) -> bytes:
        byte_range = (place.first, place.length) if place.length else None
        delay_s = FIRST_RETRY_S
        for attempt in range(ATTEMPTS):
            try:
                return self._fetcher.fetch(place.url, MAX_SEGMENT_BYTES, byte_range).data
            except FetchError as error:
                if error.is_gone or attempt == ATTEMPTS - 1:
                    raise
            self._pause(delay_s)
            delay_s *= 2
        raise AssertionError("the last attempt returns or raises")


def load_media_playlist(fetcher: Fetcher, url: str) -> MediaPlaylist:
    """Fetches and parses one. Raises FetchError, or RemoteError when it is something else."""
    resource = fetcher.fetch(url, MAX_PLAYLIST_BYTES)
    playlist = parse_playlist(resource.data.decode("utf-8", "replace"), resource.url)
    if not isinstance(playlist, MediaPlaylist):
        raise RemoteError(f"{url}: a multivariant playlist where a media playlist is due")
    return playlist
