"""`headwater push` against our own RTMP server, over loopback."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from segmenter.media import Codec
from streaming.config import RtmpConfig
from streaming.errors import ConfigError, RemoteError
from streaming.ingest.rtmp.server import RtmpServer
from streaming.push import push
from streaming.push_progress import PushListener, PushProgress
from streaming.push_rtmp import PushRefused
from tests.streaming.ingest.pull_fakes import FakeDoor
from tests.streaming.ingest.test_demux import CLIPS, demux, make_clip


@pytest.fixture
async def door() -> FakeDoor:
    return FakeDoor()


@pytest.fixture
async def address(door: FakeDoor) -> AsyncIterator[str]:
    server = RtmpServer(RtmpConfig(listen="127.0.0.1:0"), door)
    await server.start()
    yield f"rtmp://127.0.0.1:{server.port}/live"
    await server.close()


@pytest.mark.parametrize(
    ("clip", "codecs"),
    [
        ("two-second-gop.mp4", [Codec.H264, Codec.AAC]),
        ("b-frames.mp4", [Codec.H264, Codec.AAC]),
        ("hevc.mp4", [Codec.H265, Codec.AAC]),
        ("av1.mp4", [Codec.AV1, Codec.AAC]),
        ("vp9.mp4", [Codec.VP9, Codec.OPUS]),
        ("video-only.mp4", [Codec.H264]),
        ("audio-only.mp4", [Codec.AAC]),
    ],
)
async def test_a_clip_is_copied_sample_by_sample(
    door: FakeDoor, address: str, clip: str, codecs: list[Codec]
) -> None:
    await asyncio.to_thread(push, str(CLIPS / clip), f"{address}/foo", realtime=False)
    await door.wait_until(lambda: bool(door.publications and door.publications[0].closed))
    (published,) = door.publications
    assert door.requests[0].path == "live/foo"
    assert [t.codec for t in published.tracks] == codecs
    _, expected = demux(CLIPS / clip)
    for track in published.tracks:
        ours = [s for s in published.samples if s.track == track.name]
        theirs = [s for s in expected if s.track == track.name]
        assert [s.data for s in ours] == [s.data for s in theirs]
        assert [s.is_sync for s in ours] == [s.is_sync for s in theirs]
        assert [(s.pts - s.dts) for s in ours] == pytest.approx(
            [(s.pts - s.dts) // 90 for s in theirs], abs=1
        )


async def test_other_codecs_are_encoded_on_the_way(
    door: FakeDoor, address: str, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", "libvpx", "libmp3lame", seconds=1)
    await asyncio.to_thread(push, str(clip), f"{address}/foo", realtime=False)
    await door.wait_until(lambda: bool(door.publications and door.publications[0].closed))
    assert [t.codec for t in door.publications[0].tracks] == [Codec.H264, Codec.AAC]
    assert len([s for s in door.samples() if s.track == "source"]) == 25


async def test_progress_is_told_and_returned(door: FakeDoor, address: str) -> None:
    told: list[PushProgress] = []

    def stop_after_three(progress: PushProgress) -> None:
        told.append(progress)
        if len(told) == 3:
            raise KeyboardInterrupt

    def run() -> str:
        try:
            push(
                "test:?width=160&height=90",
                f"{address}/foo",
                listener=PushListener(progress=stop_after_three),
            )
        except KeyboardInterrupt:
            return "interrupted"
        return "ended"

    assert await asyncio.to_thread(run) == "interrupted"
    assert all(a.bytes_sent < b.bytes_sent for a, b in itertools.pairwise(told))
    assert 0.5 < told[-1].media_s + told[-1].lag_s < 3, "sent, or known to be late"
    assert told[-1].bitrate > 10_000
    await door.wait_until(lambda: bool(door.publications[0].closed))
    assert [t.codec for t in door.publications[0].tracks] == [Codec.H264, Codec.AAC]


async def test_another_size_in_the_middle_is_announced_in_order(
    door: FakeDoor, address: str
) -> None:
    await asyncio.to_thread(push, str(CLIPS / "size-change.flv"), f"{address}/foo", realtime=False)
    await door.wait_until(lambda: bool(door.publications and door.publications[0].closed))
    (published,) = door.publications
    widths = [tracks[0].width for tracks in published.announced]
    assert widths == [320, 480]


async def test_a_looped_clip_goes_on_rising(door: FakeDoor, address: str) -> None:
    def stop_at_some_time(progress: PushProgress) -> None:
        if len(door.samples()) > 1_000:
            raise KeyboardInterrupt

    def run() -> None:
        with pytest.raises(KeyboardInterrupt):
            push(
                str(CLIPS / "two-second-gop.mp4"),
                f"{address}/foo",
                loop=True,
                realtime=False,
                listener=PushListener(progress=stop_at_some_time),
            )

    await asyncio.to_thread(run)
    await door.wait_until(lambda: bool(door.publications[0].closed))
    stamps = [s.dts for s in door.samples() if s.track == "source"]
    assert len(stamps) > 360
    assert {b - a for a, b in itertools.pairwise(stamps)} <= {33, 34}


async def test_the_servers_reason_for_a_refusal_is_told(door: FakeDoor, address: str) -> None:
    door.refusal = "the publish key is wrong"
    with pytest.raises(PushRefused, match="the publish key is wrong") as caught:
        await asyncio.to_thread(push, str(CLIPS / "video-only.mp4"), f"{address}/foo?key=hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_refused_connection_is_told() -> None:
    with pytest.raises(RemoteError, match="Connection refused"):
        push(str(CLIPS / "video-only.mp4"), "rtmp://127.0.0.1:1/live/foo")


def test_a_missing_source_is_told() -> None:
    with pytest.raises(RemoteError, match="No such file"):
        push("nowhere.mp4", "rtmp://127.0.0.1:1/live/foo")


def test_a_push_goes_to_rtmp_or_whip_only() -> None:
    with pytest.raises(ConfigError, match="rtmp://"):
        push(str(CLIPS / "video-only.mp4"), "srt://127.0.0.1:1/live/foo")


def test_a_whip_server_that_is_not_there_is_named() -> None:
    with pytest.raises(RemoteError, match=r"http://127\.0\.0\.1:1/live/foo/whip"):
        push(str(CLIPS / "video-only.mp4"), "http://127.0.0.1:1/live/foo/whip")
