"""Counting viewers without sessions: who asked for media of a path lately. Sans-IO."""

from __future__ import annotations

from typing import Final

MAX_REMEMBERED: Final = 200_000
"""Viewer and path pairs per generation: about 20 MB; more are not counted."""

PROTOCOLS: Final = {"application/vnd.apple.mpegurl": 1, "application/dash+xml": 2}
"""The bit of a viewer who was given a text of this type: HLS, DASH."""
_NAMES: Final = {"hls": 1, "dash": 2}
_ASSUMED: Final = 4
"""This generation has seen media alone; what plays them is as the generation before knew."""


class ViewerCounter:
    """Owns the sets of recent viewers; requests call `saw`, a timer calls `turn`.

    A viewer is a client address and user agent; viewers behind one address with one browser count
    as one. Two generations of sets are kept, so a viewer counts for one to two turns after its
    last request and nothing needs scanning.
    """

    def __init__(self) -> None:
        self._new: dict[str, dict[int, int]] = {}
        self._old: dict[str, dict[int, int]] = {}
        self._remembered = 0

    def saw(self, path: str, viewer: int, content_type: str = "") -> None:
        """`viewer` (see `viewer_key`) was given something of `path`; playlists and manifests
        tell which protocol it plays by, segments are the same for all."""
        viewers = self._new.get(path)
        if viewers is None:
            viewers = self._new[path] = {}
        known = viewers.get(viewer)
        if known is None:
            if self._remembered >= MAX_REMEMBERED:
                return
            self._remembered += 1
            known = viewers[viewer] = self._old.get(path, {}).get(viewer, 0) | _ASSUMED
        bit = PROTOCOLS.get(content_type, 0)
        if bit:
            viewers[viewer] = bit if known & _ASSUMED else known | bit

    def turn(self) -> None:
        """Half of the counting window has passed."""
        self._old, self._new = self._new, {}
        self._remembered = 0

    def counts(self) -> dict[str, int]:
        """Path to viewers."""
        return {path: len(viewers) for path, viewers in self._lately().items()}

    def counts_by_protocol(self) -> dict[str, dict[str, int]]:
        """Path to protocol to viewers; who plays by two counts in both."""
        return {
            path: {
                name: count
                for name, bit in _NAMES.items()
                if (count := sum(bool(seen & bit) for seen in viewers.values()))
            }
            for path, viewers in self._lately().items()
        }

    def _lately(self) -> dict[str, dict[int, int]]:
        paths = self._new.keys() | self._old.keys()
        return {p: self._old.get(p, {}) | self._new.get(p, {}) for p in paths}


def viewer_key(address: str, user_agent: bytes) -> int:
    """One viewer as a number."""
    return hash((address, user_agent))
