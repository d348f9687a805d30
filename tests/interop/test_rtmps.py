"""Programs that publish by RTMPS, with verification off as they have it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from segmenter.media import Codec
from streaming.tls import Certificate
from tests.interop.edge_room import write_certificate
from tests.interop.rtmp_room import CLIPS, Room, read_clip, rtmp_room
from tests.interop.test_rtmp_publishers import assert_same, codecs

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]
CLIP = "b-frames.flv"


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    write_certificate(tmp_path)
    files = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    async with rtmp_room(tls=Certificate(*files, protocols=()).context) as room:
        yield room


def assert_whole(room: Room) -> None:
    assert codecs(room) == {"source": Codec.H264, "audio": Codec.AAC}
    assert_same(room.samples("source"), read_clip(CLIP, "video"))
    assert_same(room.samples("audio"), read_clip(CLIP, "audio"))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is missing: apt install ffmpeg")
async def test_ffmpeg_by_rtmps(room: Room) -> None:
    ended = await room.run(
        "ffmpeg", "-v", "error", "-i", str(CLIPS / CLIP), "-c", "copy",
        "-flvflags", "no_duration_filesize", "-tls_verify", "0", "-f", "flv", room.tls_url(),
    )  # fmt: skip
    assert ended.status == 0, ended.said
    await room.wait_closed()
    assert_whole(room)


async def test_pyav_by_rtmps(room: Room) -> None:
    program = "tests.interop.push_with_pyav"
    ended = await room.run(sys.executable, "-m", program, str(CLIPS / CLIP), room.tls_url())
    assert ended.status == 0, ended.said
    await room.wait_closed()
    assert_whole(room)
