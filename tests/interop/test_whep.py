"""Viewing by WebRTC: a whole origin, real publishers, and viewers of other makes.

Chromium's part is in test_whep_browser.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from streaming.errors import RemoteError
from streaming.play import PlayReport, play_whep
from streaming.whip_client import end, offer
from tests.interop.origin_process import OriginProcess, origin_process
from tests.webrtc.offers import offer as recorded_offer

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CHROMIUM = recorded_offer("chromium-whep")
CONFIG = """
[paths."demo"]
source = "test:?width=640&height=360"
ladder = "copy"
[paths."live/*"]
ladder = "copy"
"""
NEEDS_FFMPEG = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg program")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        running.wait_segments("demo", "source", 1)
        yield running


async def view(origin: OriginProcess, path: str, seconds: float = 4.0) -> PlayReport:
    return await play_whep(origin.url(f"/{path}/whep"), seconds)


@contextlib.asynccontextmanager
async def whep_session(origin: OriginProcess, path: str) -> AsyncIterator[str]:
    """A session of which nothing but its URL is used."""
    _, session = await offer(origin.url(f"/{path}/whep"), CHROMIUM, "")
    try:
        yield urlsplit(session).path
    finally:
        await end(session, "")


async def test_an_aiortc_viewer_sees_and_hears_the_built_in_source(origin: OriginProcess) -> None:
    report = await view(origin, "demo")
    assert (report.width, report.height) == (640, 360)
    assert report.frames >= 30
    assert report.sound_s >= 1.0
    assert report.lost == 0
    assert report.latency_p50_s is not None


async def test_what_is_not_live_is_refused_with_409(origin: OriginProcess) -> None:
    with pytest.raises(RemoteError, match="409: live/nobody is not live"):
        await view(origin, "live/nobody")


async def test_a_session_that_is_deleted_is_gone(origin: OriginProcess) -> None:
    await view(origin, "demo", 0.5)
    origin.wait_log(r"viewer \w+ left \(closed by the client\)")


B_FRAMES = "-bf 2 -x264-params b-adapt=0"
TEN_BITS = "-bf 0 -pix_fmt yuv422p10le"


def push_odd(url: str, options: str) -> subprocess.Popen[bytes]:
    inputs = "-re -f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine=sample_rate=44100"
    codecs = f"-c:v libx264 -g 50 -preset ultrafast {options} -c:a aac"
    command = f"ffmpeg -v error {inputs} {codecs} -f flv {url}"
    return subprocess.Popen(command.split(), stdin=subprocess.DEVNULL)


@NEEDS_FFMPEG
@pytest.mark.parametrize("options", [B_FRAMES, TEN_BITS], ids=["b-frames", "ten bits"])
async def test_what_browsers_do_not_decode_is_made_fit_for_viewers(
    origin: OriginProcess, options: str
) -> None:
    path = "live/b" if options is B_FRAMES else "live/ten"
    push = push_odd(origin.rtmp_url(path), options)
    try:
        await asyncio.to_thread(origin.wait_segments, path, "source", 1)
        async with whep_session(origin, path) as session:
            layers = json.loads(origin.get(f"{session}/layer"))
            assert [one["encodingId"] for one in layers["choices"]] == ["webrtc"]
            report = await view(origin, path, 6.0)
    finally:
        push.kill()
        push.wait()
    assert (report.width, report.height) == (320, 180)
    assert report.frames >= 50  # with its B-frames a browser would show one frame a second
    assert report.sound_s >= 2.0


def test_endpoints_of_webrtc_are_in_the_api_and_the_metrics(origin: OriginProcess) -> None:
    record = origin.path_record("demo")
    assert record is not None
    assert record["urls"]["whep"] == "/demo/whep"
    assert b"headwater_webrtc_viewers" in origin.get("/metrics")


@pytest.mark.parametrize(
    "offer",
    [
        b"v=0\r\n",
        b"not sdp at all",
        b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=text 9 UDP/TLS/RTP/SAVPF 96\r\n",
        b"a=" + b"x" * 60_000,
        b"",
    ],
)
def test_odd_offers_cost_a_4xx(origin: OriginProcess, offer: bytes) -> None:
    request = Request(
        origin.url("/demo/whep"), offer, {"Content-Type": "application/sdp"}, method="POST"
    )
    with pytest.raises(Exception, match="HTTP Error 4"):
        urlopen(request, timeout=10)
    assert origin.get("/healthz")
