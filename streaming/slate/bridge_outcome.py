"""What comes of what a bridge is told: samples that go out, and news around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from segmenter.media import Sample, Track


@dataclass(frozen=True, slots=True)
class TracksNow:
    """The renditions look like this from the next sample on."""

    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class KeyFrameWanted:
    """Of all encoders, with the first picture that is not before this, ticks."""

    from_pts: int


@dataclass(frozen=True, slots=True)
class BridgeStatistics:
    """How often the slate had to bridge; counters only rise."""

    is_ready: bool
    """Whether it could."""
    is_active: bool
    bridged: int
    bridged_s: float
    """Media of it, of those that are over."""


Outcome: TypeAlias = list[Sample | TracksNow | KeyFrameWanted]
