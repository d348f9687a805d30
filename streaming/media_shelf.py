"""A rendition on the shelf: its segments, finished and growing, as ranges of the media store."""

from __future__ import annotations

from collections.abc import Iterator

from streaming.resource import MediaBodies, MediaResource
from streaming.shelf_messages import PartAdded, RenditionOpened, SegmentState


class ShelvedSegment:
    """What there is of a segment; its rendition alone changes it.

    Parts lie one after the other, so the segment so far is one range at any time: what a client
    that follows the growing segment has not got yet is the range behind what it has.
    """

    __slots__ = ("is_complete", "msn", "offset", "parts", "resources", "size_bytes")

    def __init__(self, msn: int, offset: int) -> None:
        self.msn = msn
        self.offset = offset
        self.parts: list[tuple[int, int]] = []
        """(start in ticks, size in bytes) of each."""
        self.size_bytes = 0
        self.is_complete = False
        self.resources: dict[int | None, MediaResource] = {}
        """Those asked for, by part; None is the whole segment."""


class ShelvedRendition:
    """Owns the segments of one rendition in a delivery process; the shelf calls it.

    A lookup is by media sequence number and part. Nothing is built for what nobody asks for.
    """

    def __init__(self, opened: RenditionOpened, bodies: MediaBodies) -> None:
        self.handle = opened.handle
        self.path = opened.path
        self.folder = f"/{opened.path}/{opened.rendition}/"
        self.segments: dict[int, ShelvedSegment] = {}
        """By media sequence number, oldest first."""
        self.content_type = opened.content_type
        self._bodies = bodies

    @property
    def resource_count(self) -> int:
        """URLs that can be fetched now."""
        segments = self.segments.values()
        return sum(len(segment.parts) + segment.is_complete for segment in segments)

    def add_part(self, added: PartAdded) -> None:
        """The next part of a segment is there."""
        segment = self.segments.get(added.msn)
        if segment is None:
            segment = self.segments[added.msn] = ShelvedSegment(added.msn, added.offset)
        segment.parts.append((added.start, added.size_bytes))
        segment.size_bytes += added.size_bytes

    def complete(self, msn: int) -> None:
        """A segment has all its parts."""
        segment = self.segments.get(msn)
        if segment is not None:
            segment.is_complete = True

    def restore(self, state: SegmentState) -> None:
        """A segment as it is by now, whatever of it was known."""
        segment = self.segments.get(state.msn)
        if segment is None:
            segment = self.segments[state.msn] = ShelvedSegment(state.msn, state.offset)
        segment.parts = list(state.parts)
        segment.size_bytes = sum(size for _, size in segment.parts)
        segment.is_complete = state.is_complete

    def drop(self, msn: int) -> list[MediaResource]:
        """A segment has gone with its parts; gives what was asked for of it."""
        segment = self.segments.pop(msn, None)
        return [] if segment is None else list(segment.resources.values())

    def resource(self, msn: int, part: int | None) -> MediaResource | None:
        """A part, or with None a finished segment; None when it is not there."""
        segment = self.segments.get(msn)
        if segment is None:
            return None
        resource = segment.resources.get(part)
        if resource is not None:
            return resource
        if part is None:
            return self._build(segment, None) if segment.is_complete else None
        return self._build(segment, part) if part < len(segment.parts) else None

    def resources(self) -> Iterator[MediaResource]:
        """Everything there is."""
        for segment in self.segments.values():
            for part in (*range(len(segment.parts)), None):
                resource = self.resource(segment.msn, part)
                if resource is not None:
                    yield resource

    def _build(self, segment: ShelvedSegment, part: int | None) -> MediaResource:
        if part is None:
            name, offset = f"{segment.msn}.m4s", segment.offset
            (start, _), size = segment.parts[0], segment.size_bytes
        else:
            name = f"{segment.msn}.{part}.m4s"
            offset = segment.offset + sum(size for _, size in segment.parts[:part])
            start, size = segment.parts[part]
        resource = segment.resources[part] = MediaResource(
            self.folder + name,
            self.path,
            self.content_type,
            start=start,
            offset=offset,
            size_bytes=size,
            bodies=self._bodies,
        )
        return resource
