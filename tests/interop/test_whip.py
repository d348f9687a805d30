"""Publishing by WebRTC: a whole origin, publishers of several makes, viewers of every protocol."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import av
import pytest
import pytest_asyncio
from aiortc import RTCSessionDescription
from playwright.async_api import Browser, Page

from streaming.errors import RemoteError
from streaming.play import play_whep
from streaming.whip_client import end, offer
from tests.interop.browser import camera_page, chromium, player_page
from tests.interop.lip_sync import sound_lag_s
from tests.interop.origin_process import OriginProcess, origin_process
from tests.webrtc.test_whip_loopback import WhipClient
from tests.webrtc.viewer import on_loopback

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

CONFIG = """
[paths."live/*"]
ladder = "copy"
[paths."small/*"]
ladder = [{ name = "source", copy = true }, { name = "240p", height = 240, bitrate_kbps = 200 }]
[paths."locked/*"]
ladder = "copy"
publish_key = "s3cret"
"""
SOURCE = "test:?width=320&height=180&bitrate_kbps=400"
MOST_SKEW_S = 0.02
CAMERA = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium(CAMERA) as running:
        yield running


@contextlib.contextmanager
def pushing(target: str) -> Iterator[subprocess.Popen[bytes]]:
    """`headwater push` of the test source."""
    script = "from streaming.cli import main; main()"
    push = subprocess.Popen(
        [sys.executable, "-c", script, "push", SOURCE, target],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield push
    finally:
        push.kill()
        push.communicate()


async def test_what_headwater_pushes_by_whip_plays_as_hls_and_whep(origin: OriginProcess) -> None:
    with pushing(origin.url("/live/a/whip")):
        await asyncio.to_thread(origin.wait_segments, "live/a", "source", 2)
        await asyncio.to_thread(origin.wait_segments, "live/a", "audio_aac", 1)
        report = await play_whep(origin.url("/live/a/whep"), 4.0)
    assert (report.width, report.height) == (320, 180)
    assert report.frames > 30
    assert report.sound_s > 1.0
    record = origin.path_record("live/a")
    assert record is not None
    assert record["publisher"] in ("whip", "")


async def test_lips_move_with_the_sound_of_a_whip_publisher(origin: OriginProcess) -> None:
    with pushing(origin.url("/live/sync/whip")):
        sound = await asyncio.to_thread(origin.wait_media, "live/sync", "audio_aac", 3)
        video = await asyncio.to_thread(origin.wait_media, "live/sync", "source", 2)
    assert abs(sound_lag_s(video, sound)) < MOST_SKEW_S


def test_a_wrong_key_is_refused_with_the_reason(origin: OriginProcess) -> None:
    with pushing(origin.url("/locked/a/whip")) as push:
        _, said = push.communicate(timeout=30)
    assert push.returncode == 3
    assert b"publish key" in said


async def test_the_key_in_the_url_is_taken(origin: OriginProcess) -> None:
    with pushing(origin.url("/locked/b/whip?key=s3cret")):
        await asyncio.to_thread(origin.wait_segments, "locked/b", "source", 1)


async def publish_by_click(page: Page, *, simulcast: bool = False) -> None:
    """From the publish page, until it says that it is live."""
    await page.select_option("#size", "360")
    await page.set_checked("#simulcast", simulcast)
    await page.click("#camera")
    await page.wait_for_selector("#go:not([disabled])")
    await page.click("#go")
    await page.wait_for_selector('#state[data-state="live"]', timeout=20_000)


async def test_a_browser_publishes_its_camera_and_another_watches(
    origin: OriginProcess, browser: Browser
) -> None:
    async with camera_page(browser, origin.url("/live/cam/publish")) as page:
        await publish_by_click(page)
        await asyncio.to_thread(origin.wait_segments, "live/cam", "source", 2, 30.0)
        async with player_page(browser, origin.url("/live/cam/?engine=webrtc")) as player:
            await player.wait_state("playing")
            await player.wait_pictures(45)
        await page.click("#go")  # now it says Stop
        await page.wait_for_selector('#state[data-state="idle"]')
        await asyncio.to_thread(origin.wait_path, "live/cam", "away")


async def answer_to(sdp: str, target: str) -> tuple[str, str]:
    """The answer and the session, once WebRTC has started."""
    for _ in range(50):
        try:
            return await offer(target, sdp, "")
        except RemoteError as error:
            if error.http_status != 503:
                raise
        await asyncio.sleep(0.2)
    raise TimeoutError(target)


@contextlib.asynccontextmanager
async def sending_vp8(target: str) -> AsyncIterator[None]:
    """An aiortc client that offers VP8 alone publishes a still picture and silence."""
    client = WhipClient("VP8")
    with on_loopback():
        await client.connection.setLocalDescription(await client.connection.createOffer())
    session = ""
    try:
        sdp, session = await answer_to(client.connection.localDescription.sdp, target)
        await client.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        yield
    finally:
        if session:
            await end(session, "")
        await client.connection.close()


async def test_vp8_is_encoded_for_hls_and_passes_to_webrtc_viewers(origin: OriginProcess) -> None:
    async with sending_vp8(origin.url("/small/old/whip")):
        media = await asyncio.to_thread(origin.wait_media, "small/old", "240p", 2, 40.0)
        report = await play_whep(origin.url("/small/old/whep"), 3.0)
    assert (report.width, report.height) == (640, 480)
    assert report.frames > 30
    size, times = key_frames(media, Path(origin.log_file).with_name("vp8.mp4"))
    assert size == (320, 240)
    assert len(times) >= 2
    assert "source" not in origin.get("/small/old/index.m3u8").decode()


async def test_vp8_without_a_ladder_is_for_webrtc_viewers_and_the_record_says_why(
    origin: OriginProcess,
) -> None:
    async with sending_vp8(origin.url("/live/old/whip")):
        await asyncio.to_thread(origin.wait_segments, "live/old", "audio_aac", 1, 40.0)
        report = await play_whep(origin.url("/live/old/whep"), 3.0)
        record = origin.path_record("live/old")
    assert (report.width, report.height) == (640, 480)
    assert record is not None
    assert "VP8" in json.dumps(record)
    assert "publish H.264, or let a ladder encode it" in origin.log()
    assert "RESOLUTION" not in origin.get("/live/old/index.m3u8").decode()


def key_frames(media: bytes, file: Path) -> tuple[tuple[int, int], list[float]]:
    """The size of the pictures, and when those that anything can begin with are shown."""
    file.write_bytes(media)
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        times = [
            float(packet.pts * packet.time_base)
            for packet in container.demux(stream)
            if packet.is_keyframe and packet.pts is not None
        ]
        return (stream.width, stream.height), times


async def test_the_layers_of_a_simulcasting_browser_are_renditions(
    origin: OriginProcess, browser: Browser
) -> None:
    async with camera_page(browser, origin.url("/live/cast/publish")) as page:
        await publish_by_click(page, simulcast=True)
        found = {}
        for name in ("source", "source_2"):
            media = await asyncio.to_thread(origin.wait_media, "live/cast", name, 4, 40.0)
            file = Path(origin.log_file).with_name(f"{name}.mp4")
            found[name] = key_frames(media, file)
        assert [size for size, _ in found.values()] == [(640, 360), (320, 180)]
        (_, large), (_, small) = found.values()
        assert len(set(large) & set(small)) >= 3, "players can change between them"
        variants = origin.get("/live/cast/index.m3u8").decode()
        assert "RESOLUTION=640x360" in variants
        assert "RESOLUTION=320x180" in variants
        assert "EXT-X-INDEPENDENT-SEGMENTS" in variants
        for name in ("source", "source_2"):
            playlist = origin.get(f"/live/cast/{name}/index.m3u8").decode()
            assert "EXT-X-GAP" not in playlist
        for query in ("?engine=webrtc", ""):
            async with player_page(browser, origin.url(f"/live/cast/{query}")) as player:
                await player.wait_state("playing")
                await player.wait_pictures(30)


PUBLISH_LAYERS = """async (url) => {
  const { publish } = await import("/static/webrtc.js");
  const video = { width: 640, height: 360, frameRate: 30 };
  const stream = await navigator.mediaDevices.getUserMedia({ video, audio: true });
  window.session = await publish(url, stream, { simulcast: true });
}"""
SET_BEST = """async (active) => {
  const sender = session.peer.getSenders().find((one) => one.track.kind === "video");
  const parameters = sender.getParameters();
  parameters.encodings[0].active = active;
  await sender.setParameters(parameters);
}"""

PREFERS = """() => session.peer.getSenders().find((one) => one.track.kind === "video")
  .getParameters().degradationPreference"""


def wait_tracks(origin: OriginProcess, path: str, names: list[str]) -> None:
    """Until these are the pictures that come."""

    def found() -> bool | None:
        record = origin.path_record(path)
        assert record is not None
        assert record["state"] == "live"
        pictures = [t["name"] for t in record["tracks"] if t["name"].startswith("source")]
        return True if pictures == names else None

    origin._wait(found, f"pictures {names} of {path}", 20.0)


async def test_viewers_go_on_while_the_browser_stops_its_best_layer(
    origin: OriginProcess, browser: Browser
) -> None:
    path = "live/shy"
    async with camera_page(browser, origin.url(f"/{path}/publish")) as page:
        await page.evaluate(PUBLISH_LAYERS, origin.url(f"/{path}/whip"))
        assert await page.evaluate(PREFERS) == "maintain-resolution"
        await asyncio.to_thread(origin.wait_segments, path, "source", 2, 40.0)
        async with player_page(browser, origin.url(f"/{path}/?engine=webrtc")) as player:
            await player.wait_state("playing")
            await page.evaluate(SET_BEST, False)
            await asyncio.to_thread(wait_tracks, origin, path, ["source_2"])
            await player.wait_pictures(60)
            await page.evaluate(SET_BEST, True)
            await asyncio.to_thread(wait_tracks, origin, path, ["source", "source_2"])
            await player.wait_pictures(60)
        for name in ("source", "source_2"):
            playlist = origin.get(f"/{path}/{name}/index.m3u8").decode()
            assert "EXT-X-DISCONTINUITY\n" not in playlist
            assert ("EXT-X-GAP" in playlist) is (name == "source")


async def test_a_browser_that_may_not_publish_is_told_why(
    origin: OriginProcess, browser: Browser
) -> None:
    async with camera_page(browser, origin.url("/locked/cam/publish")) as page:
        await page.click("#camera")
        await page.wait_for_selector("#go:not([disabled])")
        await page.click("#go")
        await page.wait_for_selector('#state[data-state="failed"]', timeout=20_000)
        assert "key" in await page.inner_text("#state")
