"""A media playlist as it is served: bytes made once, and what a request is judged by."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Skip(enum.Enum):
    """Which version of the playlist a request is for: the value of ``_HLS_skip``."""

    NO = ""
    YES = "YES"
    V2 = "v2"


@dataclass(slots=True)
class PlaylistState:
    """How far a playlist has come, and what it promises."""

    last_msn: int
    """Number of its last finished segment; where none has finished yet, of the one before."""
    last_parts: int
    """How many parts that segment has, listed or not any more; 0 for a gap."""
    open_parts: int
    """Parts listed of the segment in progress, number ``last_msn + 1``."""
    target_duration: int
    """Seconds."""
    part_target_s: float
    """0 without parts."""
    can_block: bool
    """CAN-BLOCK-RELOAD=YES; without it directives have no meaning."""
    is_ended: bool
    hint: str
    """Name of the part that EXT-X-PRELOAD-HINT says will come next; empty when none is hinted."""


@dataclass(slots=True)
class RenderedPlaylist:
    """One version of a playlist; everybody gets the same bytes objects."""

    full: bytes
    delta: bytes
    """To ``_HLS_skip=YES``. The same object as ``full`` when there is nothing to leave out."""
    delta_v2: bytes
    """To ``_HLS_skip=v2``."""
    state: PlaylistState

    def version(self, skip: Skip) -> bytes:
        """The bytes to answer with."""
        if skip is Skip.NO:
            return self.full
        return self.delta if skip is Skip.YES else self.delta_v2
