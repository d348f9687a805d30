"""What a timeline counts, and the record it shows."""

from __future__ import annotations

import enum
from dataclasses import dataclass

ADRIFT_S = 2.0
"""Media this far from wall clock has left the hold-back of low-latency players (about 1 s) by
more than their catching up makes good."""


class TimelineState(enum.Enum):
    """Where a timeline is; see the picture in timeline.py."""

    IDLE = "idle"
    WAITING = "waiting"
    OPENING = "opening"
    RUNNING = "running"


@dataclass(slots=True)
class TimelineCounts:
    """Events since the timeline was made; one object, shared with the clocks of its tracks."""

    epochs: int = 0
    """How often media time was anchored."""
    jumps: int = 0
    """Jumps of a publisher's clock; each led to an epoch of its own."""
    lost_clocks: int = 0
    """How often media time was anchored anew because a publisher's clock had stood still."""
    stray_tracks: int = 0
    """Tracks that left the clock of the others and were put back beside them."""
    stray_stamps: int = 0
    """Stamps off the clock that had no successors, taken to be those of the sample before."""
    nudged: int = 0
    """Video samples moved to make dts rise."""
    repaired_offsets: int = 0
    """Impossible composition offsets taken to be 0."""
    audio_holes: int = 0
    """How often audio was placed later than right after the sample before."""
    audio_dropped: int = 0
    """Audio samples left out because the stamps were behind the count."""
    dropped: int = 0
    """Samples left out around a start: video before a key frame, audio before that."""


@dataclass(frozen=True, slots=True)
class TimelineStatistics:
    """A snapshot; the counts have the meanings of TimelineCounts."""

    state: TimelineState
    end_utc: float
    """Where the media placed so far ends."""
    ahead_s: float
    """Media time minus wall clock at the latest sample: the drift of the publisher's clock."""
    is_adrift: bool
    """The drift is beyond ADRIFT_S: latency grows, or players starve."""
    drift_s: float
    """How much ``ahead_s`` has grown since the epoch's first seconds, jitter aside."""
    skew_s: float | None
    """By how much the sound's stamps are ahead of the picture's that arrive with them; None where
    one of the two is not there or did not come lately."""
    epochs: int
    jumps: int
    lost_clocks: int
    stray_tracks: int
    stray_stamps: int
    nudged: int
    repaired_offsets: int
    audio_holes: int
    audio_dropped: int
    dropped: int
