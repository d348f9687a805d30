"""One watched path in the WebRTC process."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from segmenter.media import VIDEO_TIMESCALE, Sample
from streaming.rtc.viewed_path import ViewedPath
from tests.webrtc.clips import video_clip
from webrtc.fanout import Fanout


@pytest.fixture
def fanout() -> Iterator[Fanout]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        opened = Fanout([own.fileno()], 0)
        yield opened
        opened.close()


def test_a_bitrate_is_that_of_the_media_however_fast_they_come(fanout: Fanout) -> None:
    """A path that begins to be watched gets the group of pictures in progress at once."""
    clip = video_clip()
    path = ViewedPath("live/foo", fanout)
    path.set_tracks([clip.track])
    size = sum(sample.size_bytes for sample in clip.samples)
    for turn in range(4):
        for sample in clip.samples:
            at = sample.dts + turn * clip.duration
            path.write(Sample(sample.track, at, at, sample.data, sample.is_sync))
    assert path.measure()
    (rendition,) = path.renditions
    seconds = clip.duration / VIDEO_TIMESCALE
    assert rendition.bitrate == pytest.approx(size * 8 / seconds, rel=0.1)
    path.close()
