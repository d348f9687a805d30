"""Which layers of a publisher are packaged: those whose key frames are the best picture's. Pure.

Segments begin where the best picture's do, and players change renditions there: a layer that cannot
be begun with at the same moment is of no use to them, and would cost the others the promise that
every segment can be begun with. WebRTC viewers change at any key frame and may still have it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from segmenter.boundary import grid_ticks
from segmenter.lane import VIDEO_JOIN_S
from segmenter.media import VIDEO_TIMESCALE, Sample

MOST_MISSES: Final = 3
"""Segments in succession: a key frame that is lost on the way is asked for once more."""

FEWEST_HITS: Final = 2
"""Segments in succession after which a layer that missed is taken again."""

_JOIN_TICKS: Final = round(VIDEO_JOIN_S * VIDEO_TIMESCALE)


class _Layer:
    """One layer's key frames, and how they have met the best picture's."""

    def __init__(self) -> None:
        self.is_open = True
        self.hits = self.misses = 0
        self._began: int | None = None
        self._due: deque[int] = deque(maxlen=8)
        self._syncs: deque[int] = deque(maxlen=64)

    def expect(self, dts: int) -> None:
        """A segment begins there."""
        self._due.append(dts)

    def push(self, sample: Sample) -> bool:
        """Whether the sample is packaged."""
        if self._began is None:
            self._began = sample.dts
        if sample.is_sync:
            self._syncs.append(sample.dts)
        while self._due and sample.dts > self._due[0] + _JOIN_TICKS:
            self._judge(self._due.popleft())
        if self.misses >= MOST_MISSES:
            self.is_open = False
        elif sample.is_sync and self.hits >= FEWEST_HITS:
            self.is_open = True
        return self.is_open

    def _judge(self, due: int) -> None:
        if self._began is not None and due < self._began:
            return
        is_hit = any(0 <= sync - due <= _JOIN_TICKS for sync in self._syncs)
        self.hits, self.misses = (self.hits + 1, 0) if is_hit else (0, self.misses + 1)
        while self._syncs and self._syncs[0] < due:
            self._syncs.popleft()


class LayerGate:
    """Owned by a pipeline; every sample of a picture that could be packaged passes through it."""

    def __init__(self, segment_duration_s: float, names: Iterable[str] = ()) -> None:
        """``names`` are of the pictures, the best first, in ticks of 90 kHz."""
        self._segment_ticks = grid_ticks(segment_duration_s, VIDEO_TIMESCALE)
        self._best, *layers = [*names] or [""]
        self._layers = {name: _Layer() for name in layers}
        self._line = 0

    def follow(self, names: Iterable[str]) -> None:
        """Pictures have come or gone; what is known of the others stays."""
        self._best, *layers = [*names] or [""]
        self._layers = {name: self._layers.get(name) or _Layer() for name in layers}

    def admits(self, sample: Sample) -> bool:
        """Whether it is packaged; everything but layers is."""
        if not self._layers:
            return True
        if sample.track == self._best:
            line = sample.dts // self._segment_ticks
            if sample.is_sync and line != self._line:
                self._line = line
                for layer in self._layers.values():
                    layer.expect(sample.dts)
            return True
        found = self._layers.get(sample.track)
        return found is None or found.push(sample)

    @property
    def closed(self) -> tuple[str, ...]:
        """Layers that are not packaged at present."""
        return tuple(name for name, layer in self._layers.items() if not layer.is_open)
