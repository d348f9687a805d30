"""What a presentation is told, and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PresentationSettings:
    """How to cut and how much to keep."""

    segment_duration_s: float = 2.0
    part_duration_s: float = 0.2
    """0: no parts."""
    window_s: float = 30.0
    """What playlists list, of each rendition."""
    window_bytes: int = 256 << 20
    """The same in bytes, of each rendition; three target durations are always kept."""
    floor_msn: int = 0
    """The first media sequence number is at least this: one more than the last ever served."""
    floor_discontinuity: int = 0
    """The first discontinuity sequence number is at least this."""
    target_duration: int = 0
    """To go on with after a restart; 0: decided when the first segment is complete."""


@dataclass(frozen=True, slots=True)
class PresentationStatistics:
    """Counts since the presentation was made."""

    boundaries: int
    breaks: int
    forced_cuts: int
    """Segments which had to begin without a key frame. Advice: GOP too long."""
    stand_ins: int
    """How often another track had to lead."""
    samples_dropped: int
    queued_samples: int
    queued_bytes: int
