"""A WHIP session's hold on a path, in the main process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from segmenter.errors import SegmenterError
from segmenter.timeline import SourceClock
from streaming.errors import PublishRejected, StreamingError
from streaming.ingest.source import Publication, PublishDoor, PublishRequest
from streaming.rtc.messages import (
    PublishAllowed,
    PublishAsked,
    PublishClosed,
    PublishRefused,
    PublishSample,
    PublishTracks,
)

CLOCK = SourceClock(90_000, None)
"""The WebRTC process has unwrapped RTP's time and sends ticks of 90 kHz."""


class PublicationOwner(Protocol):
    """Who has the link to the WebRTC process."""

    def send(self, message: object) -> object:
        """Says something to it."""

    def forget(self, session: str) -> None:
        """The publication is over, on our side."""

    def key_frame_interval_s(self, path: str) -> float:
        """How often a publisher of that path is to send a key frame, seconds."""


class WhipPublication:
    """One WHIP session's hold on a path."""

    def __init__(self, asked: PublishAsked, door: PublishDoor, owner: PublicationOwner) -> None:
        self._asked = asked
        self._door = door
        self._owner = owner
        self._publication: Publication | None = None
        self._claiming: asyncio.Task[None] | None = None

    def claim(self) -> None:
        """Asks for the path; the session is told."""
        self._claiming = asyncio.get_running_loop().create_task(self._claim())

    async def _claim(self) -> None:
        asked = self._asked
        request = PublishRequest(asked.path, asked.key, asked.remote, "whip")
        try:
            publication = await self._door.publish(request, self)
        except PublishRejected as refusal:
            self._owner.forget(asked.session)
            status = refusal.http_status or 403
            self._owner.send(PublishRefused(asked.session, status, str(refusal)))
            return
        self._publication = publication
        interval_s = self._owner.key_frame_interval_s(asked.path)
        self._owner.send(PublishAllowed(asked.session, interval_s))

    def set_tracks(self, news: PublishTracks) -> None:
        """The session's complete list of tracks."""
        if self._publication is not None:
            tracks = [track.to_track() for track in news.tracks]
            self._guarded(lambda publication: publication.set_tracks(tracks, CLOCK))

    def write(self, news: PublishSample) -> None:
        """One of its samples."""
        if self._publication is not None:
            self._guarded(lambda publication: publication.write([news.sample.to_sample()]))

    def leave(self, reason: str) -> None:
        """The session has gone."""
        if self._claiming is not None:
            self._claiming.cancel()
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
