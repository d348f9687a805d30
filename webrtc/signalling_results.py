"""What requests of signalling are answered with, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass

from webrtc.publisher import PublishedCounts
from webrtc.reception import ReceptionStatistics


@dataclass(frozen=True, slots=True)
class Answer:
    """What a POST is answered with: 201, Location, ETag."""

    session_id: str
    sdp: str
    etag: str


@dataclass(frozen=True, slots=True)
class PatchResult:
    """What a PATCH is answered with: 204, or after a restart 200 with a fragment and new ETag."""

    http_status: int
    fragment: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class SignallingStatistics:
    """All peers, now; ``dropped`` since the start."""

    sessions: int
    half_open: int
    publishers: int
    """Connected ones."""
    viewers: int
    """Connected ones."""
    routes: int
    """Of the flow table: fragments and flows."""
    dropped: int
    """Datagrams that belonged to nobody."""
    reception: ReceptionStatistics
    published: PublishedCounts
    """Since the start."""
