"""The seam between those who bring samples and the paths that take them.

An ingest asks the door to publish under a path name and gets a Publication to write to. The door
decides about names, keys and take-over; the ingest decides nothing but how the peer is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from segmenter.media import Sample, Track
from segmenter.timeline import SourceClock

ROLE: Final = "role"
"""Of a publish URL's parameters: rtmp://host/live/foo?role=backup."""


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """What a publisher asks for."""

    path: str
    """Name of the path without slashes at its ends: ``live/foo``."""
    key: str = field(repr=False)
    """The secret the publisher presents; empty when it presents none. Never logged."""
    remote: str
    """Address and port of the publisher, for logs and limits."""
    protocol: str
    """``rtmp``, ``srt``, ``whip``, ``pull``."""
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    """All URL parameters, the key among them. Never logged."""


class Publisher(Protocol):
    """The ingest side of a live publication, as the door sees it."""

    def close(self, code: str, description: str) -> None:
        """End the publication from our side; the publisher is told ``code`` and ``description``.

        ``code`` is an RTMP reason code. May be called at any time and more than once. The
        publication's own ``close`` is not called back: whoever calls this knows.
        """


class Publication(Protocol):
    """A path's publisher slot, held by one ingest until it is closed."""

    @property
    def session(self) -> str:
        """By which the API knows it among the path's."""

    @property
    def is_watched(self) -> bool:
        """Whether anybody may feel it when samples are brought a tenth of a second late."""

    @property
    def is_prompt(self) -> bool:
        """Whether somebody feels each millisecond: samples are to be brought as they come."""

    def set_tracks(self, tracks: Sequence[Track], clock: SourceClock) -> None:
        """The complete list of tracks; called before the first sample and at each change."""

    def write(self, samples: list[Sample]) -> None:
        """Take samples that came together, their times in ticks of the clock given with the
        tracks. Never waits."""

    def media_time(self, track: str, stamp: int) -> int | None:
        """Where a stamp near the latest one of a track is in media time, in ticks of the track;
        None while its samples are not placed: others are on air."""

    def close(self, reason: str) -> None:
        """The publisher has gone; ``reason`` is for logs and events. Called once at most."""


class PublishClaim(Protocol):
    """A publisher that was let in and has not begun: its path and who publishes there notice
    nothing of it."""

    def take(self, publisher: Publisher) -> Publication:
        """Claim the publisher slot now, as `PublishDoor.publish` does.

        Raises PublishRejected where meanwhile it is not to be had any more.
        """

    def drop(self) -> None:
        """It will not begin. May be called at any time and more than once."""


class AdmissionDoor(Protocol):
    """The door for publishers whose media come some time after they have asked, if at all."""

    async def admit(self, request: PublishRequest) -> PublishClaim:
        """Find out whether the publisher may have the slot of ``request.path``.

        Raises PublishRejected with a reason that the publisher is shown.
        """


class PublishDoor(Protocol):
    """Whoever owns the paths."""

    async def publish(self, request: PublishRequest, publisher: Publisher) -> Publication:
        """Claim the publisher slot of ``request.path``.

        Raises PublishRejected with a reason that the publisher is shown. A later publisher may
        take the slot over: the door then calls ``publisher.close``.
        """
