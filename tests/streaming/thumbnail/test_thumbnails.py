"""Thumbnails are made one at a time, kept for seconds, and cost nobody but their own process."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from segmenter.fmp4.fragment import write_fragment
from segmenter.media import VIDEO_TIMESCALE, Codec, Sample, Track
from streaming.resource import MediaBodies
from streaming.shelf import Shelf
from streaming.shelf_messages import (
    PartAdded,
    PathGone,
    PathState,
    Put,
    RenditionOpened,
    RenditionRecord,
)
from streaming.thumbnail import thumbnails as module
from streaming.thumbnail.newest_key_frame import (
    MOST_BYTES,
    MOST_READ_BYTES,
    MOST_TRIES,
    find_key_frame,
)
from streaming.thumbnail.thumbnail_process import ThumbnailProcess
from streaming.thumbnail.thumbnails import FAILED_S, FRESH_S, Thumbnails, TooManyAskError
from tests.streaming.thumbnail.media import first_part


def fragment(data: bytes, *, is_sync: bool = True) -> bytes:
    """One picture, whose bytes are the last ones of the fragment."""
    track = Track("v", Codec.VP9, VIDEO_TIMESCALE, b"", 2, 2)
    samples = [Sample("v", 0, 0, data, is_sync, 3_000)]
    return b"".join(write_fragment(track, samples, 1, end=3_000))


FRAGMENTS = {3: fragment(b"first"), 4: fragment(b"later"), 5: fragment(b"delta", is_sync=False)}
"""The media store: offset to what is there."""


class Scene:
    """Live paths, and somebody who makes pictures of them when told."""

    def __init__(self) -> None:
        self.looked_at: list[int] = []
        self.shelf = Shelf(MediaBodies(self.read, 0))
        self.now = 100.0
        self.made: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.working = 0
        self.fails = False
        self.thumbnails = Thumbnails(self.shelf, self.make, lambda: self.now)

    def read(self, at: int, size: int) -> bytes:
        """The media store, which takes its time."""
        self.looked_at.append(at)
        return FRAGMENTS[at]

    def path(self, name: str, *renditions: tuple[str, int], msn: int = 7) -> None:
        """A live path with video of these heights; without any, 720p."""
        heights = renditions or (("720p", 720),)
        records = tuple(RenditionRecord(one, height=height) for one, height in heights)
        self.shelf.path_state(PathState(name, "live", renditions=records))
        for one, height in heights:
            handle = hash((name, one))
            init = f"/{name}/{one}/init-1.mp4"
            self.shelf.put(Put(name, init, one.encode(), "video/mp4", rendition=one))
            self.shelf.put_media(RenditionOpened(handle, name, one, "video/mp4"))
            self.shelf.put_media(PartAdded(handle, msn, 0, 0, 3, height))

    async def make(self, media: bytes) -> bytes:
        self.working += 1
        assert self.working == 1
        await self.gate.wait()
        self.working -= 1
        self.made.append(media)
        return b"" if self.fails else b"jpeg of " + media[-5:]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_many_who_ask_get_one_picture_that_is_made_once(scene: Scene) -> None:
    scene.path("live/a")
    pictures = await asyncio.gather(*(scene.thumbnails.picture("live/a") for _ in range(9)))
    assert set(pictures) == {b"jpeg of first"}
    assert len(scene.made) == 1


async def test_a_picture_is_kept_for_seconds_and_as_long_as_nothing_newer_is_there(
    scene: Scene,
) -> None:
    scene.path("live/a")
    await scene.thumbnails.picture("live/a")
    scene.shelf.put_media(PartAdded(hash(("live/a", "720p")), 8, 0, 0, 4, 50))
    await scene.thumbnails.picture("live/a")
    assert len(scene.made) == 1
    scene.now += FRESH_S
    assert await scene.thumbnails.picture("live/a") == b"jpeg of later"
    scene.now += FRESH_S
    await scene.thumbnails.picture("live/a")
    assert len(scene.made) == 2


async def test_paths_take_turns_and_one_who_leaves_spoils_nothing(scene: Scene) -> None:
    scene.path("live/a")
    scene.path("live/b")
    scene.gate.clear()
    asked = [asyncio.create_task(scene.thumbnails.picture(n)) for n in ("live/a", "live/b")]
    other = asyncio.create_task(scene.thumbnails.picture("live/a"))
    await asyncio.sleep(0)
    asked[0].cancel()
    scene.gate.set()
    assert await other
    assert await asked[1]
    assert len(scene.made) == 2


async def test_a_path_without_a_picture_is_left_alone_for_a_while(scene: Scene) -> None:
    scene.path("live/a")
    scene.fails = True
    assert await scene.thumbnails.picture("live/a") == b""
    scene.fails = False
    scene.now += FAILED_S - 1
    assert await scene.thumbnails.picture("live/a") == b""
    scene.shelf.put_media(PartAdded(hash(("live/a", "720p")), 8, 0, 0, 4, 50))
    scene.now += 1
    assert await scene.thumbnails.picture("live/a")


async def test_too_many_paths_at_once_are_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    for name in ("a", "b", "c"):
        scene.path(name)
    scene.gate.clear()
    asked = [asyncio.create_task(scene.thumbnails.picture(name)) for name in ("a", "b")]
    await asyncio.sleep(0)
    with pytest.raises(TooManyAskError):
        await scene.thumbnails.picture("c")
    scene.gate.set()
    assert all(await asyncio.gather(*asked))


async def test_where_nothing_is_live_there_is_no_picture(scene: Scene) -> None:
    scene.path("live/a")
    scene.path("radio", ("audio", 0))
    scene.shelf.path_state(
        PathState("radio", "live", renditions=(RenditionRecord("audio", kind="audio"),))
    )
    scene.shelf.path_gone(PathGone("live/a"))
    for name in ("live/a", "radio", "nobody"):
        assert await scene.thumbnails.picture(name) == b""
    assert scene.made == []


async def test_names_of_nothing_take_nobodys_turn(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    scene.path("live/a")
    scene.path("live/b")
    scene.gate.clear()
    first = asyncio.create_task(scene.thumbnails.picture("live/a"))
    await asyncio.sleep(0)
    strangers = [asyncio.create_task(scene.thumbnails.picture(f"no/{n}")) for n in range(9)]
    await asyncio.sleep(0)
    second = asyncio.create_task(scene.thumbnails.picture("live/b"))
    await asyncio.sleep(0)
    scene.gate.set()
    assert all(await asyncio.gather(first, second))
    assert await asyncio.gather(*strangers) == [b""] * 9


async def test_media_without_a_key_frame_are_looked_through_once_in_a_while(scene: Scene) -> None:
    scene.path("live/a")
    rendition = hash(("live/a", "720p"))
    for msn in range(8, 8 + MOST_TRIES):
        scene.shelf.put_media(PartAdded(rendition, msn, 0, 0, 5, 50))
    for _ in range(9):
        assert await scene.thumbnails.picture("live/a") == b""
    assert len(scene.looked_at) == MOST_TRIES
    scene.shelf.put_media(PartAdded(rendition, 8 + MOST_TRIES, 0, 0, 4, 50))
    scene.now += FRESH_S
    assert await scene.thumbnails.picture("live/a")


def test_the_smallest_rendition_that_is_large_enough_is_taken(scene: Scene) -> None:
    scene.path("live/a", ("1080p", 1080), ("120p", 120), ("360p", 360))
    found = find_key_frame(scene.shelf, "live/a")
    assert found is not None
    assert (found.rendition, found.msn) == ("360p", 7)
    scene.path("live/b", ("90p", 90), ("120p", 120))
    found = find_key_frame(scene.shelf, "live/b")
    assert found is not None
    assert found.media.startswith(b"90p")


def test_a_first_part_that_is_too_large_is_passed_over(scene: Scene) -> None:
    scene.path("live/a")
    scene.shelf.put_media(PartAdded(hash(("live/a", "720p")), 8, 0, 0, 4, MOST_BYTES + 1))
    found = find_key_frame(scene.shelf, "live/a")
    assert found is not None
    assert found.msn == 7


def test_a_segment_that_begins_without_a_key_frame_is_passed_over(scene: Scene) -> None:
    scene.path("live/a")
    for msn in (8, 9):
        scene.shelf.put_media(PartAdded(hash(("live/a", "720p")), msn, 0, 0, 5, 50))
    found = find_key_frame(scene.shelf, "live/a")
    assert found is not None
    assert found.msn == 7


def test_no_more_is_read_in_search_of_a_key_frame_than_the_loop_has_time_for(scene: Scene) -> None:
    scene.path("live/a", ("720p", 720), ("1080p", 1080))
    for name in ("720p", "1080p"):
        for msn in range(8, 8 + MOST_TRIES):
            part = PartAdded(hash(("live/a", name)), msn, 0, 0, 5, MOST_BYTES)
            scene.shelf.put_media(part)
    assert find_key_frame(scene.shelf, "live/a") is None
    assert len(scene.looked_at) * MOST_BYTES <= MOST_READ_BYTES


async def test_the_process_decodes_survives_rubbish_and_is_replaced_when_it_dies() -> None:
    process = ThumbnailProcess()
    assert process.pid == 0
    media = b"".join(first_part(size=(320, 180)))
    try:
        assert (await process.make(media))[:2] == b"\xff\xd8"
        first = process.pid
        assert os.getpriority(os.PRIO_PROCESS, first) == 19
        assert await process.make(b"\0" * 5_000) == b""
        assert (await process.make(media))[:2] == b"\xff\xd8"
        assert process.pid == first
        os.kill(first, signal.SIGSTOP)
        asked = asyncio.create_task(process.make(media))
        await asyncio.sleep(0)
        os.kill(first, signal.SIGKILL)
        assert await asked == b""
        assert (await process.make(media))[:2] == b"\xff\xd8"
        assert process.pid != first
    finally:
        await process.close()
    assert process.pid == 0


async def test_a_directory_with_our_name_in_the_working_directory_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "streaming").mkdir()
    (tmp_path / "streaming" / "__init__.py").write_text("raise SystemExit('foreign')\n")
    monkeypatch.chdir(tmp_path)
    process = ThumbnailProcess()
    try:
        assert (await process.make(b"".join(first_part(size=(320, 180)))))[:2] == b"\xff\xd8"
    finally:
        await process.close()


async def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    process = ThumbnailProcess()
    try:
        await process.make(b"")
        hanging = process.pid
        os.kill(hanging, signal.SIGSTOP)
        monkeypatch.setattr("streaming.thumbnail.thumbnail_process.DECODE_S", 0.05)
        assert await process.make(b"") == b""
        with pytest.raises(ProcessLookupError):
            os.kill(hanging, 0)
    finally:
        await process.close()
