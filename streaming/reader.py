"""Who is given a path's samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from segmenter.media import Sample, Track


class Reader(Protocol):
    """Who is given a path's samples, in order; must never block and never raise."""

    def set_tracks(self, tracks: Sequence[Track], now_utc: float) -> None:
        """The publisher's complete track list, before the first sample and at each change."""

    def set_layers(self, tracks: Sequence[Track], now_utc: float) -> None:
        """The same publisher's complete list: pictures have come or gone beside those that stay,
        and nothing breaks."""

    def write(self, samples: list[Sample], now_utc: float) -> None:
        """Samples in media time that came together, in order."""

    def pause(self, now_utc: float) -> None:
        """The publisher has gone; another may continue."""

    def is_drained(self, now_utc: float) -> bool:
        """Whether nothing is to come any more of what it was given."""

    def end(self, now_utc: float) -> None:
        """Nobody continued in time."""
