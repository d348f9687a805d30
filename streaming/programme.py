"""What a path broadcasts: whoever is on air, on one timeline, to everybody who reads.

Sans-IO: time arrives as an argument.
"""

from __future__ import annotations

from collections.abc import Sequence

from segmenter.media import Sample, Track
from segmenter.timeline import Timeline
from segmenter.timeline_statistics import TimelineStatistics
from streaming.lifecycle import Lifecycle
from streaming.path_state import Cause
from streaming.publisher_slot import Rank, Slot
from streaming.reader import Reader
from streaming.slate.loop import FILLS_S, SlateLoop

SLATE_IDLE_S = 1.0
"""When to ask again about a slate that is not on air."""


class Programme:
    """Owns the timeline, the slate's loop and what readers have been told; its path alone calls it.

    The path decides who is on air: ``begin`` and ``fall_silent`` change that, ``push`` takes the
    samples of whoever it is. What follows for the path's state is told to its ``lifecycle``.
    """

    def __init__(self, lifecycle: Lifecycle) -> None:
        self.readers: list[Reader] = []
        self.slot: Slot | None = None
        """Whose samples go to the timeline."""
        self.tracks: tuple[Track, ...] = ()
        self.live_tracks: tuple[Track, ...] = ()
        """Of the latest publisher that was on air."""
        self.awaits_first = False
        """Whoever is on air has not had a sample placed yet."""
        self.slate: SlateLoop | None = None
        self._lifecycle = lifecycle
        self._timeline = Timeline()

    def restore(self, end_utc: float) -> None:
        """Goes on after an earlier origin, whose media end at `end_utc`."""
        self._timeline = Timeline(end_utc)

    @property
    def end_utc(self) -> float:
        """Where the media placed so far end, seconds UTC."""
        return self._timeline.end_utc

    @property
    def is_slate(self) -> bool:
        """Whether the slate is on air."""
        return self.slot is not None and self.slot.rank is Rank.SLATE

    def statistics(self) -> TimelineStatistics:
        """Of the timeline."""
        return self._timeline.statistics()

    # -- who is on air -----------------------------------------------------------------------

    def begin(self, slot: Slot, held: Sequence[tuple[Sample, float]], now_utc: float) -> None:
        """Starts a publisher on the timeline, with what was kept of it and when that arrived.

        One whose tracks are not known yet begins by `start_tracks`. Raises MediaError when tracks
        or samples cannot be placed; the slot is on air even so.
        """
        self.slot = slot
        self.awaits_first = True
        if not slot.tracks:
            return
        if self.is_slate and self.slate is not None:
            self.slate.start_after(self._timeline.end_utc, now_utc)
        self.start_tracks(now_utc, continues=False)
        for sample, arrival_utc in held:
            self._deliver(self._timeline.push(sample, arrival_utc), now_utc)

    def start_tracks(self, now_utc: float, *, continues: bool) -> None:
        """The tracks of the slot on air are known, or others."""
        slot = self._on_air()
        self._timeline.start(slot.tracks, slot.clock, continues=continues)
        self._lifecycle.take(Cause.TRACKS_KNOWN, "", now_utc)
        self.tracks = slot.tracks
        if not self.is_slate:
            self.live_tracks = slot.tracks
        for reader in self.readers:
            reader.set_tracks(self.tracks, now_utc)

    def set_layers(self, now_utc: float) -> None:
        """Pictures have come or gone beside those that stay: nothing breaks."""
        slot = self._on_air()
        self._timeline.start(slot.tracks, slot.clock, continues=True, breaks=False)
        self.tracks = slot.tracks
        for reader in self.readers:
            reader.set_layers(self.tracks, now_utc)

    def fall_silent(self, now_utc: float) -> None:
        """What there is of whoever is on air becomes the last of it."""
        self.awaits_first = False
        if self.slot is None:
            return
        if self.slate is not None and self.is_slate:
            for sample, due_utc in self.slate.take_last():
                self._deliver(self._timeline.push(sample, due_utc), now_utc)
        if self.tracks:
            self.flush(now_utc)
        self.slot = None
        self.tracks = ()
        for reader in self.readers:
            reader.pause(now_utc)

    def end(self, now_utc: float) -> None:
        """Nobody continued."""
        for reader in self.readers:
            reader.end(now_utc)

    # -- samples -----------------------------------------------------------------------------

    def push(self, samples: list[Sample], now_utc: float) -> None:
        """Samples of the slot on air that came together, in its own clock and order.

        Raises MediaError when one cannot be placed; those before it have been.
        """
        placed: list[Sample] = []
        try:
            self._timeline.push_all(samples, now_utc, placed)
        finally:
            self._deliver(placed, now_utc)

    def media_time(self, track: str, stamp: int) -> int | None:
        """Where a stamp near the latest one of a track is placed, in ticks of the track."""
        return self._timeline.media_time(track, stamp)

    def flush(self, now_utc: float) -> None:
        """What the timeline holds back goes out."""
        self._deliver(self._timeline.flush(), now_utc)

    def run_slate(self, now_utc: float) -> float:
        """Plays what of the slate is due; gives when more is, seconds UTC."""
        slate, slot = self.slate, self.slot
        if slate is None or slot is None or not self.is_slate:
            return now_utc + SLATE_IDLE_S
        if now_utc - slate.next_due_utc > FILLS_S:  # a suspended machine
            self.fall_silent(now_utc)
            self.begin(slot, [], now_utc)
        for sample, due_utc in slate.take_due(now_utc):
            self._deliver(self._timeline.push(sample, due_utc), now_utc)
        return slate.next_due_utc

    def _deliver(self, placed: list[Sample], now_utc: float) -> None:
        if not placed:
            return
        if self.awaits_first:
            self.awaits_first = False
            if not self.is_slate:
                self._lifecycle.take(Cause.FIRST_SAMPLE, "", now_utc)
        for reader in self.readers:
            reader.write(placed, now_utc)

    def _on_air(self) -> Slot:
        assert self.slot is not None
        return self.slot
