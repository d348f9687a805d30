"""A WHIP session's hold on a path, in the main process.

It takes the path with its first media, so an offer whose ICE, DTLS or camera never comes up
displaces nobody, and who publishes is followed without a pause. A publisher that is back by another
network, whose former session is dead and silent, has the path as soon as there are media again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from segmenter.errors import SegmenterError
from segmenter.media import MediaType, Sample
from segmenter.timeline import SourceClock
from streaming.errors import PublishRejected, StreamingError
from streaming.ingest.source import (
    ROLE,
    AdmissionDoor,
    Publication,
    PublishClaim,
    PublishRequest,
)
from streaming.rtc.messages import (
    PublishAllowed,
    PublishAsked,
    PublishClosed,
    PublishPlaced,
    PublishRefused,
    PublishSample,
    PublishTracks,
)

CLOCK = SourceClock(90_000, None)
"""The WebRTC process has unwrapped RTP's time and sends ticks of 90 kHz, which pictures keep."""

LEAST_MOVED_TICKS = 90
"""A millisecond, which is nothing beside the distance of pictures."""


class PublicationOwner(Protocol):
    """Who has the link to the WebRTC process."""

    def send(self, message: object) -> object:
        """Says something to it."""

    def forget(self, session: str) -> None:
        """The publication is over, on our side."""

    def segment_duration_s(self, path: str) -> float:
        """How long the segments of a path are to be, seconds."""


class WhipPublication:
    """One WHIP session's claim to a path, and with its first media its hold on it."""

    def __init__(self, asked: PublishAsked, door: AdmissionDoor, owner: PublicationOwner) -> None:
        self._asked = asked
        self._door = door
        self._owner = owner
        self._claim: PublishClaim | None = None
        self._publication: Publication | None = None
        self._pictures: set[str] = set()
        self._media_offset: int | None = None
        """As the session has been told."""
        self._asking: asyncio.Task[None] | None = None

    def is_shown_as(self, path: str, shown: str) -> bool:
        """Whether the API knows it by that name."""
        publication = self._publication
        return publication is not None and (self._asked.path, publication.session) == (path, shown)

    def ask(self) -> None:
        """Asks whether the session may have the path; it is told."""
        self._asking = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        asked = self._asked
        query = {ROLE: asked.rank} if asked.rank else {}
        request = PublishRequest(asked.path, asked.key, asked.remote, "whip", query)
        try:
            self._claim = await self._door.admit(request)
        except PublishRejected as refusal:
            self._owner.forget(asked.session)
            status = refusal.http_status or 403
            self._owner.send(PublishRefused(asked.session, status, str(refusal)))
            return
        duration_s = self._owner.segment_duration_s(asked.path)
        self._owner.send(PublishAllowed(asked.session, duration_s))

    def set_tracks(self, news: PublishTracks) -> None:
        """The session's complete list of tracks; with the first one it takes the path."""
        self._begin()
        if self._publication is not None:
            tracks = [track.to_track() for track in news.tracks]
            self._pictures = {track.name for track in tracks if track.media_type is MediaType.VIDEO}
            self._guarded(lambda publication: publication.set_tracks(tracks, CLOCK))

    def _begin(self) -> None:
        claim, self._claim = self._claim, None
        if claim is None:
            return
        try:
            self._publication = claim.take(self)
        except PublishRejected as refusal:  # somebody came first where nobody may take over
            self.close("", str(refusal))

    def write(self, news: PublishSample) -> None:
        """One of its samples."""
        if self._publication is not None:
            sample = news.sample.to_sample()
            self._guarded(lambda publication: publication.write([sample]))
            if sample.is_sync and sample.track in self._pictures:
                self._tell_place(sample)

    def _tell_place(self, sample: Sample) -> None:
        """Media time is slewed, and begins anew after a pause: told at key frames, where it has
        moved."""
        if self._publication is None:
            return
        time = self._publication.media_time(sample.track, sample.dts)
        if time is None:
            return
        offset = time - sample.dts
        if self._media_offset is None or abs(offset - self._media_offset) > LEAST_MOVED_TICKS:
            self._media_offset = offset
            self._owner.send(PublishPlaced(self._asked.session, offset))

    def leave(self, reason: str) -> None:
        """The session has gone."""
        if self._asking is not None:
            self._asking.cancel()
        if self._claim is not None:
            self._claim.drop()
            self._claim = None
        publication, self._publication = self._publication, None
        if publication is not None:
            publication.close(reason)

    def close(self, code: str, description: str) -> None:
        """See Publisher: the path has let go of us."""
        self._publication = None
        self._owner.forget(self._asked.session)
        self._owner.send(PublishClosed(self._asked.session, description))

    def _guarded(self, action: Callable[[Publication], None]) -> None:
        """What a publisher sends costs nobody but itself."""
        publication = self._publication
        assert publication is not None
        try:
            action(publication)
        except (SegmenterError, StreamingError) as error:
            self.leave(str(error))
            self.close("", str(error))
