"""When encoders that have come up again go on where their slate ends. Sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from segmenter.media import VIDEO_TIMESCALE, Sample

HOLD: Final = 3 * VIDEO_TIMESCALE // 10
"""How long a rung may stand before its encoder's key frame: players of low latency hold back three
parts of 0.2 s."""
NEAR: Final = 2 * HOLD // 3
"""Encoders that are so far behind where the slate is have their key frame within HOLD."""
PATIENCE: Final = 2 * VIDEO_TIMESCALE
"""Whose encoders have not caught up in so long never will, and behind is better than a slate."""


class WayBack:
    """Owns the moment from which all rungs of a ladder are to be live again; its bridge asks.

    Ticks; `newest` is always the publisher's latest picture.
    """

    def __init__(self) -> None:
        self.pts = 0
        """The slate ends before it, and every encoder goes on with a key frame from it on."""
        self.breaks = False
        """What comes then is of another format."""
        self._give_up_at = 0
        self._heard_first: int | None = None

    def forget(self) -> None:
        """The encoders are no more."""
        self._heard_first = None

    def hear(self, newest: int) -> None:
        """They bring something."""
        if self._heard_first is None:
            self._heard_first = newest

    def choose(self, newest: int, lag: int, behind: Sequence[int | None]) -> bool:
        """Whether the moment has been chosen: all that run have caught up, or never will.

        `behind` is how far each is behind the publisher, None before its first picture, and `lag`
        how far the slate is.
        """
        known = [ticks for ticks in behind if ticks is not None]
        if not known or len(known) < len(behind) or self._heard_first is None:
            return False
        is_near = max(known) <= lag + NEAR
        if not is_near and newest - self._heard_first <= PATIENCE:
            return False
        self.pts = newest + 1
        self._give_up_at = self.pts + (lag if is_near else max(lag, *known)) + HOLD
        self.breaks = False
        return True

    def begins_with(self, sample: Sample, last: int | None) -> bool:
        """Whether a rung, whose media have come to `last`, goes on with this."""
        return sample.is_sync and sample.dts >= self.pts and sample.dts > (last or 0)

    def is_given_up(self, newest: int) -> bool:
        """Whether it has taken too long."""
        return newest > self._give_up_at
