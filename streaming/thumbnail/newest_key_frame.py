"""Which bytes of a path a thumbnail is made of. Sans-IO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streaming.media_shelf import ShelvedRendition
from streaming.shelf import Shelf

ENOUGH_HEIGHT: Final = 180
"""Pixels: a smaller rendition would be shown larger than it is."""
MOST_BYTES: Final = 8_000_000
"""A segment without parts at 32 Mb/s for two seconds; who has larger ones has no thumbnails."""


@dataclass(frozen=True, slots=True)
class NewestKeyFrame:
    """Where the newest segment of a path begins."""

    rendition: str
    msn: int
    media: bytes
    """Init section and first part, which begins with a key frame as a rule."""


def find_key_frame(shelf: Shelf, path: str) -> NewestKeyFrame | None:
    """Of the smallest rendition that will do; None where there is no video, or none yet."""
    state = shelf.paths.get(path)
    videos = [one for one in state.renditions if one.kind == "video"] if state is not None else []
    for one in sorted(videos, key=lambda one: (one.height < ENOUGH_HEIGHT, one.height)):
        folder = f"/{path}/{one.name}/"
        rendition, init = shelf.rendition(folder), shelf.init_section(folder)
        if rendition is not None and init is not None:
            found = _newest(rendition, init.load() or b"", one.name)
            if found is not None:
                return found
    return None


def _newest(rendition: ShelvedRendition, init: bytes, name: str) -> NewestKeyFrame | None:
    for msn in reversed(rendition.segments):
        part = rendition.resource(msn, 0)
        if part is None or part.size_bytes > MOST_BYTES:
            continue
        data = part.load()
        return None if data is None else NewestKeyFrame(name, msn, init + data)
    return None
