"""Counting viewers without sessions: who asked for media of a path lately. Sans-IO."""

from __future__ import annotations

from typing import Final

MAX_REMEMBERED: Final = 200_000
"""Viewer and path pairs per generation: about 20 MB; more are not counted."""


class ViewerCounter:
    """Owns the sets of recent viewers; requests call `saw`, a timer calls `turn`.

    A viewer is a client address and user agent; viewers behind one address with one browser count
    as one. Two generations of sets are kept, so a viewer counts for one to two turns after its
    last request and nothing needs scanning.
    """

    def __init__(self) -> None:
        self._new: dict[str, set[int]] = {}
        self._old: dict[str, set[int]] = {}
        self._remembered = 0

    def saw(self, path: str, viewer: int) -> None:
        """`viewer` (see `viewer_key`) was given media or a playlist of `path`."""
        viewers = self._new.get(path)
        if viewers is None:
            viewers = self._new[path] = set()
        if viewer not in viewers and self._remembered < MAX_REMEMBERED:
            viewers.add(viewer)
            self._remembered += 1

    def turn(self) -> None:
        """Half of the counting window has passed."""
        self._old, self._new = self._new, {}
        self._remembered = 0

    def counts(self) -> dict[str, int]:
        """Path to viewers."""
        paths = self._new.keys() | self._old.keys()
        return {p: len(self._new.get(p, set()) | self._old.get(p, set())) for p in paths}


def viewer_key(address: str, user_agent: bytes) -> int:
    """One viewer as a number."""
    return hash((address, user_agent))
