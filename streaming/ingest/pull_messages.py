"""What the origin and the worker of a pulled source say to each other."""

from __future__ import annotations

from msgspec import Struct

from streaming.transcode.messages import SampleMessage, TrackMessage


class PullSetup(Struct, frozen=True, array_like=True, tag="setup"):
    """Origin to worker, first and only: what to pull. Not in argv, because URLs carry secrets."""

    url: str
    path: str
    """Name of the path, shown in the picture of the test source."""
    loop: bool
    """Begin a file again when it ends."""


class PullTracks(Struct, frozen=True, array_like=True, tag="tracks"):
    """Worker to origin: the complete list of tracks, before samples and at each change."""

    tracks: tuple[TrackMessage, ...]


class PullReport(Struct, frozen=True, array_like=True, tag="report"):
    """Worker to origin, each second while it is not stuck: the watchdog's sign of life."""

    samples: int
    """Sent since the worker began."""
    bytes_read: int


class PullEnded(Struct, frozen=True, array_like=True, tag="ended"):
    """Worker to origin: the source has ended and is not to be begun again."""


class PullFailure(Struct, frozen=True, array_like=True, tag="failure"):
    """Worker to origin: why it gives up, in one sentence fit for logs and the API."""

    reason: str


PullNews = PullTracks | SampleMessage | PullReport | PullEnded | PullFailure
"""Everything that a worker sends."""
