"""Which bytes of a path a thumbnail is made of. Sans-IO."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

from segmenter.errors import SegmenterError
from segmenter.fmp4.reader import read_fragments
from segmenter.media import VIDEO_TIMESCALE, Codec, Track
from streaming.media_shelf import ShelvedRendition
from streaming.resource import MediaResource
from streaming.shelf import Shelf

ENOUGH_HEIGHT: Final = 180
"""Pixels: a smaller rendition would be shown larger than it is."""
MOST_TRIES: Final = 16
"""Segments looked at, the newest first."""
MOST_BYTES: Final = 8_000_000
"""A segment without parts at 32 Mb/s for two seconds; who has larger ones has no thumbnails."""
MOST_READ_BYTES: Final = 16_000_000
"""Of all that is looked at for one picture: it is read on the event loop, by which media go."""


@dataclass(frozen=True, slots=True)
class NewestKeyFrame:
    """Where the newest segment of a path begins."""

    rendition: str
    msn: int
    media: bytes
    """Init section and first part, which begins with a key frame."""


def find_key_frame(shelf: Shelf, path: str) -> NewestKeyFrame | None:
    """Of the smallest rendition that will do; None where there is no video, or none yet."""
    state = shelf.paths.get(path)
    videos = [one for one in state.renditions if one.kind == "video"] if state is not None else []
    left_bytes = MOST_READ_BYTES
    for one in sorted(videos, key=lambda one: (one.height < ENOUGH_HEIGHT, one.height)):
        folder = f"/{path}/{one.name}/"
        rendition, init = shelf.rendition(folder), shelf.init_section(folder)
        if rendition is None or init is None:
            continue
        for msn, part in _first_parts(rendition):
            left_bytes -= part.size_bytes
            if left_bytes < 0:
                return None
            data = part.load()
            if data is not None and _begins_with_key_frame(data):
                return NewestKeyFrame(one.name, msn, (init.load() or b"") + data)
    return None


def _first_parts(rendition: ShelvedRendition) -> list[tuple[int, MediaResource]]:
    """Of the newest segments; those that are too large are passed over."""
    newest = islice(reversed(rendition.segments), MOST_TRIES)
    parts = [(msn, rendition.resource(msn, 0)) for msn in newest]
    return [(msn, one) for msn, one in parts if one is not None and one.size_bytes <= MOST_BYTES]


def _begins_with_key_frame(part: bytes) -> bool:
    """Where groups of pictures are longer than segments, some segments begin without one."""
    try:
        samples = read_fragments(part, _VIDEO)
    except SegmenterError:
        return False
    return bool(samples) and samples[0].is_sync


_VIDEO: Final = Track("video", Codec.H264, VIDEO_TIMESCALE, b"")
"""Any will do: what a sample's flags say is the same for all."""
