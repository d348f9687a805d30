"""Requests for what is announced: what they get, what they wait for, and when that is there.

Sans-IO, between the shelf and those who speak HTTP. A playlist request says by delivery directives
what it waits for (RFC 8216bis 6.2.5); one for a hinted part waits until the part is complete; one
for a growing segment follows it part by part (low-latency DASH).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, NamedTuple

from segmenter.hls.directives import WAIT_TARGETS, WHOLE, Answer, Position, Refuse, decide, recheck
from segmenter.hls.media_requests import (
    MediaRequest,
    judge_media_request,
    may_come,
    newest_begun,
    parse_media_name,
)
from segmenter.hls.rendered_playlist import PlaylistState, Skip
from streaming.media_shelf import ShelvedRendition, ShelvedSegment
from streaming.resource import PlaylistResource, Resource
from streaming.shelf import Absence, Shelf
from streaming.shelf_messages import Drop, Media, PathGone, Put, TextsRest
from streaming.waiting_room import Outcome, Ticket, WaitingRoom

HOLD_TARGETS: Final = 1
"""Target durations that a request for the next segment is held, and one for a later one for each
from here to there: the clocks of players differ from ours by less."""

FRESH_WAIT_S: Final = 5.0
"""For the origin to render what rested: a millisecond, unless it is in great trouble."""

_FRESH: Final = "fresh"
"""The moment at which a path's texts are as of now again; its place is the path's name."""


class _Version(NamedTuple):
    """What a playlist request waits for."""

    until: Position
    skip: Skip


class _Growth(NamedTuple):
    """What a request that follows a segment waits for: more parts than it has."""

    msn: int
    parts: int


@dataclass(frozen=True, slots=True)
class Pending:
    """Wait at `place` for `moment`, `patience_s` at most, and then ask again."""

    place: str
    moment: Hashable
    patience_s: float
    late: Absence | None
    """The answer when it has taken too long; None is 503."""


@dataclass(frozen=True, slots=True)
class Growing:
    """A segment in progress, to be followed."""

    rendition: ShelvedRendition
    segment: ShelvedSegment
    patience_s: float

    @property
    def current(self) -> ShelvedSegment | None:
        """What there is of the segment now; None when it has gone."""
        return self.rendition.segments.get(self.segment.msn)

    def part(self, index: int) -> bytes | None:
        """The bytes of a part that is there; None when they have just gone."""
        resource = self.rendition.resource(self.segment.msn, index)
        return None if resource is None else resource.load()

    def next_part(self, parts: int) -> Pending:
        """The wait for more than `parts` parts, or for its end."""
        moment = _Growth(self.segment.msn, parts)
        return Pending(self.rendition.folder, moment, self.patience_s, Absence.GONE)


There = Resource | Pending | Growing | Refuse
Found = There | Absence


class LiveRequests:
    """Owns the shelf and the waiting room of a delivery process.

    The link's messages fill the shelf through it, so that whoever waits is released; the site asks.
    """

    def __init__(self, shelf: Shelf, on_stale: Callable[[str], None] = lambda path: None) -> None:
        """``on_stale`` is called with the path of each request for a text that rests."""
        self.shelf = shelf
        self.room = WaitingRoom()
        self._on_stale = on_stale

    # -- what requests ask ---------------------------------------------------------------------

    def find(self, url: str, query: str = "") -> Found:
        """What there is at the decoded `url` for a request with this (raw) query, or why not."""
        return self.get(url, query) or self.shelf.find(url)

    def get(self, url: str, query: str = "") -> There | None:
        """What there is, or is announced; the fast path's question."""
        resource = self.shelf.get(url)
        if resource is None:
            return self._find_announced(url)
        if self.shelf.is_stale(resource):
            return self._refresh(resource)
        if query and isinstance(resource, PlaylistResource):
            return _judge_playlist(resource, query)
        return resource

    def wait(
        self, pending: Pending, deadline: float, release: Callable[[Outcome], None]
    ) -> Ticket | None:
        """Enters the waiting room; None when it is full."""
        return self.room.wait(pending.place, pending.moment, deadline, release)

    def _find_announced(self, url: str) -> Pending | Growing | None:
        folder, _, name = url.rpartition("/")
        folder += "/"
        playlist = self.shelf.playlist(folder)
        if playlist is None:
            return None
        request = judge_media_request(name, playlist.state, may_be_late=self._is_live(playlist))
        if self.shelf.is_stale(playlist):
            return self._refresh(playlist)
        if request is MediaRequest.NOT_FOUND:
            return None
        target_s = playlist.state.target_duration
        position = parse_media_name(name)
        if request is MediaRequest.WAIT:
            return Pending(folder, position, WAIT_TARGETS * target_s, None)
        assert position is not None
        rendition = self.shelf.rendition(folder)
        segment = rendition.segments.get(position.msn) if rendition is not None else None
        if rendition is None or segment is None:
            to_come = max(1, position.msn - newest_begun(playlist.state))
            return Pending(folder, position, HOLD_TARGETS * to_come * target_s, Absence.NEVER)
        return Growing(rendition, segment, WAIT_TARGETS * target_s)

    def _is_live(self, playlist: PlaylistResource) -> bool:
        """A publisher who comes back may send another format, which nobody should wait for here."""
        state = self.shelf.paths.get(playlist.path)
        return state is not None and state.state == "live"

    def _refresh(self, text: Resource) -> Pending:
        """Wait until the origin has rendered it as of now."""
        self._on_stale(text.path)
        patience_s = FRESH_WAIT_S
        if isinstance(text, PlaylistResource):  # what is asked for may have to be waited for, too
            patience_s = WAIT_TARGETS * text.state.target_duration
        return Pending(text.path, _FRESH, patience_s, None)

    # -- what changes --------------------------------------------------------------------------

    def put(self, put: Put) -> None:
        """A text appears or is replaced; releases those who waited for a playlist to be like it."""
        resource = self.shelf.put(put)
        if not self.room:
            return
        state = resource.state if isinstance(resource, PlaylistResource) else None
        self.room.serve(resource.url, lambda moment: _is_version_due(moment, state))
        # What was hinted before may never come now.
        self._serve_media(_folder(resource.url))

    def put_media(self, news: Media) -> None:
        """Parts or segments appear or go; releases those who waited for them."""
        folder = self.shelf.put_media(news)
        if self.room and folder:
            self._serve_media(folder)

    def rest(self, news: TextsRest) -> None:
        """A path's texts are out of date, or as of now again: releases those who waited for it."""
        self.shelf.rest(news)
        if not news.is_resting:
            self.room.serve(news.path, lambda moment: True)

    def path_gone(self, gone: PathGone) -> None:
        """Nothing will come there any more."""
        self.shelf.path_gone(gone)
        self.room.close(lambda place: place == gone.path)
        self._close(f"/{gone.path}/")

    def drop(self, drop: Drop) -> None:
        """A text goes."""
        self.shelf.drop(drop)
        self._close(_folder(drop.url))

    def _close(self, above: str) -> None:
        # Paths may lie below others: theirs still have playlists.
        self.room.close(
            lambda place: place.startswith(above) and self.shelf.playlist(_folder(place)) is None
        )

    def _serve_media(self, folder: str) -> None:
        self.room.serve(folder, lambda moment: self._is_media_due(folder, moment))

    def _is_media_due(self, folder: str, moment: Hashable) -> bool:
        """Whether it is there, or certainly never will be."""
        rendition = self.shelf.rendition(folder)
        playlist = self.shelf.playlist(folder)
        assert isinstance(moment, (_Growth, Position))
        segment = rendition.segments.get(moment.msn) if rendition is not None else None
        # A segment that a playlist lists as finished and that is not all here is a gap.
        if playlist is None or playlist.state.last_msn >= moment.msn:
            return True
        if isinstance(moment, _Growth):
            return segment is None or segment.is_complete or len(segment.parts) > moment.parts
        if moment.part == WHOLE:
            return segment is not None or playlist.state.is_ended
        if segment is not None and moment.part < len(segment.parts):
            return True
        return not may_come(moment, playlist.state)


def _judge_playlist(resource: PlaylistResource, query: str) -> Resource | Pending | Refuse:
    decision = decide(query, resource.state)
    if isinstance(decision, Refuse):
        return decision
    if isinstance(decision, Answer):
        return resource.version(decision.skip, is_lasting="_HLS_msn" in query)
    patience_s = WAIT_TARGETS * resource.state.target_duration
    return Pending(resource.url, _Version(decision.until, decision.skip), patience_s, None)


def _is_version_due(moment: Hashable, state: PlaylistState | None) -> bool:
    """None: the playlist does not offer to wait any more."""
    assert isinstance(moment, _Version)
    return state is None or isinstance(recheck(moment.until, state, moment.skip), Answer)


def _folder(place: str) -> str:
    """The rendition's, of its playlist's URL or its own."""
    return place.rpartition("/")[0] + "/"
