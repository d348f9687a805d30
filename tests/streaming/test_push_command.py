"""The command `headwater push`: what people and programs see of it, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from streaming.config import RtmpConfig
from streaming.ingest.rtmp.server import RtmpServer
from tests.streaming.ingest.pull_fakes import FakeDoor
from tests.streaming.ingest.test_demux import CLIPS

pytestmark = pytest.mark.slow

CLIP = str(CLIPS / "two-second-gop.mp4")
MAIN = (sys.executable, "-c", "from streaming.__main__ import main; main()")
END_S = 30.0
NOBODY = "rtmp://127.0.0.1:1/live/foo"


@pytest.fixture
def door() -> FakeDoor:
    return FakeDoor()


@pytest.fixture
async def target(door: FakeDoor) -> AsyncIterator[str]:
    server = RtmpServer(RtmpConfig(listen="127.0.0.1:0"), door)
    await server.start()
    yield f"rtmp://127.0.0.1:{server.port}/live/foo"
    await server.close()


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


async def start(*arguments: str, err: int = asyncio.subprocess.PIPE) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *MAIN, "push", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=err,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )  # fmt: skip


async def ended(process: asyncio.subprocess.Process) -> Done:
    async with asyncio.timeout(END_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), (err or b"").decode())


async def run(*arguments: str) -> Done:
    return await ended(await start(*arguments))


async def test_the_end_of_the_source_is_status_0_and_its_sum_is_told(target: str) -> None:
    done = await run(CLIP, target, "--fast")
    assert (done.status, done.out) == (0, "")
    assert "video: h264, 320x180, 30 frames/s" in done.err
    assert "audio: aac, 48000 Hz, 2 channels" in done.err
    assert "ended: 00:06.0" in done.err
    assert "180 frames" in done.err


async def test_programs_get_an_object_a_line(target: str) -> None:
    done = await run(CLIP, target, "--fast", "--json")
    assert (done.status, done.err) == (0, "")
    first, *_, last = done.events
    assert first["event"] == "tracks"
    assert [track["codec"] for track in first["tracks"]] == ["h264", "aac"]
    assert (last["event"], last["frames"]) == ("ended", 180)
    assert last["media_s"] == pytest.approx(6.0, abs=0.1)


async def test_so_many_seconds_are_pushed_at_the_pace_of_the_clock(
    door: FakeDoor, target: str
) -> None:
    loop = asyncio.get_running_loop()
    process = await start(CLIP, target, "--loop", "--seconds", "1.5")
    await door.wait_until(lambda: bool(door.samples()))
    began = loop.time()
    assert (await ended(process)).status == 0
    assert loop.time() - began > 1.0
    assert 40 <= len([s for s in door.samples() if s.track == "source"]) <= 50


async def test_people_see_a_bar_that_moves(target: str) -> None:
    screen, terminal = pty.openpty()
    process = await start(CLIP, target, "--seconds", "1.5", err=terminal)
    os.close(terminal)
    shown = await asyncio.to_thread(read_screen, screen)
    assert (await ended(process)).status == 0
    assert "connecting" in shown
    assert "━" in shown
    assert " Mb/s" in shown
    assert "00:01." in shown


def read_screen(screen: int) -> str:
    """All that was shown until the last program left the terminal."""
    shown = b""
    with os.fdopen(screen, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
        while block := terminal.read(65_536):
            shown += block
    return shown.decode()


async def test_a_server_that_is_not_there_is_status_1() -> None:
    done = await run(CLIP, NOBODY)
    assert done.status == 1
    assert "Connection refused" in done.err


async def test_a_source_that_is_not_there_is_status_1() -> None:
    done = await run("nowhere.mp4", NOBODY, "--json")
    assert done.status == 1
    assert done.events == [{"event": "failed", "reason": "nowhere.mp4: No such file or directory"}]


@pytest.mark.parametrize(
    ("source", "target"), [(CLIP, "srt://127.0.0.1:1/live/foo"), ("gopher://a/b", NOBODY)]
)
async def test_what_cannot_be_is_status_2(source: str, target: str) -> None:
    done = await run(source, target)
    assert done.status == 2
    assert "error:" in done.err


async def test_a_refusal_is_status_3_and_the_servers_words(door: FakeDoor, target: str) -> None:
    door.refusal = "wrong or missing publish key for live/foo"
    for options in ((), ("--json",)):
        done = await run(CLIP, f"{target}?key=hunter2", *options)
        assert done.status == 3
        assert "wrong or missing publish key for live/foo" in done.out + done.err
        assert "hunter2" not in done.out + done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "TERM"])
async def test_an_interruption_is_status_130_and_the_servers_path_is_left(
    door: FakeDoor, target: str, number: signal.Signals
) -> None:
    process = await start(CLIP, target, "--loop")
    await door.wait_until(lambda: len(door.samples()) > 60)
    process.send_signal(number)
    done = await ended(process)
    assert done.status == 130
    assert "interrupted: 00:0" in done.err
    await door.wait_until(lambda: bool(door.publications[0].closed))


async def test_who_reconnects_goes_on_after_the_connection_was_lost(
    door: FakeDoor, target: str
) -> None:
    process = await start(CLIP, target, "--loop", "--reconnect", "--json")
    await door.wait_until(lambda: len(door.samples()) > 10)
    door.publishers[0].close("NetConnection.Connect.Closed", "the server restarts")
    await door.wait_until(lambda: len(door.samples(1)) > 10)
    process.terminate()
    done = await ended(process)
    (note,) = (event["text"] for event in done.events if event["event"] == "note")
    assert "the server restarts" in note
    assert done.events[-1]["reconnects"] == 1
    assert door.publications[1].samples[0].is_sync
