"""Looks closely at the first seconds of a publisher, then never again. Sans-IO."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from segmenter.media import MediaType, Sample, Track
from segmenter.timeline import SourceClock
from streaming.events.advice import (
    Advice,
    b_frames,
    gop_too_long,
    missing_audio,
    missing_video,
    variable_frame_rate,
)

EXAM_CODES: Final = frozenset(
    {
        "not-packaged",
        "gop-too-long",
        "b-frames",
        "variable-frame-rate",
        "missing-audio",
        "missing-video",
    }
)
"""What is looked for in a publisher's first seconds."""
EXAM_S: Final = 12.0
"""Three groups of pictures of 4 s, which is more than most encoders make."""
TOLERANCE_S: Final = 0.1
"""Timestamps are in milliseconds, and encoders put key frames a picture early or late."""
REORDER_S: Final = 0.005
"""Composition offsets that differ by less are rounding."""
UNEVEN: Final = 1.5
"""Pictures so much further apart than others are no jitter of rounded stamps (at 60 per second:
16 and 17 ms)."""
FEWEST_PICTURES: Final = 50
MOST_PICTURES: Final = 3_000
"""More than 12 s have at 240 per second."""


class IngestExam:
    """Takes what a publisher sends, in its own clock, until `is_over`; then gives advice."""

    def __init__(self, now_utc: float, segment_s: float, *, asks_key_frames: bool = False) -> None:
        """`asks_key_frames`: this publisher sends them when asked to, so intervals mean nothing."""
        self._until_utc = now_utc + EXAM_S
        self._segment_s = segment_s
        self._asks_key_frames = asks_key_frames
        self._video = ""
        self._names: dict[str, MediaType] = {}
        self._heard: set[str] = set()
        self._timescale = 1
        self._dts: list[int] = []
        self._sync: list[int] = []
        self._offsets: set[int] = set()

    def set_tracks(self, tracks: Sequence[Track], clock: SourceClock) -> None:
        """The publisher's complete list of tracks."""
        self._names = {track.name: track.media_type for track in tracks}
        video = (n for n, kind in self._names.items() if kind is MediaType.VIDEO)
        self._video = next(video, "")
        self._timescale = clock.timescale
        self._dts.clear()
        self._sync.clear()

    def is_over(self, now_utc: float) -> bool:
        """Whether it has seen enough."""
        return now_utc >= self._until_utc

    def push(self, samples: list[Sample]) -> None:
        """What came together."""
        for sample in samples:
            self._heard.add(sample.track)
            if sample.track == self._video and len(self._dts) < MOST_PICTURES:
                self._dts.append(sample.dts)
                self._offsets.add(sample.pts - sample.dts)
                if sample.is_sync:
                    self._sync.append(sample.dts)

    def verdict(self) -> list[Advice]:
        """What could be better."""
        checks = (self._gop(), self._order(), self._pace(), self._sound(), self._picture())
        return [advice for advice in checks if advice is not None]

    def _gop(self) -> Advice | None:
        if self._asks_key_frames or not self._sync:
            return None
        ends = [*self._sync, self._dts[-1]]
        gop_s = max(later - sooner for sooner, later in pairwise(ends)) / self._timescale
        too_long = gop_s > self._segment_s + TOLERANCE_S
        return gop_too_long(gop_s, self._segment_s) if too_long else None

    def _order(self) -> Advice | None:
        if not self._offsets:
            return None
        spread_s = (max(self._offsets) - min(self._offsets)) / self._timescale
        return b_frames() if spread_s > REORDER_S else None

    def _pace(self) -> Advice | None:
        if len(self._dts) < FEWEST_PICTURES:
            return None
        steps = sorted(later - sooner for sooner, later in pairwise(self._dts))
        rare = len(steps) // 20  # a picture lost now and then is no variable rate
        shortest, longest = steps[rare], steps[-1 - rare]
        if shortest <= 0 or longest < UNEVEN * shortest:
            return None
        return variable_frame_rate(shortest / self._timescale, longest / self._timescale)

    def _sound(self) -> Advice | None:
        names = {name for name, kind in self._names.items() if kind is MediaType.AUDIO}
        return None if names & self._heard else missing_audio(announced=bool(names))

    def _picture(self) -> Advice | None:
        return missing_video() if self._video and self._video not in self._heard else None
