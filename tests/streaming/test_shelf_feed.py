"""The feed: every delivery process ends up with the same shelf, however late or slow it is."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streaming.link import FrameReader
from streaming.shelf import Absence, Shelf
from streaming.shelf_feed import BEHIND_S, HIGH_WATER_BYTES, ShelfFeed
from streaming.shelf_messages import (
    Drop,
    GoneSnapshot,
    PathGone,
    PathState,
    Put,
    Replayed,
    ToDelivery,
    Totals,
)


class FakeSink:
    """A link whose other end reads when the test says so."""

    def __init__(self) -> None:
        self.buffered_bytes = 0
        self.closed = False
        self.messages: list[Any] = []
        self._reader: FrameReader[Any] = FrameReader(ToDelivery)

    def send_frame(self, frame: bytearray) -> None:
        self.messages += self._reader.receive_data(frame)

    def take(self) -> list[Any]:
        taken, self.messages = self.messages, []
        return taken


def put(url: str, body: bytes = b"x", path: str = "a") -> Put:
    return Put(path=path, url=url, body=body, content_type="video/mp4")


def attached(feed: ShelfFeed) -> FakeSink:
    sink = FakeSink()
    feed.attach(sink)
    assert not feed.pump(0.0)
    return sink


def mirrored(messages: list[Any]) -> Shelf:
    shelf = Shelf()
    for message in messages:
        match message:
            case Put():
                shelf.put(message)
            case Drop():
                shelf.drop(message)
            case PathState():
                shelf.path_state(message)
            case PathGone():
                shelf.path_gone(message)
            case GoneSnapshot():
                shelf.restore_gone(message)
    return shelf


def test_a_change_reaches_every_link_at_once() -> None:
    feed = ShelfFeed()
    sinks = [attached(feed), attached(feed)]
    feed.put(put("/a/v/1.m4s"))
    assert [sink.messages[-1] for sink in sinks] == [put("/a/v/1.m4s")] * 2


def test_a_late_process_is_replayed_what_is_there_and_then_told_so() -> None:
    feed = ShelfFeed()
    feed.path_state(PathState("a", "live"))
    feed.put(put("/a/v/1.m4s"))
    feed.put(put("/a/v/2.m4s"))
    feed.drop("/a/v/1.m4s")
    messages = attached(feed).messages
    assert messages[-1] == Replayed()
    shelf = mirrored(messages)
    assert shelf.get("/a/v/2.m4s") is not None
    assert shelf.find("/a/v/1.m4s") is Absence.GONE
    assert shelf.paths["a"].state == "live"


def test_a_replay_sends_media_before_the_playlist_that_names_it() -> None:
    feed = ShelfFeed()
    feed.put(put("/a/v/index.m3u8", b"old"))
    feed.put(put("/a/v/1.m4s"))
    feed.put(put("/a/v/index.m3u8", b"new"))
    puts = [m for m in attached(feed).messages if isinstance(m, Put)]
    assert [(p.url, p.body) for p in puts] == [("/a/v/1.m4s", b"x"), ("/a/v/index.m3u8", b"new")]


def test_a_replay_stops_where_the_link_is_full_and_goes_on_later() -> None:
    feed = ShelfFeed()
    feed.put(put("/a/v/1.m4s"))
    sink = FakeSink()
    sink.buffered_bytes = HIGH_WATER_BYTES + 1
    feed.attach(sink)
    assert feed.pump(0.0)
    assert Replayed() not in sink.messages
    sink.buffered_bytes = 0
    assert not feed.pump(1.0)
    assert sink.messages[-1] == Replayed()


def test_a_link_that_is_behind_gets_only_the_newest_playlist() -> None:
    feed = ShelfFeed()
    sink = attached(feed)
    sink.take()
    sink.buffered_bytes = HIGH_WATER_BYTES + 1
    for body in (b"1", b"2", b"3"):
        feed.put(put("/a/v/index.m3u8", body))
    assert sink.take() == []
    sink.buffered_bytes = 0
    feed.pump(0.0)
    assert sink.take() == [put("/a/v/index.m3u8", b"3")]


def test_a_link_that_is_behind_does_not_hold_up_the_others() -> None:
    feed = ShelfFeed()
    slow, quick = attached(feed), attached(feed)
    slow.buffered_bytes = HIGH_WATER_BYTES + 1
    feed.put(put("/a/v/1.m4s"))
    assert quick.messages[-1] == put("/a/v/1.m4s")


def test_a_link_that_stays_behind_is_named() -> None:
    feed = ShelfFeed()
    sink = attached(feed)
    sink.buffered_bytes = HIGH_WATER_BYTES + 1
    feed.put(put("/a/v/1.m4s"))
    feed.pump(100.0)
    assert feed.sinks_behind(100.0 + BEHIND_S) == []
    assert feed.sinks_behind(100.1 + BEHIND_S) == [sink]


def test_a_link_that_has_caught_up_is_not_named() -> None:
    feed = ShelfFeed()
    sink = attached(feed)
    sink.buffered_bytes = HIGH_WATER_BYTES + 1
    feed.put(put("/a/v/1.m4s"))
    feed.pump(100.0)
    sink.buffered_bytes = 0
    feed.pump(101.0)
    assert feed.sinks_behind(200.0) == []


def test_a_detached_link_is_sent_nothing_more() -> None:
    feed = ShelfFeed()
    sink = attached(feed)
    sink.take()
    feed.detach(sink)
    feed.put(put("/a/v/1.m4s"))
    assert sink.messages == []


def test_a_path_that_goes_and_comes_back_while_a_link_is_behind_leaves_nothing_old() -> None:
    feed = ShelfFeed()
    sink = attached(feed)
    feed.put(put("/a/v/1.m4s"))
    sink.buffered_bytes = HIGH_WATER_BYTES + 1
    feed.path_gone("a")
    feed.path_state(PathState("a", "live"))
    feed.put(put("/a/v/9.m4s"))
    sink.buffered_bytes = 0
    feed.pump(0.0)
    shelf = mirrored(sink.messages)
    assert shelf.find("/a/v/1.m4s") is Absence.GONE
    assert shelf.get("/a/v/9.m4s") is not None
    assert shelf.paths["a"].state == "live"


def test_what_is_counted_is_what_is_held() -> None:
    feed = ShelfFeed()
    feed.put(put("/a/v/1.m4s", b"12345"))
    feed.put(put("/b/v/1.m4s", b"123", path="b"))
    feed.drop("/a/v/1.m4s")
    assert feed.statistics().resource_bytes == 3
    feed.path_gone("b")
    assert feed.statistics().resource_bytes == 0
    assert feed.statistics().resources == 0


def test_the_newest_totals_are_replayed() -> None:
    feed = ShelfFeed()
    feed.totals(Totals(restarts=1))
    feed.totals(Totals(restarts=2))
    totals = [m for m in attached(feed).messages if isinstance(m, Totals)]
    assert [t.restarts for t in totals] == [2]


STEP = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("ab"), st.integers(0, 3)),
    st.tuples(st.just("drop"), st.sampled_from("ab"), st.integers(0, 3)),
    st.tuples(st.just("gone"), st.sampled_from("ab"), st.just(0)),
    st.tuples(st.just("state"), st.sampled_from("ab"), st.just(0)),
    st.tuples(st.just("jam"), st.booleans(), st.just(0)),
    st.tuples(st.just("pump"), st.just(0), st.just(0)),
)


@given(st.lists(STEP, max_size=40))
def test_links_that_jam_and_free_end_with_the_shelf_of_one_that_never_did(
    steps: list[tuple[str, Any, int]],
) -> None:
    feed = ShelfFeed()
    jamming, flowing = attached(feed), attached(feed)
    for number, (verb, who, n) in enumerate(steps):
        match verb:
            case "put":
                feed.put(put(f"/{who}/v/{n}.m4s", str(number).encode(), path=who))
            case "drop":
                feed.drop(f"/{who}/v/{n}.m4s")
            case "gone":
                feed.path_gone(who)
            case "state":
                feed.path_state(PathState(who, "live", ingest_bytes=number))
            case "jam":
                jamming.buffered_bytes = HIGH_WATER_BYTES + 1 if who else 0
            case "pump":
                feed.pump(float(number))
    jamming.buffered_bytes = 0
    assert not feed.pump(1e3)
    one, other = mirrored(jamming.messages), mirrored(flowing.messages)
    assert {r.url: r.body for r in one.resources()} == {r.url: r.body for r in other.resources()}
    assert one.paths == other.paths
