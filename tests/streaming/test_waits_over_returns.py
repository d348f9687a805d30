"""Requests that wait while a publisher is away: they stay, and the next one's media answer them."""

from __future__ import annotations

from typing import get_args

import pytest

from segmenter.hls.directives import WAIT_TARGETS
from segmenter.media import Track
from streaming.live_requests import LiveRequests, Pending
from streaming.resource import MediaBodies, PlaylistResource, Resource
from streaming.shelf import Shelf
from streaming.shelf_messages import Media, Put
from streaming.waiting_room import Outcome
from tests.segmenter.stage import SMALL, SOURCE, renamed
from tests.streaming.test_shelf_feed import FakeSink
from tests.streaming.test_switches import Encoder, Room

FOLDER = "/live/a/source/"
PLAYLIST = f"{FOLDER}index.m3u8"
AWAY_S = 2.5
"""Less than three target durations, which are of a second here."""
OTHER = renamed(SMALL, "source")


class Viewers:
    """A delivery process and who waits there, at a room whose publisher comes and goes."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.live = LiveRequests(Shelf(MediaBodies(lambda offset, size: bytes(size), 1 << 20)))
        self._sink = FakeSink()
        room.feed.attach(self._sink)
        room.feed.pump(room.now)
        self.take()

    def take(self) -> None:
        for message in self._sink.take():
            if isinstance(message, get_args(Media)):
                self.live.put_media(message)
            elif isinstance(message, Put):
                self.live.put(message)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.1)):
            self.room.run(0.1)
            self.take()
            self.live.room.expire(self.room.now)

    def playlist(self) -> PlaylistResource:
        found = self.live.find(PLAYLIST)
        assert isinstance(found, PlaylistResource)
        return found

    def ask(self, url: str, query: str = "") -> list[Outcome]:
        """Begins to wait; what becomes of it is put into the list."""
        found = self.live.find(url, query)
        assert isinstance(found, Pending), found
        outcomes: list[Outcome] = []
        deadline = self.room.now + found.patience_s
        assert self.live.wait(found, deadline, outcomes.append) is not None
        return outcomes

    def next_part(self) -> str:
        state = self.playlist().state
        return f"_HLS_msn={state.last_msn + 1}&_HLS_part={state.open_parts}"


@pytest.fixture(params=range(4))
def viewers(request: pytest.FixtureRequest) -> Viewers:
    room = Room(request.param)
    room.come()
    viewers = Viewers(room)
    viewers.run(4.3)
    return viewers


def publisher(viewers: Viewers) -> Encoder:
    return viewers.room.encoders[0]


@pytest.mark.parametrize("back", [SOURCE, OTHER])
def test_who_waits_for_the_next_part_waits_on_and_gets_the_first_one_of_the_next_publisher(
    viewers: Viewers, back: Track
) -> None:
    publisher(viewers).vanish()
    viewers.run(1.0)
    waiting = viewers.ask(PLAYLIST, viewers.next_part())
    viewers.run(AWAY_S - 1)
    assert waiting == []
    viewers.room.come(video=back)
    came = viewers.room.now
    while not waiting:
        viewers.run(0.1)
        assert viewers.room.now < came + 2.0, "a part, not a segment"
    assert waiting == [Outcome.DUE]
    assert "#EXT-X-DISCONTINUITY\n" in (viewers.playlist().load() or b"").decode()


def test_who_waits_when_it_vanishes_is_answered_or_waits_on_and_never_refused(
    viewers: Viewers,
) -> None:
    in_progress = viewers.playlist().state.last_msn + 1
    waiting = [
        viewers.ask(PLAYLIST, viewers.next_part()),
        viewers.ask(PLAYLIST, f"_HLS_msn={in_progress}"),
    ]
    publisher(viewers).vanish()
    viewers.run(AWAY_S)
    viewers.room.come()
    viewers.run(2.0)
    assert waiting == [[Outcome.DUE]] * 2


def test_the_hinted_first_part_of_the_next_segment_is_waited_for_and_comes(
    viewers: Viewers,
) -> None:
    publisher(viewers).vanish()
    viewers.run(1.0)
    hint = viewers.playlist().state.hint
    waiting = viewers.ask(FOLDER + hint)
    viewers.run(AWAY_S - 1)
    assert waiting == []
    viewers.room.come()
    viewers.run(1.0)
    assert waiting == [Outcome.DUE]
    assert isinstance(viewers.live.find(FOLDER + hint), Resource)


def test_h6_who_waits_longer_than_that_is_told_to_try_again_and_may_wait_again(
    viewers: Viewers,
) -> None:
    publisher(viewers).vanish()
    viewers.run(1.0)
    query = viewers.next_part()
    waiting = viewers.ask(PLAYLIST, query)
    viewers.run(WAIT_TARGETS * viewers.playlist().state.target_duration + 0.1)
    assert waiting == [Outcome.LATE]
    again = viewers.ask(PLAYLIST, query)
    viewers.room.come()
    viewers.run(1.0)
    assert again == [Outcome.DUE]
