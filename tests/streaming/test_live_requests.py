"""What requests for announced things get, and what lets go of those who wait; sans-IO."""

from __future__ import annotations

import pytest

from streaming.live_requests import Growing, LiveRequests, Pending
from streaming.resource import Resource
from streaming.shelf import Absence
from streaming.shelf_messages import Drop, PathGone, PathState, Put, SegmentCompleted, TextsRest
from streaming.waiting_room import Outcome
from tests.streaming.server.live_site import FOLDER, PLAYLIST, TARGET, LiveShelf

OTHER = "/live/a/b/720p/index.m3u8"
"""Of a path whose name begins like that of the other."""


class Waiting:
    """Requests in the waiting room, and what became of them."""

    def __init__(self, live: LiveRequests) -> None:
        self._live = live
        self.outcomes: list[Outcome] = []

    def ask(self, url: str, query: str = "") -> None:
        found = self._live.find(url, query)
        if isinstance(found, Growing):
            found = found.next_part(len(found.segment.parts))
        assert isinstance(found, Pending), found
        assert self._live.wait(found, 100.0, self.outcomes.append) is not None


@pytest.fixture
def growing() -> LiveShelf:
    return LiveShelf()


@pytest.fixture
def live(growing: LiveShelf) -> LiveRequests:
    return LiveRequests(growing.shelf)


@pytest.fixture
def waiting(live: LiveRequests) -> Waiting:
    return Waiting(live)


def test_a_path_that_goes_leaves_alone_who_waits_at_a_path_below_it(
    growing: LiveShelf, live: LiveRequests, waiting: Waiting
) -> None:
    live.put(growing.playlist(7, 1, path="live/a/b"))
    waiting.ask(OTHER, "_HLS_msn=8&_HLS_part=1")
    waiting.ask("/live/a/b/720p/8.1.m4s")
    live.path_gone(PathGone("live/a"))
    assert waiting.outcomes == []
    live.path_gone(PathGone("live/a/b"))
    assert waiting.outcomes == [Outcome.CLOSED, Outcome.CLOSED]


def test_the_first_part_of_the_next_segment_is_waited_for_though_the_segment_goes_on(
    growing: LiveShelf, live: LiveRequests, waiting: Waiting
) -> None:
    live.put(growing.playlist(7, 1, hint="9.0.m4s"))
    waiting.ask(FOLDER + "9.0.m4s")
    live.put_media(growing.part(8, 1))
    live.put(growing.playlist(7, 2))
    assert waiting.outcomes == []
    live.put_media(SegmentCompleted(1, 8))
    live.put_media(growing.part(9, 0))
    assert waiting.outcomes == [Outcome.DUE]
    assert isinstance(live.find(FOLDER + "9.0.m4s"), Resource)


def test_who_read_of_that_part_in_the_playlist_before_may_still_ask_for_it(
    growing: LiveShelf, live: LiveRequests, waiting: Waiting
) -> None:
    waiting.ask(FOLDER + "9.0.m4s")
    live.put(growing.playlist(8, 0, is_ended=True))
    assert waiting.outcomes == [Outcome.DUE]
    assert live.find(FOLDER + "9.0.m4s") is Absence.NEVER


def test_who_follows_a_segment_that_became_a_gap_is_let_go_at_once(
    growing: LiveShelf, live: LiveRequests, waiting: Waiting
) -> None:
    waiting.ask(FOLDER + "8.m4s")
    live.put(growing.playlist(8, 0))
    assert waiting.outcomes == [Outcome.DUE]


def test_segments_that_are_due_and_late_are_waited_for_while_a_publisher_sends(
    growing: LiveShelf, live: LiveRequests, waiting: Waiting
) -> None:
    live.shelf.path_state(PathState("live/a", "live"))
    waiting.ask(FOLDER + "10.m4s")
    live.put_media(SegmentCompleted(1, 8))
    live.put_media(growing.part(9, 0))
    live.put(growing.playlist(8, 1))
    assert waiting.outcomes == []
    live.put_media(growing.part(10, 0))
    assert waiting.outcomes == [Outcome.DUE]
    live.shelf.path_state(PathState("live/a", "away"))
    assert live.find(FOLDER + "12.m4s") is Absence.NEVER


def test_a_playlist_that_offers_nothing_any_more_lets_everyone_go(
    growing: LiveShelf, live: LiveRequests, waiting: Waiting
) -> None:
    waiting.ask(PLAYLIST, "_HLS_msn=8&_HLS_part=1")
    waiting.ask(FOLDER + "8.1.m4s")
    old = growing.playlist(8, 0)
    live.put(Put("live/a", PLAYLIST, old.body, old.content_type, cache="playlist", max_age_s=1))
    assert waiting.outcomes == [Outcome.DUE, Outcome.DUE]


def test_a_playlist_that_goes_lets_everyone_go(live: LiveRequests, waiting: Waiting) -> None:
    waiting.ask(PLAYLIST, "_HLS_msn=8&_HLS_part=1")
    waiting.ask(FOLDER + "8.1.m4s")
    live.drop(Drop(PLAYLIST))
    assert waiting.outcomes == [Outcome.CLOSED, Outcome.CLOSED]


@pytest.mark.parametrize(
    ("url", "query"),
    [
        (PLAYLIST, ""),
        (PLAYLIST, "_HLS_msn=8&_HLS_part=1"),
        (FOLDER + "8.1.m4s", ""),
        (FOLDER + "9.m4s", ""),
    ],
)
def test_who_asks_for_what_rests_is_answered_when_it_is_as_of_now(
    growing: LiveShelf, url: str, query: str
) -> None:
    stale: list[str] = []
    live = LiveRequests(growing.shelf, stale.append)
    waiting = Waiting(live)
    live.rest(TextsRest("live/a", is_resting=True))
    waiting.ask(url, query)
    assert stale == ["live/a"]
    live.put_media(growing.part(8, 1))
    live.put(growing.playlist(7, 2))
    assert waiting.outcomes == []
    live.rest(TextsRest("live/a", is_resting=False))
    assert waiting.outcomes == [Outcome.DUE]
    found = live.find(url, query)
    assert not isinstance(found, Absence)
    if url == PLAYLIST:
        assert isinstance(found, Resource)
        assert found.load() == growing.playlist(7, 2).body


def test_media_are_served_while_playlists_rest(growing: LiveShelf, live: LiveRequests) -> None:
    live.rest(TextsRest("live/a", is_resting=True))
    assert isinstance(live.find(FOLDER + "7.m4s"), Resource)
    assert isinstance(live.find(FOLDER + "8.0.m4s"), Resource)


def test_the_texts_of_one_path_rest_without_the_others(
    growing: LiveShelf, live: LiveRequests
) -> None:
    live.put(growing.playlist(7, 1, path="live/a/b"))
    live.rest(TextsRest("live/a/b", is_resting=True))
    assert isinstance(live.find(PLAYLIST), Resource)
    assert isinstance(live.find(OTHER), Pending)


def test_a_path_that_goes_lets_go_who_waits_for_what_rests(
    live: LiveRequests, waiting: Waiting
) -> None:
    live.rest(TextsRest("live/a", is_resting=True))
    waiting.ask(PLAYLIST)
    live.path_gone(PathGone("live/a"))
    assert waiting.outcomes == [Outcome.CLOSED]
    assert live.find(PLAYLIST) is Absence.ENDED


@pytest.mark.parametrize("name", ["08.m4s", "09.m4s", "08.1.m4s", "8.01.m4s"])
def test_media_have_one_name_each(live: LiveRequests, name: str) -> None:
    assert live.find(FOLDER + name) is Absence.NEVER


def test_a_delta_of_now_may_be_kept_no_longer_than_the_playlist_itself(live: LiveRequests) -> None:
    delta = live.find(PLAYLIST, "_HLS_skip=YES")
    assert isinstance(delta, Resource)
    assert delta.cache_control == "public, max-age=1"
    named = live.find(PLAYLIST, "_HLS_msn=7&_HLS_skip=YES")
    assert isinstance(named, Resource)
    assert named.cache_control == f"public, max-age={6 * TARGET}"
    assert named.load() == delta.load()


def test_after_the_room_is_shut_nobody_enters(live: LiveRequests, waiting: Waiting) -> None:
    waiting.ask(FOLDER + "8.1.m4s")
    live.room.shut()
    assert waiting.outcomes == [Outcome.CLOSED]
    pending = live.find(FOLDER + "8.1.m4s")
    assert isinstance(pending, Pending)
    assert live.wait(pending, 100.0, waiting.outcomes.append) is None
