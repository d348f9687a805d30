"""The feed: every delivery process ends up with the same shelf, however late or slow it is."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from segmenter.segment import Part
from streaming.link import FrameReader, encode_frame
from streaming.media_store import MediaStore
from streaming.resource import MediaBodies, Resource
from streaming.shelf import Absence, Shelf
from streaming.shelf_feed import BEHIND_S, HIGH_WATER_BYTES, ShelfFeed
from streaming.shelf_messages import (
    Drop,
    GoneSnapshot,
    PartAdded,
    PathGone,
    PathState,
    Put,
    RenditionOpened,
    Replayed,
    SegmentCompleted,
    SegmentDropped,
    SegmentState,
    TextsRest,
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
    shelf = Shelf(MediaBodies(lambda offset, size: bytes(size), 1_000_000))
    for message in messages:
        match message:
            case (
                PartAdded() | SegmentCompleted() | SegmentDropped() | SegmentState()
                | RenditionOpened()
            ):  # fmt: skip
                shelf.put_media(message)
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
            case TextsRest():
                shelf.rest(message)
    return shelf


def test_a_change_reaches_every_link_at_once() -> None:
    feed = ShelfFeed(MediaStore())
    sinks = [attached(feed), attached(feed)]
    feed.put(put("/a/v/1.m4s"))
    assert [sink.messages[-1] for sink in sinks] == [put("/a/v/1.m4s")] * 2


def test_a_late_process_is_replayed_what_is_there_and_then_told_so() -> None:
    feed = ShelfFeed(MediaStore())
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
    feed = ShelfFeed(MediaStore())
    feed.put(put("/a/v/index.m3u8", b"old"))
    feed.put(put("/a/v/1.m4s"))
    feed.put(put("/a/v/index.m3u8", b"new"))
    puts = [m for m in attached(feed).messages if isinstance(m, Put)]
    assert [(p.url, p.body) for p in puts] == [("/a/v/1.m4s", b"x"), ("/a/v/index.m3u8", b"new")]


def test_a_replay_stops_where_the_link_is_full_and_goes_on_later() -> None:
    feed = ShelfFeed(MediaStore())
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
    feed = ShelfFeed(MediaStore())
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
    feed = ShelfFeed(MediaStore())
    slow, quick = attached(feed), attached(feed)
    slow.buffered_bytes = HIGH_WATER_BYTES + 1
    feed.put(put("/a/v/1.m4s"))
    assert quick.messages[-1] == put("/a/v/1.m4s")


def test_a_link_that_stays_behind_is_named() -> None:
    feed = ShelfFeed(MediaStore())
    sink = attached(feed)
    sink.buffered_bytes = HIGH_WATER_BYTES + 1
    feed.put(put("/a/v/1.m4s"))
    feed.pump(100.0)
    assert feed.sinks_behind(100.0 + BEHIND_S) == []
    assert feed.sinks_behind(100.1 + BEHIND_S) == [sink]


def test_a_link_that_has_caught_up_is_not_named() -> None:
    feed = ShelfFeed(MediaStore())
    sink = attached(feed)
    sink.buffered_bytes = HIGH_WATER_BYTES + 1
    feed.put(put("/a/v/1.m4s"))
    feed.pump(100.0)
    sink.buffered_bytes = 0
    feed.pump(101.0)
    assert feed.sinks_behind(200.0) == []


def test_a_detached_link_is_sent_nothing_more() -> None:
    feed = ShelfFeed(MediaStore())
    sink = attached(feed)
    sink.take()
    feed.detach(sink)
    feed.put(put("/a/v/1.m4s"))
    assert sink.messages == []


def test_a_path_that_goes_and_comes_back_while_a_link_is_behind_leaves_nothing_old() -> None:
    feed = ShelfFeed(MediaStore())
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
    feed = ShelfFeed(MediaStore())
    feed.put(put("/a/v/1.m4s", b"12345"))
    feed.put(put("/b/v/1.m4s", b"123", path="b"))
    feed.drop("/a/v/1.m4s")
    assert feed.statistics().resource_bytes == 3
    feed.path_gone("b")
    assert feed.statistics().resource_bytes == 0
    assert feed.statistics().resources == 0


def test_a_late_process_is_told_whose_texts_rest() -> None:
    feed = ShelfFeed(MediaStore())
    for path in ("a", "b", "c"):
        feed.put(text(path))
        feed.rest(path)
    feed.wake("b")
    feed.path_gone("c")
    feed.put(text("c"))
    shelf = mirrored(attached(feed).messages)
    stale = {name for name in ("a", "b", "c") if shelf.is_stale(found(shelf, name))}
    assert stale == {"a"}


def test_a_process_that_is_behind_learns_that_a_path_is_awake_after_its_texts() -> None:
    feed = ShelfFeed(MediaStore())
    feed.put(text("a", b"old"))
    feed.rest("a")
    sink = attached(feed)
    sink.take()
    sink.buffered_bytes = HIGH_WATER_BYTES + 1
    feed.put(text("a", b"new"))
    feed.wake("a")
    sink.buffered_bytes = 0
    assert not feed.pump(1.0)
    assert sink.take() == [text("a", b"new"), TextsRest("a", is_resting=False)]


def text(path: str, body: bytes = b"x") -> Put:
    return Put(path, f"/{path}/index.m3u8", body, "text/plain", cache="playlist")


def found(shelf: Shelf, path: str) -> Resource:
    resource = shelf.get(f"/{path}/index.m3u8")
    assert resource is not None
    return resource


def test_the_newest_totals_are_replayed() -> None:
    feed = ShelfFeed(MediaStore())
    feed.totals(Totals(restarts=1))
    feed.totals(Totals(restarts=2))
    totals = [m for m in attached(feed).messages if isinstance(m, Totals)]
    assert [t.restarts for t in totals] == [2]


def served(shelf: Shelf) -> dict[str, tuple[str, bytes | None]]:
    return {resource.url: (resource.etag, resource.load()) for resource in shelf.resources()}


def add_part(feed: ShelfFeed, msn: int, index: int = 0, path: str = "a", size: int = 3) -> bool:
    part = Part(msn, index, 1000 * msn + index, 1, 1, 0, size, 1, True)
    return feed.put_part(path, "v", "video/mp4", part, [b"x" * size])


def test_a_part_costs_one_message_that_says_where_it_is() -> None:
    feed = ShelfFeed(MediaStore())
    sink = attached(feed)
    add_part(feed, 7)
    sink.take()
    add_part(feed, 7, 1)
    [message] = sink.take()
    assert isinstance(message, PartAdded)
    assert (message.msn, message.part, message.start, message.size_bytes) == (7, 1, 7001, 3)
    assert len(encode_frame(message)) < 40


def test_a_segment_is_served_when_its_last_part_is_there() -> None:
    feed = ShelfFeed(MediaStore())
    sink = attached(feed)
    add_part(feed, 7)
    add_part(feed, 7, 1)
    assert mirrored(sink.messages).get("/a/v/7.m4s") is None
    feed.complete_segment("a", "v", 7)
    shelf = mirrored(sink.messages)
    found = {url: shelf.get(url) for url in ("/a/v/7.0.m4s", "/a/v/7.1.m4s", "/a/v/7.m4s")}
    assert [r.size_bytes for r in found.values() if r is not None] == [3, 3, 6]


def test_dropping_segments_takes_all_up_to_a_number_with_their_parts() -> None:
    store = MediaStore()
    feed = ShelfFeed(store)
    sink = attached(feed)
    for msn in (1, 2, 3):
        add_part(feed, msn, size=1000)
        feed.complete_segment("a", "v", msn)
    feed.drop_segments("a", "v", 2)
    shelf = mirrored(sink.messages)
    assert shelf.find("/a/v/1.m4s") is shelf.find("/a/v/2.0.m4s") is Absence.GONE
    assert shelf.get("/a/v/3.m4s") is not None
    assert store.statistics().held_bytes == 1000
    feed.path_gone("a")
    assert store.statistics().held_bytes == 0


def test_a_late_process_is_told_of_growing_and_finished_segments_and_of_those_gone() -> None:
    feed = ShelfFeed(MediaStore())
    early = attached(feed)
    for msn in (1, 2):
        add_part(feed, msn)
        add_part(feed, msn, 1)
        feed.complete_segment("a", "v", msn)
    add_part(feed, 3)
    feed.drop_segments("a", "v", 1)
    late = attached(feed)
    ours, theirs = mirrored(early.messages), mirrored(late.messages)
    assert served(ours) == served(theirs)
    assert set(served(theirs)) == {"/a/v/2.m4s", "/a/v/2.0.m4s", "/a/v/2.1.m4s", "/a/v/3.0.m4s"}
    assert theirs.find("/a/v/1.m4s") is Absence.GONE
    add_part(feed, 3, 1)
    assert mirrored(late.messages).get("/a/v/3.1.m4s") is not None


def test_a_rendition_of_which_everything_expired_goes_on_under_its_handle() -> None:
    feed = ShelfFeed(MediaStore())
    sink = attached(feed)
    add_part(feed, 1)
    feed.drop_segments("a", "v", 1)
    add_part(feed, 2)
    assert len([m for m in sink.messages if isinstance(m, RenditionOpened)]) == 1
    assert served(mirrored(sink.messages)).keys() == {"/a/v/2.0.m4s"}


def test_a_part_for_which_there_is_no_room_is_refused() -> None:
    feed = ShelfFeed(MediaStore(limit_bytes=5))
    assert add_part(feed, 1)
    assert not add_part(feed, 2)
    assert feed.statistics().store.refused == 1
    feed.drop_segments("a", "v", 1)
    assert add_part(feed, 3)


STEP = st.one_of(
    st.tuples(st.just("part"), st.sampled_from("ab"), st.just(0)),
    st.tuples(st.just("cut"), st.sampled_from("ab"), st.just(0)),
    st.tuples(st.just("expire"), st.sampled_from("ab"), st.integers(0, 3)),
    st.tuples(st.just("put"), st.sampled_from("ab"), st.integers(0, 3)),
    st.tuples(st.just("drop"), st.sampled_from("ab"), st.integers(0, 3)),
    st.tuples(st.just("gone"), st.sampled_from("ab"), st.just(0)),
    st.tuples(st.just("state"), st.sampled_from("ab"), st.just(0)),
    st.tuples(st.just("jam"), st.booleans(), st.just(0)),
    st.tuples(st.just("pump"), st.just(0), st.just(0)),
)


@given(st.lists(STEP, max_size=60))
def test_links_that_jam_and_free_end_with_the_shelf_of_one_that_never_did(
    steps: list[tuple[str, Any, int]],
) -> None:
    feed = ShelfFeed(MediaStore())
    jamming, flowing = attached(feed), attached(feed)
    growing = {"a": [1, 0], "b": [1, 0]}
    for number, (verb, who, n) in enumerate(steps):
        match verb:
            case "part":
                assert add_part(feed, *growing[who], path=who, size=number)
                growing[who][1] += 1
            case "cut":
                if growing[who][1]:
                    feed.complete_segment(who, "v", growing[who][0])
                growing[who] = [growing[who][0] + 1, 0]
            case "expire":
                feed.drop_segments(who, "v", growing[who][0] - 1 - n)
            case "put":
                feed.put(put(f"/{who}/v/{n}.m4s", str(number).encode(), path=who))
            case "drop":
                feed.drop(f"/{who}/v/{n}.m4s")
            case "gone":
                feed.path_gone(who)
                growing[who] = [growing[who][0] + 1, 0]
            case "state":
                feed.path_state(PathState(who, "live", ingest_bytes=number))
            case "jam":
                jamming.buffered_bytes = HIGH_WATER_BYTES + 1 if who else 0
            case "pump":
                feed.pump(float(number))
    jamming.buffered_bytes = 0
    assert not feed.pump(1e3)
    one, other = mirrored(jamming.messages), mirrored(flowing.messages)
    assert served(one) == served(other)
    assert one.paths == other.paths
