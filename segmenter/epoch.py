"""One anchoring of media time, and how the tracks of a publisher start together in it."""

from __future__ import annotations

from collections.abc import Collection

from segmenter.drift import DriftWatch
from segmenter.media import Sample
from segmenter.source_clock import SourceClock
from segmenter.timeline_statistics import TimelineCounts
from segmenter.track_clock import ANCHOR_TIMESCALE, TrackClock

VIDEO_WAIT_S = 2.0
"""How long audio waits for the first key frame of a declared video track, then starts alone.
Publishers begin with one; two seconds is the usual GOP for those which do not."""

HELD_LIMIT = 512
"""Audio samples held while waiting: two seconds of four tracks of AAC are 375."""


class Epoch:
    """Anchors source ticks to media time; owned by one Timeline.

    ``source`` is placed at its arrival ``now_utc``, but nothing before ``not_before`` (ticks of
    ANCHOR_TIMESCALE). Tracks enter by ``admit``: video at its first sync sample, audio not before
    that, unless video keeps it waiting for too long.
    """

    def __init__(
        self,
        clock: SourceClock,
        source: int,
        now_utc: float,
        not_before: int,
        counts: TimelineCounts,
    ) -> None:
        self.drift = DriftWatch()
        self._clock = clock
        self._source_anchor = source
        self._anchor = round(now_utc * ANCHOR_TIMESCALE)
        self._not_before = not_before
        self._anchored_utc = now_utc
        self._counts = counts
        self._unmoved = 0.0
        """Less than a tick that is still to be moved."""
        self._start: int | None = None
        self._held: list[tuple[TrackClock, Sample, int, float]] = []

    @property
    def is_open(self) -> bool:
        """Has a track started?"""
        return self._start is not None

    def media_time(self, source: int) -> int:
        """Source ticks in ticks of ANCHOR_TIMESCALE."""
        since = (source - self._source_anchor) * ANCHOR_TIMESCALE
        return self._anchor + since // self._clock.timescale

    def anchor(self, line: TrackClock) -> None:
        """Anchor a track declared while the epoch is open."""
        line.anchor(self._source_anchor, self._anchor, self._not_before)

    def move(self, seconds: float, lines: Collection[TrackClock]) -> None:
        """Let what is to come be placed later by so much, or earlier."""
        self._unmoved += seconds * ANCHOR_TIMESCALE
        ticks = int(self._unmoved)
        self._unmoved -= ticks
        self._anchor += ticks
        if ticks and self._start is not None:
            for line in lines:
                line.move(self._anchor)

    def admit(
        self,
        lines: Collection[TrackClock],
        line: TrackClock,
        sample: Sample,
        source: int,
        now_utc: float,
    ) -> list[Sample]:
        """Take a sample of a track that has not started; give what can be placed now."""
        if line.is_video and not sample.is_sync:
            self._counts.dropped += 1
            return []
        if self._start is not None:
            return self._enter(line, sample, source, now_utc)
        if line.is_video:
            self._open(lines, source + line.composition(sample))
            return self._enter(line, sample, source, now_utc) + self._release()
        self._held.append((line, sample, source, now_utc))
        waiting = now_utc - self._anchored_utc < VIDEO_WAIT_S and len(self._held) < HELD_LIMIT
        if waiting and any(other.is_video for other in lines):
            return []
        return self.start_without_video(lines)

    def start_without_video(self, lines: Collection[TrackClock]) -> list[Sample]:
        """Place the audio that was held; it has waited for video long enough."""
        if not self._held:
            return []
        self._open(lines, min(source for _, _, source, _ in self._held))
        return self._release()

    def forget_held(self, lines: Collection[TrackClock] = ()) -> None:
        """Leave out what is held, except for the tracks in ``lines``."""
        kept = [entry for entry in self._held if entry[0] in lines]
        self._counts.dropped += len(self._held) - len(kept)
        self._held = kept

    def _open(self, lines: Collection[TrackClock], start: int) -> None:
        """Fix the anchor: the earliest sample to be placed has the source time ``start``."""
        self._start = start
        # Media may end after the arrival, and an older sample of another track than the one that
        # anchored may be the earliest.
        self._anchor += max(0, self._not_before - self.media_time(start))
        for line in lines:
            self.anchor(line)

    def _release(self) -> list[Sample]:
        held, self._held = self._held, []
        out: list[Sample] = []
        for line, sample, source, arrival in held:
            out += self._enter(line, sample, source, arrival)
        return out

    def _enter(self, line: TrackClock, sample: Sample, source: int, now_utc: float) -> list[Sample]:
        if not line.is_started:
            assert self._start is not None
            if source + line.composition(sample) < self._start:
                self._counts.dropped += 1
                return []
            line.start(sample, source)
        placed = line.place(sample, source, now_utc)
        return [placed] if placed is not None else []
