"""Lips move with the sound from one Chromium to another: WHIP in, WHEP out.

The publishing page's camera shows the time and its microphone beeps each second of UTC
(bench/glass/web/camera.js); the viewing page reads the one and hears the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, Page

from bench.glass.viewing import WEB, own_page, watch
from tests.interop.browser import camera_page
from tests.interop.browser_viewer import a_viewer
from tests.interop.origin_process import OriginProcess, origin_process
from tests.interop.whip_paths import CONFIG

pytestmark = [pytest.mark.slow, pytest.mark.flaky(reruns=2)]

LIPS_S = 0.02
BUSY_LIPS_S = 0.045
"""A browser that publishes where others want the processor stamps its own sound up to 26 ms late,
and alone 0 to 5, seldom 12. Sound that is early by more than 45 ms is noticed (ITU-R BT.1359)."""
BEEPS = 5
LISTEN_MS = 20_000
WATCH_S = 45.0

OBSERVE = """async () => {
  const { mediaTime, playing } = await import("/static/rtp_clock.js");
  const video = document.querySelector("video");
  const { clocks } = await viewer.layers();
  const [glass, ears] = [new Glass(video), new Ears(video)];
  window.ears = ears;
  window.pictures = []; // how much later than its code says each is by its timestamp
  window.sounds = []; // [Date.now(), the same of sound and when it is handed on]
  let read = 0;
  const see = (_now, { rtpTimestamp }) => {
    const { ages } = glass.record(); // of the same picture, where it was read
    if (ages.length > read) {
      const [at, age] = ages.at(-1);
      pictures.push(mediaTime(clocks.video, rtpTimestamp, at) - (at - age));
      read = ages.length;
    }
    video.requestVideoFrameCallback(see);
  };
  video.requestVideoFrameCallback(see);
  const receiver = viewer.peer.getReceivers().find(({ track }) => track.kind === "audio");
  setInterval(() => {
    const played = playing(receiver);
    const at = Date.now();
    if (!played) return;
    const media = mediaTime(clocks.audio, played.timestamp, at);
    sounds.push([at, media - (played.at + performance.timeOrigin)]);
  }, 40);
}"""

BEEPS_BY_TIMESTAMP = """async () => {
  const { beeps } = await ears.record();
  const ahead = (at) => sounds.toSorted((a, b) => Math.abs(a[0] - at) - Math.abs(b[0] - at))[0][1];
  return beeps.map(([at, age]) => ahead(at) + age);
}"""

KEEP_SOUND = """
const target = Object.getOwnPropertyDescriptor(RTCRtpReceiver.prototype, "jitterBufferTarget");
const least = ({ track }) => (track.kind === "audio" ? 90 : 0);
const keep = (receiver, ms) => target.set.call(receiver, ms + least(receiver) || null);
Object.defineProperty(RTCRtpReceiver.prototype, "jitterBufferTarget", {
  get: target.get,
  set(ms) { keep(this, ms ?? 0); },
});
const Peer = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Peer {
  constructor(...settings) {
    super(...settings);
    this.addEventListener("track", ({ receiver }) => keep(receiver, 0));
  }
};
"""
"""Chromium keeps 90 ms of sound at least, as it may do by itself when a session begins unevenly."""

HEARD = "(count) => ears.beeps >= count && pictures.length >= count"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OriginProcess]:
    with origin_process(tmp_path_factory.mktemp("origin"), CONFIG) as running:
        yield running


@contextlib.asynccontextmanager
async def publishing(browser: Browser, origin: OriginProcess, path: str) -> AsyncIterator[None]:
    """A page that publishes the time code and the beeps, live."""
    async with camera_page(browser, origin.url(f"/{path}/publish")) as page:
        await page.add_init_script(path=WEB / "camera.js")
        await page.reload()
        await page.click("#camera")
        await page.click("#go:enabled")
        await page.wait_for_selector('#state[data-state="live"]', timeout=20_000)
        await asyncio.to_thread(origin.wait_segments, path, "source", 1, 30.0)
        yield


async def observe(page: Page) -> None:
    for name in ("glass.js", "ears.js"):
        await page.evaluate(f"() => {{ {(WEB / name).read_text()} }}")
    await page.evaluate(OBSERVE)


async def test_timestamps_put_what_a_browser_publishes_together(
    origin: OriginProcess, browser: Browser
) -> None:
    path = "live/lips"
    async with (
        publishing(browser, origin, path),
        a_viewer(browser, origin.url(f"/{path}/whep")) as viewer,
    ):
        await observe(viewer.page)
        await viewer.page.wait_for_function(HEARD, arg=BEEPS, timeout=LISTEN_MS, polling=500)
        sounds = await viewer.page.evaluate(BEEPS_BY_TIMESTAMP)
        pictures = await viewer.page.evaluate("pictures")
    lag_s = (statistics.median(sounds) - statistics.median(pictures)) / 1000
    assert abs(lag_s) <= BUSY_LIPS_S, (sounds, pictures[-20:])


@pytest.mark.long
@pytest.mark.parametrize("script", ["", KEEP_SOUND], ids=["as it comes", "kept for long"])
async def test_who_watches_the_page_sees_lips_move_with_the_sound(
    origin: OriginProcess, browser: Browser, script: str
) -> None:
    """From the camera to the screen and the loudspeaker, as far as the browser tells of them; also
    where it keeps more of the sound than it has to."""
    path = "live/mouth"
    async with publishing(browser, origin, path):
        page = own_page(origin.url("").rstrip("/"), path, "engine=webrtc")
        report = await watch(browser, page, WATCH_S, script)
    assert report.sound_p50_s is not None, report
    assert abs(report.sound_p50_s) <= LIPS_S, report
    assert report.freezes == 0, report
