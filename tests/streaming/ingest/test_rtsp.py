"""Pulling from a camera by RTSP."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from segmenter.media import Codec
from streaming.config_paths import PathConfig
from streaming.errors import RemoteError
from streaming.ingest import demux as demuxing
from streaming.ingest.pull import PullSource
from streaming.ingest.url_source import read_url
from tests.streaming.ingest.pull_fakes import FakeDoor
from tests.streaming.ingest.rtsp_camera import rtsp_camera
from tests.streaming.ingest.test_demux import CLIPS, demux
from tests.streaming.ingest.test_url_source import FakeOrigin

pytestmark = pytest.mark.slow

CLIP = CLIPS / "two-second-gop.mp4"


async def test_a_camera_is_published_as_it_is_and_as_it_comes() -> None:
    async with rtsp_camera(CLIP) as camera:
        door = FakeDoor()
        source = PullSource("cam", PathConfig(source=camera.url), door, door)
        source.open()
        await door.wait_until(lambda: len(door.samples()) > 150)
        await source.close()
    (published,) = door.publications
    assert [track.codec for track in published.tracks] == [Codec.H264, Codec.AAC]
    assert (published.tracks[0].width, published.tracks[0].height) == (320, 180)
    _, expected = demux(CLIP)
    for track in published.tracks:
        ours = [s for s in published.samples if s.track == track.name]
        theirs = [bytes(s.data) for s in expected if s.track == track.name]
        first = theirs.index(bytes(ours[0].data))
        assert [bytes(s.data) for s in ours] == (theirs + theirs)[first : first + len(ours)]
        assert all(0 < b.dts - a.dts < 4000 for a, b in pairwise(ours))
    assert camera.asked.count("SETUP") == 2, "by TCP, once for each track"


async def test_a_camera_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection stays, so that nothing else tells that it has gone."""
    monkeypatch.setattr(demuxing, "READ_TIMEOUT_S", 0.5)
    async with rtsp_camera(CLIP, silent_after=240) as camera:
        origin = FakeOrigin()
        with pytest.raises(RemoteError, match=camera.url):
            async with asyncio.timeout(20):
                await asyncio.to_thread(read_url, camera.url, origin.outlet, loop=False)
    assert len(origin.samples) > 200
