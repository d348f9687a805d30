"""OBS Studio, which most people publish with, against a whole origin."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import av
import pytest

from tests.interop.obs import COLOUR, HEIGHT, PACKAGES, WIDTH, obs_lacks, obs_streaming
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.tcp_tap import tcp_tap

missing = obs_lacks()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.flaky(reruns=2),
    pytest.mark.skipif(bool(missing), reason=f"{missing} is missing: apt install {PACKAGES}"),
]

CONFIG = """
[paths."live/*"]
publish_key = "s3cret"
segment_duration_s = 1
ladder = "copy"
"""
COLOUR_ERROR = 12
"""Of 255, for the way through limited-range YUV and x264."""


def assert_shows_the_scene(origin: OriginProcess) -> None:
    media = origin.wait_media("live/foo", "source", 3)
    with av.open(io.BytesIO(media)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) > 60
    assert (frames[-1].width, frames[-1].height) == (WIDTH, HEIGHT)
    shown = frames[-1].to_ndarray(format="rgb24").mean(axis=(0, 1))
    assert shown == pytest.approx(COLOUR, abs=COLOUR_ERROR)


def test_obs_goes_live_is_played_and_says_good_bye(tmp_path: Path) -> None:
    with origin_process(tmp_path, CONFIG) as origin, tcp_tap(origin.rtmp_port) as tap:
        server = f"rtmp://127.0.0.1:{tap.port}/live"
        with obs_streaming(tmp_path, server=server, key="foo?key=s3cret") as obs:
            obs.wait_log("Streaming Start")
            origin.wait_path("live/foo", "live")
            assert_shows_the_scene(origin)
            sound = origin.wait_media("live/foo", "audio", 3)
            with av.open(io.BytesIO(sound)) as container:
                assert sum(frame.samples for frame in container.decode(audio=0)) > 90_000
            obs.stop()
            ended = origin.wait_log(r"live → reconnecting \((.*)\)")[1]
    assert b"releaseStream" in tap.said
    assert b"FCPublish" in tap.said
    assert ended.endswith("the publisher sent FCUnpublish")
    assert "Traceback" not in origin.log()


def test_obs_shows_why_a_stream_key_is_refused(tmp_path: Path) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        server = f"rtmp://127.0.0.1:{origin.rtmp_port}/live"
        with obs_streaming(tmp_path, server=server, key="foo?key=guessed") as obs:
            obs.wait_log(r"BadName \(wrong or missing publish key for live/foo\)")
            obs.wait_log("Streaming Stop")
        assert origin.fetch("/live/foo/index.m3u8")[0] == 404
        assert "guessed" not in origin.log()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg program is absent")
def test_obs_is_let_go_when_another_publisher_takes_over(tmp_path: Path) -> None:
    with origin_process(tmp_path, CONFIG) as origin:
        server = f"rtmp://127.0.0.1:{origin.rtmp_port}/live"
        with obs_streaming(tmp_path, server=server, key="foo?key=s3cret") as obs:
            origin.wait_path("live/foo", "live")
            clip = Path(__file__).parents[2] / "media-samples" / "two-second-gop.flv"
            other = subprocess.Popen(
                ["ffmpeg", "-v", "error", "-re", "-i", clip, "-c", "copy", "-f", "flv",
                 origin.rtmp_url("live/foo?key=s3cret")],
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
            obs.wait_log("Disconnected from")
            obs.wait_log("Streaming Stop")
            assert other.poll() is None
            other.terminate()
            other.wait()
        assert "another publisher took over live/foo" in origin.log()
