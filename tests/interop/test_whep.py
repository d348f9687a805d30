"""Viewing by WebRTC: a whole origin, real publishers, and viewers of other makes.

Chromium's part is in test_whep_browser.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
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


NO_DIRECTION = CHROMIUM.replace("a=recvonly\r\n", "")
TEXT = "m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=rtpmap:98 t140/1000\r\na=mid:9\r\n"
WRONG_FINGERPRINT = re.sub(r"(a=fingerprint:sha-256) \S+", r"\1 AA:BB", CHROMIUM)
ODD = {
    "no media": "v=0\r\n",
    "no SDP": "not sdp at all",
    "nothing": "",
    "text alone": CHROMIUM[: CHROMIUM.index("m=")] + TEXT,
    "wrong fingerprint": WRONG_FINGERPRINT,
    "a long line": "a=" + "x" * 60_000,
    "a megabyte of attributes": CHROMIUM + "a=x:y\r\n" * 150_000,
}
STRANGE = {"no direction": NO_DIRECTION, "text besides": CHROMIUM + TEXT}


def status_of(url: str, offer_sdp: str) -> int:
    """What an offer is answered with; 0 where the connection was cut meanwhile."""
    fields = {"Content-Type": "application/sdp"}
    try:
        with urlopen(Request(url, offer_sdp.encode(), fields), timeout=10) as response:
            return int(response.status)
    except HTTPError as error:
        return error.code


@pytest.mark.parametrize("kind", ["whep", "whip"])
def test_odd_offers_cost_a_4xx(origin: OriginProcess, kind: str) -> None:
    peers = origin.child("streaming.rtc.process")
    for name, text in ODD.items():
        assert 400 <= status_of(origin.url(f"/demo/{kind}"), text) < 500, name
    assert origin.child("streaming.rtc.process") == peers


def test_strange_offers_are_answered_like_others(origin: OriginProcess) -> None:
    peers = origin.child("streaming.rtc.process")
    for name, text in STRANGE.items():
        assert status_of(origin.url("/demo/whep"), text) == 201, name
    assert origin.child("streaming.rtc.process") == peers
    assert "Traceback" not in origin.log()


@pytest.mark.long
@pytest.mark.timeout(400)
def test_ten_thousand_offers_without_ice_leave_nothing_behind(origin: OriginProcess) -> None:
    """Of one address five hundred may wait at once; others are told to come again."""
    peers = origin.child("streaming.rtc.process")

    def used() -> tuple[int, int]:
        pages = int(Path(f"/proc/{peers}/statm").read_text().split()[1])
        return pages * resource.getpagesize(), len(os.listdir(f"/proc/{peers}/fd"))

    def flood(count: int) -> Counter[int]:
        with ThreadPoolExecutor(8) as clients:
            url = origin.url("/demo/whep")
            return Counter(clients.map(lambda _: status_of(url, CHROMIUM), range(count)))

    def wait_sessions(*, some: bool) -> None:
        def found() -> bool | None:
            return (b"_webrtc_viewers 0.0" not in origin.get("/metrics")) is some or None

        origin.wait(found, "sessions" if some else "no sessions", 50.0)

    def wait_forgotten() -> None:
        wait_sessions(some=True)  # the metrics may be older than they
        wait_sessions(some=False)

    flood(1_500)
    wait_forgotten()
    before = used()
    answers = flood(10_000)
    wait_forgotten()
    after = used()
    print(dict(answers), [(now - then) / 1e3 for now, then in zip(after, before, strict=True)])
    assert set(answers) == {201, 503}
    assert after[0] - before[0] < 8e6, "bytes"
    assert after[1] <= before[1], "sockets"
    assert origin.child("streaming.rtc.process") == peers
