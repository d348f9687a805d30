"""What a path says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from segmenter.media import Track
from segmenter.timeline_statistics import TimelineStatistics
from streaming.lifecycle import LifeStatistics
from streaming.on_air import OnAirStatistics


@dataclass(frozen=True, slots=True)
class PathStatistics:
    """What a path has seen; counters only rise."""

    life: LifeStatistics
    publisher: str
    protocol: str
    publishers: int
    tracks: tuple[Track, ...]
    bytes_in: int
    samples_in: int
    bitrate: int
    """Bits per second, lately."""
    timeline: TimelineStatistics
    on_air: OnAirStatistics
