"""The slate of a ladder's renditions, for when their encoders die: encoded when these have come up.

By a worker of low priority, which has ended long before its slate is needed. What is kept is a
group of pictures of each rung, two seconds at most, at no more than the rung's own bit rate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streaming.config_paths import PathConfig
from streaming.pipeline import Pipeline
from streaming.slate.encoding import SlateEncoding, slate_setup
from streaming.slate.loop import SlateStrip
from streaming.slate.messages import LadderToCover, SlateReady

CALM_S: Final = 1.0
"""How long a ladder runs as it does before its slate is encoded: encoders that are tried and
replaced do so at their beginning."""
MOST_KEPT: Final = 2
"""Ladders whose slate is kept: that of the publisher, and that of the slate that stands in for it,
which alternate."""


class RungStrips:
    """Owns the encoding of one path's strips; its entry calls and closes it."""

    def __init__(
        self,
        name: str,
        config: PathConfig,
        pipeline: Pipeline,
        on_restart: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """`on_restart` is told why a worker died that is replaced."""
        self._config = config
        self._pipeline = pipeline
        self._encoding = SlateEncoding(f"{name}: ladder", self._done, on_restart)
        self._wanted: LadderToCover | None = None
        self._kept: dict[LadderToCover, list[SlateStrip]] = {}
        """Of the latest ones, the latest last."""
        self._seen: LadderToCover | None = None
        self._seen_utc = 0.0

    def handle_timer(self, now_utc: float) -> None:
        """What time alone brings about; called a few times a second, needs a running loop."""
        seen = self._pipeline.ladder_to_cover
        if seen != self._seen:
            self._seen, self._seen_utc = seen, now_utc
        is_calm = now_utc - self._seen_utc >= CALM_S
        if seen is not None and seen != self._wanted and is_calm:
            self._wanted = seen
            kept = self._kept.get(seen)
            if kept is None:
                self._encode(seen)
            else:
                self._pipeline.set_strips(kept)

    async def close(self) -> None:
        """Stops the worker."""
        await self._encoding.close()

    def _encode(self, ladder: LadderToCover) -> None:
        self._encoding.encode(slate_setup(self._config, ladder.tracks, ladder.rungs))

    def _done(self, slate: SlateReady | None) -> None:
        strips = slate.to_strips() if slate is not None else []
        if self._wanted is not None:
            self._kept[self._wanted] = strips
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._pipeline.set_strips(strips)
