"""A path's origin, and a feed that keeps all that was put on the shelf."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from segmenter.media import Sample
from segmenter.segment import Part
from streaming.config_paths import PathConfig
from streaming.media_store import MediaStore
from streaming.origin import Origin
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import Put
from tests.segmenter.stage import START

TARGET_S = 2
"""EXT-X-TARGETDURATION with segments of two seconds."""


class RecordingFeed(ShelfFeed):
    """Remembers everything that was put and dropped."""

    def __init__(self, store: MediaStore) -> None:
        super().__init__(store)
        self.puts: list[Put] = []
        self.parts: list[str] = []
        self.segments: list[str] = []
        self.types: set[str] = set()
        self.dropped: dict[str, int] = {}

    def put(self, put: Put) -> None:
        self.puts.append(put)
        super().put(put)

    def put_part(
        self, path: str, rendition: str, content_type: str, part: Part, pieces: Sequence[bytes]
    ) -> bool:
        self.parts.append(f"{path}/{rendition}/{part.name}")
        self.types.add(content_type)
        return super().put_part(path, rendition, content_type, part, pieces)

    def complete_segment(self, path: str, rendition: str, msn: int) -> None:
        self.segments.append(f"{path}/{rendition}/{msn}.m4s")
        super().complete_segment(path, rendition, msn)

    def drop_segments(self, path: str, rendition: str, last_msn: int) -> None:
        self.dropped[rendition] = last_msn
        super().drop_segments(path, rendition, last_msn)

    def bodies(self, url: str) -> list[bytes]:
        return [put.body for put in self.puts if put.url == url]


class Scene:
    def __init__(self, store_bytes: int = 0, **settings: object) -> None:
        self.store = MediaStore(store_bytes)
        self.feed = RecordingFeed(self.store)
        self.origin = Origin("live/a", PathConfig(**settings), self.feed)  # type: ignore[arg-type]
        self.now = float(START)
        self.renders = 0

    def push(self, *streams: Sequence[Sample]) -> None:
        scales = {"audio": 48_000}
        timed = ([(s.dts / scales.get(s.track, 90_000), s) for s in stream] for stream in streams)
        for time, sample in heapq.merge(*timed, key=lambda pair: pair[0]):
            self.now = time
            self.origin.write([sample], time)

    @property
    def urls(self) -> set[str]:
        return {put.url for put in self.feed.puts}
