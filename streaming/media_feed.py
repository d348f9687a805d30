"""A rendition at the origin's end of the shelf: where in the media store its segments are."""

from __future__ import annotations

from streaming.shelf_messages import PartAdded, RenditionOpened, SegmentState
from streaming.store_ledger import Log


class FedSegment:
    """Where the parts of a segment are; its rendition's feed alone changes it."""

    __slots__ = ("is_complete", "msn", "offset", "parts")

    def __init__(self, msn: int, offset: int) -> None:
        self.msn = msn
        self.offset = offset
        """Of its first part; the others follow it without a gap."""
        self.parts: list[tuple[int, int]] = []
        """(start in ticks, size in bytes) of each."""
        self.is_complete = False

    def state(self, handle: int) -> SegmentState:
        """All of it in one message."""
        return SegmentState(handle, self.msn, self.offset, tuple(self.parts), self.is_complete)


class FedRendition:
    """Owns what is served of one rendition, and its log in the store; the feed calls it."""

    __slots__ = ("folder", "handle", "log", "segments")

    def __init__(self, opened: RenditionOpened) -> None:
        self.handle = opened.handle
        self.folder = f"/{opened.path}/{opened.rendition}/"
        self.log = Log()
        self.segments: dict[int, FedSegment] = {}
        """By media sequence number, oldest first."""

    @property
    def resource_count(self) -> int:
        """URLs that can be fetched now."""
        segments = self.segments.values()
        return sum(len(segment.parts) + segment.is_complete for segment in segments)

    def add_part(self, added: PartAdded) -> FedSegment:
        """The next part has been written; gives its segment, which begins now if there is none."""
        segment = self.segments.get(added.msn)
        if segment is None:
            segment = self.segments[added.msn] = FedSegment(added.msn, added.offset)
        segment.parts.append((added.start, added.size_bytes))
        return segment

    def drop(self, last_msn: int) -> list[FedSegment]:
        """Segments up to `last_msn` go; gives them."""
        dropped = []
        while self.segments and (msn := next(iter(self.segments))) <= last_msn:
            dropped.append(self.segments.pop(msn))
        return dropped

    @property
    def first_offset(self) -> int | None:
        """Where the oldest bytes still served begin; None when there are none."""
        return next((segment.offset for segment in self.segments.values()), None)
