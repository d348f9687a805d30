"""What hangs off one path, in packet order. Read this first.

    publisher ─→ Path.write ─→ Timeline ─→ Pipeline.write
                                             ├─→ Origin            (what is packaged as it is)
                                             └─→ TranscodeLink ─→ worker process
                                                      └──derived samples──→ Origin

The pipeline decides which tracks are packaged as they are and which are encoded (`plan_ladder`),
and what happens while the encoder is away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from segmenter.media import MediaType, Sample, Track
from streaming.config import PathConfig
from streaming.origin import Origin, OriginStatistics
from streaming.path import Path
from streaming.shelf_feed import ShelfFeed
from streaming.transcode.ladder import LadderPlan, plan_ladder
from streaming.transcode.transcode_link import TranscodeLink, TranscodeState

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """What becomes of a path's samples."""

    tracks: tuple[Track, ...]
    """Everything that is packaged."""
    copied: frozenset[str]
    """Names of tracks packaged as the publisher sent them."""
    ladder_reasons: tuple[str, ...]
    """Why the ladder is as it is, for people."""
    transcode: dict[str, Any]
    """The worker's latest report; empty when nothing is encoded."""
    origin: OriginStatistics


class Pipeline:
    """Owns a path's origin and its transcoder; the registry creates and closes it."""

    def __init__(
        self,
        path: Path,
        feed: ShelfFeed,
        ladder_cores: Callable[[PathConfig], float],
        clock: Callable[[], float],
    ) -> None:
        self._path = path
        self._config = path.config
        self._ladder_cores = ladder_cores
        self._clock = clock
        self._origin = Origin(path.name, path.config, feed)
        self._plan: LadderPlan | None = None
        self._link: TranscodeLink | None = None
        self._source: tuple[Track, ...] = ()
        self._copied: dict[str, Track] = {}
        self._encoded: dict[str, Track] = {}
        self._inputs: frozenset[str] = frozenset()
        path.readers.append(self)

    # -- the path's side ---------------------------------------------------------------------

    def set_tracks(self, tracks: Sequence[Track], now_utc: float) -> None:
        """See streaming.path.Reader."""
        if tuple(tracks) != self._source:
            self._source = tuple(tracks)
            self._make_plan()
        if self._link is not None:
            self._link.start(self._source)
        self._announce(now_utc)

    def write(self, sample: Sample, now_utc: float) -> None:
        """See streaming.path.Reader."""
        if sample.track in self._inputs and self._link is not None:
            self._link.write(sample)
        if sample.track in self._copied and not self._holds:
            self._origin.write(sample, now_utc)

    def pause(self, now_utc: float) -> None:
        """See streaming.path.Reader: what is there stays as it is."""

    def end(self, now_utc: float) -> None:
        """See streaming.path.Reader."""
        self._origin.end(now_utc)

    # -- the registry's side -----------------------------------------------------------------

    def handle_timer(self, now_utc: float) -> None:
        """What time alone brings about."""
        self._origin.handle_timer(now_utc)

    async def close(self) -> None:
        """Stops the worker."""
        if self._link is not None:
            await self._link.close()
            self._link = None

    @property
    def playable(self) -> bool:
        """Whether players find a multivariant playlist."""
        return self._origin.playable

    @property
    def encoding(self) -> bool:
        """Whether a worker encodes for this path."""
        return self._link is not None
