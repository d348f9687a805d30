"""Media on the shelf: parts, growing and finished segments, and the bytes kept ready."""

from __future__ import annotations

import pytest

from streaming.resource import MediaBodies, MediaResource
from streaming.shelf import Absence, Shelf
from streaming.shelf_messages import (
    PartAdded,
    PathGone,
    RenditionOpened,
    SegmentCompleted,
    SegmentDropped,
    SegmentState,
)

STORE = bytes(range(256)) * 100


class Scene:
    """A shelf over a store of known bytes that counts what is read."""

    def __init__(self, cache_bytes: int = 1 << 20) -> None:
        self.reads: list[tuple[int, int]] = []
        self.freed = False
        self.shelf = Shelf(MediaBodies(self.read, cache_bytes))
        self.shelf.put_media(RenditionOpened(1, "live/a", "v", "video/mp4"))

    def read(self, offset: int, size: int) -> bytes | None:
        self.reads.append((offset, size))
        return None if self.freed else STORE[offset : offset + size]

    def segment(self, msn: int, *sizes: int, offset: int = 0, complete: bool = True) -> None:
        for part, size in enumerate(sizes):
            self.shelf.put_media(PartAdded(1, msn, part, 90 * msn + part, offset, size))
            offset += size
        if complete:
            self.shelf.put_media(SegmentCompleted(1, msn))

    def get(self, name: str) -> MediaResource:
        found = self.shelf.find(f"/live/a/v/{name}")
        assert isinstance(found, MediaResource)
        return found


def test_parts_and_segment_are_ranges_of_the_store() -> None:
    scene = Scene()
    scene.segment(7, 100, 50, 25, offset=1000)
    assert scene.get("7.0.m4s").load() == STORE[1000:1100]
    assert scene.get("7.2.m4s").load() == STORE[1150:1175]
    assert scene.get("7.m4s").load() == STORE[1000:1175]


def test_nothing_is_read_before_somebody_asks_and_then_once() -> None:
    scene = Scene()
    scene.segment(7, 100)
    resource = scene.get("7.m4s")
    assert scene.reads == []
    assert resource.load() is resource.load() is scene.get("7.m4s").load()
    assert scene.reads == [(0, 100)]
    assert (scene.shelf.bodies.hits, scene.shelf.bodies.misses) == (2, 1)


def test_a_growing_segment_has_its_parts_and_not_itself() -> None:
    scene = Scene()
    scene.segment(7, 100, 50, complete=False)
    assert scene.get("7.1.m4s").size_bytes == 50
    assert scene.shelf.find("/live/a/v/7.2.m4s") is Absence.NEVER
    assert scene.shelf.find("/live/a/v/7.m4s") is Absence.NEVER
    scene.shelf.put_media(PartAdded(1, 7, 2, 0, 150, 10))
    scene.shelf.put_media(SegmentCompleted(1, 7))
    assert scene.get("7.m4s").size_bytes == 160


@pytest.mark.parametrize(
    "name", ["07.m4s", "7.00.m4s", "7.m4s/", "-7.m4s", "7.-1.m4s", "٧.m4s", "7.0.0.m4s", "7.mp4"]
)
def test_a_part_has_one_url_only(name: str) -> None:
    scene = Scene()
    scene.segment(7, 100)
    assert isinstance(scene.shelf.find(f"/live/a/v/{name}"), Absence)


def test_etags_differ_by_what_a_url_holds_and_not_by_who_serves_it() -> None:
    one, other = Scene(), Scene()
    one.segment(7, 100, 50)
    other.segment(7, 100, 50, offset=4000)
    assert one.get("7.m4s").etag == other.get("7.m4s").etag
    assert one.get("7.m4s").etag != one.get("7.0.m4s").etag
    assert one.reads == []


def test_a_dropped_segment_has_gone_with_its_parts_and_its_bytes() -> None:
    scene = Scene()
    scene.segment(7, 100, 50)
    scene.get("7.m4s").load(), scene.get("7.1.m4s").load()
    assert scene.shelf.bodies.held_bytes == 200
    scene.shelf.put_media(SegmentDropped(1, 7))
    assert scene.shelf.bodies.held_bytes == 0
    for name in ("7.m4s", "7.0.m4s", "7.1.m4s"):
        assert scene.shelf.find(f"/live/a/v/{name}") is Absence.GONE


def test_a_path_that_goes_takes_its_media_along() -> None:
    scene = Scene()
    scene.segment(7, 100)
    scene.get("7.m4s").load()
    scene.shelf.path_gone(PathGone("live/a"))
    assert scene.shelf.find("/live/a/v/7.m4s") is Absence.GONE
    assert (len(scene.shelf), scene.shelf.bodies.held_bytes) == (0, 0)
    scene.segment(8, 100)
    assert scene.shelf.find("/live/a/v/8.m4s") is Absence.NEVER


def test_what_is_freed_between_finding_and_reading_is_none() -> None:
    scene = Scene()
    scene.segment(7, 100)
    resource = scene.get("7.m4s")
    scene.freed = True
    assert resource.load() is None
    assert resource.load_range(0, 10) is None


def test_a_state_brings_up_to_date_whoever_missed_something() -> None:
    scene = Scene()
    scene.segment(7, 100, complete=False)
    first = scene.get("7.0.m4s")
    scene.shelf.put_media(SegmentState(1, 7, 0, ((630, 100), (631, 20)), True))
    assert scene.get("7.0.m4s") is first
    assert scene.get("7.m4s").load() == STORE[:120]
    assert len(scene.shelf) == 3


def test_the_bytes_kept_are_bounded_and_the_least_wanted_leave_first() -> None:
    scene = Scene(cache_bytes=450)
    for msn in range(1, 5):
        scene.segment(msn, 110, offset=110 * msn)
        scene.get(f"{msn}.m4s").load()
    scene.get("1.m4s").load()
    scene.segment(5, 110)
    scene.get("5.m4s").load()
    assert scene.shelf.bodies.held_bytes <= 450
    scene.reads.clear()
    scene.get("1.m4s").load()
    assert scene.reads == []
    scene.get("2.m4s").load()
    assert scene.reads == [(220, 110)]


def test_a_body_that_would_push_out_all_others_is_not_kept() -> None:
    scene = Scene(cache_bytes=1000)
    scene.segment(7, 900)
    assert scene.get("7.m4s").load() == STORE[:900]
    assert scene.shelf.bodies.held_bytes == 0


def test_a_range_is_read_alone_unless_the_whole_is_there() -> None:
    scene = Scene()
    scene.segment(7, 100, 100, offset=500)
    resource = scene.get("7.m4s")
    assert resource.load_range(10, 20) == STORE[510:520]
    assert scene.reads == [(510, 10)]
    resource.load()
    scene.reads.clear()
    assert resource.load_range(150, 200) == STORE[650:700]
    assert scene.reads == []
