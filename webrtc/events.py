"""What signalling tells its owner, besides the answers to what it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from segmenter.media import Sample, Track


@dataclass(frozen=True, slots=True)
class SessionConnected:
    """Media may flow."""

    session_id: str
    stream: str


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """The session is over; it is in no table any more."""

    session_id: str
    stream: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeyFrameWanted:
    """Subscribers cannot go on without a key frame of this track; many askers are one event."""

    stream: str
    track: str


@dataclass(frozen=True, slots=True)
class RenditionsWanted:
    """Which renditions of a stream somebody is to be sent, whether they exist yet or not."""

    stream: str
    tracks: frozenset[str]


@dataclass(frozen=True, slots=True)
class PublishedTracks:
    """The complete list of a publisher's tracks, the best video first; replaces the one before."""

    session_id: str
    stream: str
    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class PublishedSamples:
    """Samples of a publisher in the order of their arrival.

    Their times are ticks of 90 kHz for sound, too, since the publisher's beginning: one clock.
    """

    session_id: str
    stream: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class TextReceived:
    """A peer said something by its data channel."""

    session_id: str
    stream: str
    text: str


SignallingEvent: TypeAlias = (
    SessionConnected
    | SessionClosed
    | KeyFrameWanted
    | RenditionsWanted
    | PublishedTracks
    | PublishedSamples
    | TextReceived
)
