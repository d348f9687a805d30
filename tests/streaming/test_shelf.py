"""The shelf: what is served, what has gone, and what never was."""

from __future__ import annotations

import zlib

import pytest

from streaming.gone_memory import MAX_GONE_SERIES, GoneMemory, numbered
from streaming.resource import MediaBodies, Resource
from streaming.shelf import Absence, Shelf
from streaming.shelf_messages import Drop, PathGone, PathState, Put


def new_shelf() -> Shelf:
    return Shelf(MediaBodies(lambda offset, size: None, 0))


def put(url: str, body: bytes = b"x", path: str = "live/a", **more: object) -> Put:
    fields: dict[str, object] = {"content_type": "video/mp4", **more}
    return Put(path=path, url=url, body=body, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "series"),
    [
        ("/a/720p/812.m4s", ("/a/720p/*", 812)),
        ("/a/720p/812.3.m4s", ("/a/720p/*.*", 812)),
        ("/a/720p/init-2.mp4", ("/a/720p/init-*", 2)),
        ("/a/720p/index.m3u8", None),
        ("/a/720p/x812.m4s", None),
        ("/a/720p/812.m4s/", None),
        ("/a/720p/" + "9" * 5000 + ".m4s", None),
    ],
)
def test_media_urls_fall_into_numbered_series(url: str, series: tuple[str, int] | None) -> None:
    assert numbered(url) == series


def test_what_was_put_is_found() -> None:
    shelf = new_shelf()
    shelf.put(put("/live/a/720p/1.m4s", b"abc"))
    found = shelf.find("/live/a/720p/1.m4s")
    assert isinstance(found, Resource)
    assert found.load() == b"abc"


def test_what_was_dropped_has_gone() -> None:
    shelf = new_shelf()
    shelf.put(put("/live/a/720p/1.m4s"))
    shelf.drop(Drop("/live/a/720p/1.m4s"))
    assert shelf.find("/live/a/720p/1.m4s") is Absence.GONE


def test_numbers_between_dropped_ones_have_gone_too() -> None:
    shelf = new_shelf()
    for msn in (3, 7):
        shelf.drop(Drop(f"/live/a/720p/{msn}.m4s"))
    assert shelf.find("/live/a/720p/5.m4s") is Absence.GONE


@pytest.mark.parametrize("msn", [2, 8])
def test_numbers_before_the_first_and_after_the_last_never_were(msn: int) -> None:
    shelf = new_shelf()
    for dropped in (3, 7):
        shelf.drop(Drop(f"/live/a/720p/{dropped}.m4s"))
    assert shelf.find(f"/live/a/720p/{msn}.m4s") is Absence.NEVER


def test_dropping_parts_leaves_their_segment() -> None:
    shelf = new_shelf()
    shelf.put(put("/live/a/720p/1.m4s"))
    shelf.put(put("/live/a/720p/1.0.m4s"))
    shelf.drop(Drop("/live/a/720p/1.0.m4s"))
    assert isinstance(shelf.find("/live/a/720p/1.m4s"), Resource)
    assert shelf.find("/live/a/720p/1.0.m4s") is Absence.GONE


def test_dropped_playlists_have_gone() -> None:
    shelf = new_shelf()
    shelf.put(put("/live/a/720p/index.m3u8", cache="playlist"))
    shelf.drop(Drop("/live/a/720p/index.m3u8"))
    assert shelf.find("/live/a/720p/index.m3u8") is Absence.ENDED
    assert Absence.ENDED.status == Absence.GONE.status == 410


def test_what_a_path_had_has_gone_with_it_until_it_begins_again() -> None:
    shelf = new_shelf()
    shelf.path_state(PathState("live/a", "live"))
    shelf.put(put("/live/a/index.m3u8", cache="playlist"))
    shelf.put(put("/live/a/720p/1.m4s"))
    shelf.path_gone(PathGone("live/a"))
    assert shelf.find("/live/a/index.m3u8") is Absence.ENDED
    assert shelf.find("/live/a/nothing.m3u8") is Absence.NEVER
    assert shelf.find("/live/a/720p/1.m4s") is Absence.GONE
    assert len(shelf) == 0
    assert shelf.bytes_held == 0
    shelf.path_state(PathState("live/a", "starting"))
    assert shelf.find("/live/a/index.m3u8") is Absence.STARTING
    assert shelf.find("/live/a/720p/1.m4s") is Absence.GONE


@pytest.mark.parametrize("state", ["idle", "starting"])
def test_what_is_missing_below_a_starting_path_is_starting(state: str) -> None:
    shelf = new_shelf()
    shelf.path_state(PathState("live/a", state))  # type: ignore[arg-type]
    assert shelf.find("/live/a/index.m3u8") is Absence.STARTING
    assert shelf.find("/live/a/720p/index.m3u8") is Absence.STARTING
    assert shelf.find("/live/ab/index.m3u8") is Absence.NEVER


def test_what_is_missing_below_a_live_path_never_was() -> None:
    shelf = new_shelf()
    shelf.path_state(PathState("live/a", "live"))
    assert shelf.find("/live/a/720p/999.m4s") is Absence.NEVER


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/live/b/index.m3u8", "live/b"),
        ("/live/b/manifest.mpd", "live/b"),
        ("/live/a/720p/index.m3u8", "live/a"),
        ("/live/b/1.m4s", None),
    ],
)
def test_only_playlists_wake_a_path(url: str, path: str | None) -> None:
    shelf = new_shelf()
    shelf.path_state(PathState("live/a", "idle"))
    assert shelf.wanted_path(url) == path


def test_replacing_a_resource_counts_its_bytes_once() -> None:
    shelf = new_shelf()
    shelf.put(put("/live/a/index.m3u8", b"12345"))
    shelf.put(put("/live/a/index.m3u8", b"123"))
    assert shelf.bytes_held == 3


def test_the_memory_of_what_has_gone_is_bounded() -> None:
    memory = GoneMemory()
    for number in range(MAX_GONE_SERIES + 1):
        memory.remember(f"/{number}/720p/1.m4s")
    assert len(memory.snapshot().series) == MAX_GONE_SERIES
    assert not memory.has("/0/720p/1.m4s")
    assert memory.has(f"/{MAX_GONE_SERIES}/720p/1.m4s")


def test_what_has_gone_survives_the_way_through_a_snapshot() -> None:
    ours, theirs = GoneMemory(), GoneMemory()
    ours.remember("/a/720p/1.m4s")
    ours.remember("/a/720p/index.m3u8")
    theirs.restore(ours.snapshot())
    assert theirs.has("/a/720p/1.m4s")
    assert theirs.has("/a/720p/index.m3u8")


def test_equal_bytes_have_equal_etags_and_other_bytes_have_others() -> None:
    one, same, other = (Resource.from_put(put("/a/1.m4s", b)) for b in (b"aa", b"aa", b"ab"))
    assert one.etag == same.etag != other.etag


def test_a_given_etag_is_used() -> None:
    assert Resource.from_put(put("/a/1.m4s", etag="v1")).etag == '"v1"'


def test_the_compressed_body_is_the_body_and_has_its_own_etag() -> None:
    resource = Resource.from_put(put("/a/index.m3u8", b"#EXTM3U\n" * 100))
    assert zlib.decompress(resource.gzip_body(), 31) == resource.load()
    assert resource.gzip_body() is resource.gzip_body()
    assert resource.gzip_etag != resource.etag


@pytest.mark.parametrize(
    ("rule", "age", "expected"),
    [
        ("immutable", 3600, "public, max-age=3600, immutable"),
        ("playlist", 1, "public, max-age=1"),
        ("playlist", 0, "no-cache"),
    ],
)
def test_cache_rules_become_cache_control(rule: str, age: int, expected: str) -> None:
    assert Resource.from_put(put("/a/x", cache=rule, max_age_s=age)).cache_control == expected
