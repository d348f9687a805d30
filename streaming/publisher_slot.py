"""One publisher's hold on a path: its rank, its tracks, and whether it delivers."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from segmenter.media import MediaType, Sample, Track
from segmenter.timeline import RTMP_CLOCK, SourceClock
from streaming.ingest.source import Publisher
from streaming.kept_gops import KeptGops

MOST_PATIENCE_S = 10.0
"""The timeline takes a longer silence for a jump of the publisher's clock."""
REACH_MARGIN_S = 0.5
"""Timers and the interleaving of tracks may let a stall be seen so much later."""


class Rank(enum.Enum):
    """Who goes before whom; the value is the word of publish URLs, the API, logs and metrics."""

    PRIMARY = "primary"
    BACKUP = "backup"
    SLATE = "slate"

    @property
    def order(self) -> int:
        """0 goes before 1."""
        return _ORDER[self]


_ORDER = {rank: order for order, rank in enumerate(Rank)}


@dataclass(frozen=True, slots=True)
class PublisherRecord:
    """One publisher of a path as statistics show it; counters only rise."""

    session: str
    """Its name among those of the path."""
    since_utc: float
    rank: str
    remote: str
    protocol: str
    is_on_air: bool
    is_stalled: bool
    samples_in: int
    bytes_in: int


class Slot:
    """One publisher's hold on the path; stale once another took over.

    A publisher delivers when its leading track does: the first video track, else the first one.
    """

    def __init__(
        self,
        publisher: Publisher,
        remote: str,
        protocol: str,
        rank: Rank = Rank.PRIMARY,
        now_utc: float = 0.0,
        stall_s: float = 1.5,
        number: int = 0,
    ) -> None:
        """`number` counts the publishers that the path has had."""
        self.session = f"{protocol}-{number}"
        self.since_utc = now_utc
        self.publisher = publisher
        self.remote = remote
        self.protocol = protocol
        self.rank = rank
        self.tracks: tuple[Track, ...] = ()
        self.clock = RTMP_CLOCK
        self.kept = KeptGops(stall_s + REACH_MARGIN_S)
        self.has_media = False
        self.heard_utc = now_utc
        """When the leading track was heard last; before that when the publisher came."""
        self.steady_since_utc = now_utc
        """Since when it delivers without a stall."""
        self.samples_in = 0
        self.bytes_in = 0
        self._stall_s = stall_s
        self._patience_s = stall_s
        self._leading = ""

    def set_stall(self, stall_s: float) -> None:
        """How long it may be silent on air, from now on."""
        self._stall_s = self._patience_s = stall_s
        self.kept.reach_s = stall_s + REACH_MARGIN_S

    def changes_layers_alone(self, tracks: Sequence[Track], clock: SourceClock) -> bool:
        """Whether by these pictures come or go beside one that stays, and all else is as before."""
        before = {track.name: track for track in self.tracks}
        stay = [track for track in tracks if track.name in before]
        return (
            clock == self.clock
            and _sounds(self.tracks) == _sounds(tracks)
            and all(track == before[track.name] for track in stay)
            and any(track.media_type is MediaType.VIDEO for track in stay)
        )

    def set_tracks(self, tracks: Sequence[Track], clock: SourceClock) -> None:
        """The publisher's complete list of tracks."""
        self.tracks, self.clock = tuple(tracks), clock
        video = (track for track in self.tracks if track.media_type is MediaType.VIDEO)
        self._leading = next(video, self.tracks[0]).name if self.tracks else ""
        self.kept.clear()

    def note(self, samples: list[Sample], now_utc: float) -> int:
        """Samples have arrived together; gives how many bytes they are."""
        size_bytes = sum([sample.size_bytes for sample in samples])
        self.samples_in += len(samples)
        self.bytes_in += size_bytes
        if self._leading in [sample.track for sample in samples]:
            self._note_leading(now_utc)
        return size_bytes

    def _note_leading(self, now_utc: float) -> None:
        if not self.has_media or self.is_stalled(now_utc):
            self.has_media = True
            self.steady_since_utc = now_utc
            self.kept.clear()
        self.heard_utc = now_utc

    def keep(self, sample: Sample, now_utc: float) -> bool:
        """Keeps a sample while off air; whether the publisher could go on air with it."""
        is_entry = sample.is_sync and sample.track == self._leading
        self.kept.push(sample, now_utc, is_entry=is_entry)
        return is_entry

    def is_stalled(self, now_utc: float) -> bool:
        """Whether it has been silent for longer than a publisher on air may be."""
        return self.rank is not Rank.SLATE and now_utc - self.heard_utc > self._stall_s

    def try_patience(self, now_utc: float) -> bool:
        """Whether it has been silent for longer than it usually is, where it is known to pause.

        Twice as long each time: screens that hardly change come as pictures seconds apart, and
        these are no stalls that anybody wants to be told of.
        """
        if now_utc - self.heard_utc <= self._patience_s:
            return False
        self._patience_s = max(self._stall_s, min(2 * self._patience_s, MOST_PATIENCE_S))
        return True

    def record(self, *, is_on_air: bool, now_utc: float) -> PublisherRecord:
        """For statistics."""
        return PublisherRecord(
            self.session,
            self.since_utc,
            self.rank.value,
            self.remote,
            self.protocol,
            is_on_air,
            self.is_stalled(now_utc),
            self.samples_in,
            self.bytes_in,
        )


def _sounds(tracks: Sequence[Track]) -> list[Track]:
    return [track for track in tracks if track.media_type is MediaType.AUDIO]


class _Nobody:
    """The publisher of a slate, which has no connection that could be closed."""

    def close(self, code: str, description: str) -> None:
        """Nothing to close."""


def slate_slot(tracks: Sequence[Track], clock: SourceClock, now_utc: float) -> Slot:
    """The hold of a slate on its path."""
    slot = Slot(_Nobody(), "", "slate", Rank.SLATE, now_utc)
    slot.set_tracks(tracks, clock)
    return slot
