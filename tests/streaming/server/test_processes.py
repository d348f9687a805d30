"""Real delivery processes: what viewers notice when one of them dies, hangs or is drained."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from segmenter.segment import Part
from streaming.media_store import MediaStore
from streaming.server.processes import DeliveryProcesses
from streaming.shelf_feed import ShelfFeed
from streaming.shelf_messages import DeliveryConfig, Metric, PathState, Put
from tests.streaming.server.conftest import until

GONE = b"Gone: this has left the live window.\n"


class Origin:
    """The origin's side: a feed, a listening socket and the processes that serve it."""

    def __init__(self, processes: int) -> None:
        self.feed = ShelfFeed(MediaStore())
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.listening.setblocking(False)
        self.wanted: list[str] = []
        self.viewers: dict[str, int] = {}
        self.processes = DeliveryProcesses(
            DeliveryConfig(drain_s=2.0),
            self.listening,
            self.feed,
            processes=processes,
            on_path_wanted=self.wanted.append,
            on_viewers=self.viewers.update,
            metrics=lambda: [Metric("headwater_test", "A test.", 7.0)],
        )

    def put(self, url: str, body: bytes) -> None:
        self.feed.put(Put(path="a", url=url, body=body, content_type="video/mp4"))

    def put_segment(self, msn: int, *parts: bytes) -> None:
        for index, data in enumerate(parts):
            part = Part(msn, index, 90 * index, 90, 90, 0, len(data), 1, True)
            assert self.feed.put_part("a", "720p", "video/mp4", part, [data[:5], data[5:]])
        self.feed.complete_segment("a", "720p", msn)

    async def get(self, url: str) -> tuple[int, bytes]:
        """Status and body; connects anew each time."""
        port = self.listening.getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        try:
            answer = await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body

    async def until(self, url: str, accepts: Callable[[int, bytes], bool]) -> None:
        """Asks until the answer is as wanted; what was just fed takes a moment to cross over."""
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError, IndexError):
                    if accepts(*await self.get(url)):
                        return
                await asyncio.sleep(0.01)


def delivery_pids() -> list[int]:
    """Our children that serve, as the kernel sees them."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        children: list[str] = []
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            children = (task / "children").read_text().split()
        for pid in children:
            with contextlib.suppress(OSError):
                if b"streaming.server.delivery" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
    return found


@pytest.fixture(params=[1])
async def origin(request: pytest.FixtureRequest) -> AsyncIterator[Origin]:
    """An origin with one delivery process that holds a live path."""
    made = Origin(request.param)
    made.feed.path_state(PathState("a", "live"))
    made.put("/a/v/1.m4s", b"one")
    made.put("/a/v/2.m4s", b"two")
    await made.processes.start()
    yield made
    await made.processes.close()
    made.listening.close()
    assert delivery_pids() == []


async def test_media_are_read_from_the_store_by_a_process_and_by_its_successor(
    origin: Origin,
) -> None:
    first, second = os.urandom(300_000), os.urandom(200_000)
    origin.put_segment(7, first, second)
    whole = (200, first + second)
    await origin.until("/a/720p/7.m4s", lambda *answer: answer == whole)
    os.kill(delivery_pids()[0], signal.SIGKILL)
    await origin.until("/a/720p/7.m4s", lambda *answer: answer == whole)
    assert await origin.get("/a/720p/7.1.m4s") == (200, second)
    origin.put_segment(8, second)
    origin.feed.drop_segments("a", "720p", 7)
    await origin.until("/a/720p/7.m4s", lambda status, _: status == 410)
    assert await origin.get("/a/720p/7.0.m4s") == (410, GONE)
    assert await origin.get("/a/720p/8.m4s") == (200, second)


async def test_what_is_fed_before_and_after_the_start_is_served(origin: Origin) -> None:
    assert await origin.get("/a/v/1.m4s") == (200, b"one")
    origin.put("/a/v/3.m4s", b"three")
    await origin.until("/a/v/3.m4s", lambda status, body: (status, body) == (200, b"three"))


async def test_a_killed_process_is_replaced_and_knows_all_its_predecessor_knew(
    origin: Origin,
) -> None:
    origin.feed.drop("/a/v/1.m4s")
    await origin.until("/a/v/1.m4s", lambda status, _: status == 410)
    (before,) = delivery_pids()
    os.kill(before, signal.SIGKILL)
    await origin.until("/a/v/2.m4s", lambda status, body: (status, body) == (200, b"two"))
    assert (await origin.get("/a/v/1.m4s"))[0] == 410
    assert (await origin.get("/a/v/9.m4s"))[0] == 404
    (after,) = delivery_pids()
    assert after != before
    assert origin.processes.statistics().restarts == 1


async def test_nobody_is_refused_while_a_process_is_replaced(origin: Origin) -> None:
    (before,) = delivery_pids()
    os.kill(before, signal.SIGSTOP)
    # Connected to the listening socket while nobody accepts, and the process dies meanwhile.
    waiting = asyncio.create_task(origin.get("/a/v/2.m4s"))
    await asyncio.sleep(0)
    os.kill(before, signal.SIGKILL)
    assert await waiting == (200, b"two")


async def test_signals_to_the_whole_group_leave_it_to_the_origin_to_stop(origin: Origin) -> None:
    (pid,) = delivery_pids()
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)
    assert (await origin.get("/a/v/2.m4s"))[0] == 200
    assert delivery_pids() == [pid]


@pytest.mark.parametrize("origin", [2], indirect=True)
async def test_two_processes_share_the_port_and_the_shelf(origin: Origin) -> None:
    await until(lambda: len(delivery_pids()) == 2)
    for pid in delivery_pids():
        os.kill(pid, signal.SIGKILL)
        await origin.until("/a/v/2.m4s", lambda status, _: status == 200)


async def test_a_viewer_of_a_path_that_is_not_live_is_reported_to_the_origin(
    origin: Origin,
) -> None:
    assert (await origin.get("/cam/index.m3u8"))[0] == 404
    await until(lambda: origin.wanted == ["cam"])


@pytest.mark.parametrize("origin", [1, 2], indirect=True)
async def test_a_text_that_rests_is_asked_for_and_then_served_as_of_now(origin: Origin) -> None:
    url = "/a/v/index.m3u8"
    text = Put("a", url, b"old", "application/vnd.apple.mpegurl", cache="playlist", max_age_s=1)
    origin.feed.put(text)
    await origin.until(url, lambda *answer: answer == (200, b"old"))
    origin.feed.rest("a")
    for pid in delivery_pids():  # a successor knows of it, too
        os.kill(pid, signal.SIGKILL)
    asking = asyncio.create_task(origin.get("/a/v/1.m4s"))
    assert await asking == (200, b"one")
    asking = asyncio.create_task(origin.get(url))
    await until(lambda: origin.wanted == ["a"])
    assert not asking.done()
    origin.feed.put(msgspec.structs.replace(text, body=b"new"))
    origin.feed.wake("a")
    assert await asking == (200, b"new")


async def test_metrics_and_viewers_come_back_to_the_origin_and_from_it(origin: Origin) -> None:
    await origin.get("/a/v/2.m4s")
    await origin.until("/metrics", lambda _, body: b"headwater_test 7.0" in body)
    await until(lambda: origin.viewers.get("a") == 1)
    assert origin.processes.statistics().delivery[0].requests["media 2xx"] == 1


async def test_closing_lets_a_running_response_finish(origin: Origin) -> None:
    body = bytes(16_000_000)
    origin.put("/a/v/4.m4s", body)
    await origin.until("/a/v/4.m4s", lambda status, _: status == 200)
    port = origin.listening.getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET /a/v/4.m4s HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    closing = asyncio.create_task(origin.processes.close())
    assert await reader.readexactly(len(body)) == body
    await closing
    writer.close()
