"""Real time for sources that could be read faster, and endless time for files that end.

Sans-IO: ticks are of 90 kHz, time arrives as `now` on a monotonic clock in seconds.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from dataclasses import replace

from segmenter.media import VIDEO_TIMESCALE, MediaType, Sample, Track

JUMP_AHEAD_S = 10.0
"""A dts further ahead is a jump of the source's clock, not a pause to wait for; the timeline draws
the same line."""
JUMP_BACK_S = 1.0
"""Samples come in order but for frames of several tracks; further back is a jump."""
SPREAD_S = 1.5
"""Tracks of a file are brought together within so much; muxers interleave by a second."""
UNEVEN_END_S = 0.25
"""Tracks that end further apart than this are meant to; closer is a few frames of a codec."""

Tracks = tuple[Track, ...]
Item = Sample | Tracks
"""What a source gives: samples, and before them and at each change the complete list of tracks."""
_NO_TRACK = -(1 << 62)


class Pacer:
    """Says when each sample is due; what is late is due at once, so that latency cannot grow."""

    def __init__(self) -> None:
        self._anchor: float | None = None
        self._anchor_dts = 0
        self._last_dts = 0

    def due(self, dts: int, now: float) -> float:
        """When a sample of this dts is to be sent; the first one at once."""
        step_s = (dts - self._last_dts) / VIDEO_TIMESCALE
        is_jump = not -JUMP_BACK_S <= step_s <= JUMP_AHEAD_S
        if self._anchor is None or is_jump:
            self._anchor, self._anchor_dts = now, dts
        self._last_dts = dts
        return self._anchor + (dts - self._anchor_dts) / VIDEO_TIMESCALE


class Interleaver:
    """Gives the samples of several tracks in the order of their dts, a bounded time late."""

    def __init__(self, tracks: Iterable[str]) -> None:
        self._waiting: list[tuple[int, int, Sample]] = []
        self._newest = dict.fromkeys(tracks, _NO_TRACK)
        self._order = itertools.count()

    def push(self, sample: Sample) -> list[Sample]:
        """Takes one, in the order of its own track; gives those that nothing can precede."""
        heapq.heappush(self._waiting, (sample.dts, next(self._order), sample))
        self._newest[sample.track] = sample.dts
        safe = min(self._newest.values())
        safe = max(safe, max(self._newest.values()) - int(SPREAD_S * VIDEO_TIMESCALE))
        ready = []
        while self._waiting and self._waiting[0][0] <= safe:
            ready.append(heapq.heappop(self._waiting)[2])
        return ready

    def flush(self) -> list[Sample]:
        """The rest."""
        rest = [heapq.heappop(self._waiting)[2] for _ in range(len(self._waiting))]
        self._newest = dict.fromkeys(self._newest, _NO_TRACK)
        return rest


class LoopClock:
    """Carries timestamps on over the end of a file that is read again and again.

    Video decides how long a pass lasts, so that its frames and key frames keep their grid; audio
    that is a few frames longer loses those that would overlap the next pass.
    """

    def __init__(self, tracks: Iterable[Track]) -> None:
        self._timescales: dict[str, int] = {}
        self._video: frozenset[str] = frozenset()
        self._offset = 0
        self._first: dict[str, int] = {}
        self._end: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._not_before: dict[str, int] = {}
        self.set_tracks(tracks)

    def set_tracks(self, tracks: Iterable[Track]) -> None:
        """Other tracks from here on, in the same time."""
        tracks = tuple(tracks)
        self._timescales = {t.name: t.timescale for t in tracks}
        self._video = frozenset(t.name for t in tracks if t.media_type is MediaType.VIDEO)

    def place(self, sample: Sample) -> Sample | None:
        """The sample in endless time; None when its place has been taken by the pass before."""
        name, dts = sample.track, sample.dts
        self._first.setdefault(name, dts)
        ticks = sample.duration * VIDEO_TIMESCALE // self._timescales[name]
        step = ticks or dts - self._last.get(name, dts)
        self._last[name] = dts
        self._end[name] = dts + step
        placed = dts + self._offset
        if placed < self._not_before.get(name, placed):
            return None
        return (
            replace(sample, dts=placed, pts=sample.pts + self._offset) if self._offset else sample
        )

    def end_pass(self) -> bool:
        """The file has ended; what comes next is its beginning again. False if it had no length."""
        if not self._end or self._pass_ticks() <= 0:
            return False
        for name, end in self._end.items():
            # Half a frame of grace: rounding to ticks must not cost an audio frame per pass.
            grace = (end - self._last[name]) // 2
            self._not_before[name] = end + self._offset - grace
        self._offset += self._pass_ticks()
        self._first.clear()
        self._end.clear()
        self._last.clear()
        return True

    def _pass_ticks(self) -> int:
        longest = max(self._end.values()) - min(self._first.values())
        for name in self._video & self._end.keys():
            lasts = self._end[name] - self._first[name]
            if longest - lasts <= UNEVEN_END_S * VIDEO_TIMESCALE:
                return lasts
        return longest


class Reel:
    """Puts what a recording gives, pass after pass, in one order and one rising time."""

    def __init__(self) -> None:
        self._tracks: Tracks = ()
        self._clock = LoopClock(())
        self._order = Interleaver(())

    def push(self, item: Item) -> list[Item]:
        """Takes one; gives what can be sent now. The same tracks again are swallowed."""
        if isinstance(item, Sample):
            placed = self._clock.place(item)
            return [] if placed is None else [*self._order.push(placed)]
        if item == self._tracks:
            return []
        before = self._order.flush()
        self._tracks = item
        self._clock.set_tracks(item)
        self._order = Interleaver(track.name for track in item)
        return [*before, item]

    def flush(self) -> list[Item]:
        """What still waited for another track."""
        return [*self._order.flush()]

    def end_pass(self) -> bool:
        """What comes next is the recording's beginning again. False if it had no length."""
        return self._clock.end_pass()
