"""A door and publications that only remember, and a source's owner likewise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from segmenter.media import Sample, Track
from segmenter.timeline import SourceClock
from streaming.errors import PublishRejected
from streaming.ingest.pull import RunEnd
from streaming.ingest.source import Publisher, PublishRequest


class FakePublication:
    """Remembers what was published."""

    session = "pull-1"
    is_watched = True
    is_prompt = False

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.tracks: list[Track] = []
        self.announced: list[list[Track]] = []
        self.clock: SourceClock | None = None
        self.samples: list[Sample] = []
        self.closed = ""
        self._on_change = on_change

    def set_tracks(self, tracks: Sequence[Track], clock: SourceClock) -> None:
        self.tracks, self.clock = list(tracks), clock
        self.announced.append(self.tracks)
        self._on_change()

    def write(self, samples: list[Sample]) -> None:
        self.samples += samples
        self._on_change()

    def media_time(self, track: str, stamp: int) -> int | None:
        return None

    def close(self, reason: str) -> None:
        self.closed = reason
        self._on_change()


class FakeDoor:
    """Grants every request, unless `refusal` says why not; as an owner it never opens again."""

    def __init__(self) -> None:
        self.requests: list[PublishRequest] = []
        self.publishers: list[Publisher] = []
        self.publications: list[FakePublication] = []
        self.refusal = ""
        self.opened = 0
        self.ends: list[RunEnd] = []
        self.over: list[str] = []
        self._changed = asyncio.Event()

    async def publish(self, request: PublishRequest, publisher: Publisher) -> FakePublication:
        self.requests.append(request)
        self.note_change()
        if self.refusal:
            raise PublishRejected("NetStream.Publish.BadName", self.refusal)
        publication = FakePublication(self.note_change)
        self.publishers.append(publisher)
        self.publications.append(publication)
        return publication

    def source_opened(self) -> None:
        self.opened += 1
        self.note_change()

    def source_failed(self, end: RunEnd) -> None:
        self.ends.append(end)
        self.note_change()

    def source_over(self, reason: str) -> None:
        self.over.append(reason)
        self.note_change()

    def note_change(self) -> None:
        self._changed.set()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits for something to change until `condition` holds."""
        async with asyncio.timeout(20):
            while not condition():
                await self._changed.wait()
                self._changed.clear()

    def samples(self, publication: int = 0) -> list[Sample]:
        """What arrived in one publication, empty while there is none."""
        if publication >= len(self.publications):
            return []
        return self.publications[publication].samples
