"""A browser that views by WHEP with `static/webrtc.js` alone, and what it measured.

async with a_viewer(browser, origin.url("/live/one/whep")) as viewer:
    before = await viewer.seen()
    await asyncio.sleep(10)
    (await viewer.seen()).since(before).frozen_s
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

from playwright.async_api import Browser, Page

_OPEN: Final = """async ([endpoint, options]) => {
  const { view } = await import("/static/webrtc.js");
  window.failures = [];
  options.on = { failed: (reason) => window.failures.push(reason) };
  window.viewer = await view(endpoint, options);
  const video = document.createElement("video");
  Object.assign(video, { muted: true, autoplay: true, playsInline: true });
  video.srcObject = window.viewer.stream;
  document.body.append(video);
}"""

_SEEN: Final = """async (asks) => {
  const reports = [...(await window.viewer.peer.getStats()).values()];
  const video = reports.find((one) => one.type === "inbound-rtp" && one.kind === "video") ?? {};
  const audio = reports.find((one) => one.type === "inbound-rtp" && one.kind === "audio") ?? {};
  const transport = reports.find((one) => one.type === "transport") ?? {};
  const pair = reports.find((one) => one.id === transport.selectedCandidatePairId) ?? {};
  const local = reports.find((one) => one.id === pair.localCandidateId) ?? {};
  const layers = asks ? await window.viewer.layers() : null;
  return {
    frames: video.framesDecoded ?? 0,
    dropped: video.framesDropped ?? 0,
    height: video.frameHeight ?? 0,
    freezes: video.freezeCount ?? 0,
    frozen_s: video.totalFreezesDuration ?? 0,
    packets: video.packetsReceived ?? 0,
    lost: video.packetsLost ?? 0,
    nacks: video.nackCount ?? 0,
    plis: video.pliCount ?? 0,
    resent: video.retransmittedPacketsReceived ?? 0,
    key_frames: video.keyFramesDecoded ?? 0,
    concealed: audio.concealedSamples ?? 0,
    samples: audio.totalSamplesReceived ?? 0,
    protocol: local.protocol ?? "",
    candidate: local.candidateType ?? "",
    active: layers?.active ?? "",
    state: window.viewer.peer.connectionState,
    failures: window.failures,
  };
}"""


@dataclass(frozen=True)
class Seen:
    """`getStats` of the viewer, in short; counters are since its beginning."""

    at: float
    frames: int
    dropped: int
    height: int
    freezes: int
    frozen_s: float
    packets: int
    lost: int
    nacks: int
    plis: int
    resent: int
    key_frames: int
    concealed: int
    samples: int
    protocol: str
    candidate: str
    """Of the local one in use: host, prflx, relay."""
    active: str
    """The rendition that the server says it sends."""
    state: str
    failures: list[dict[str, Any]]

    def since(self, before: Seen) -> Seen:
        """The same with counters from `before` on, and `at` as seconds."""
        fields = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            is_counter = isinstance(value, int | float) and field.name != "height"
            fields[field.name] = value - getattr(before, field.name) if is_counter else value
        return Seen(**fields)


class BrowserViewer:
    """Made by `a_viewer`."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def seen(self, *, asks: bool = True) -> Seen:
        """What it measured so far; the server is asked for `active`, through the network."""
        seen = await self.page.evaluate(_SEEN, asks)
        return Seen(at=time.monotonic(), **seen)

    async def watch(self, seconds: float) -> Seen:
        """What it measures in so many seconds."""
        before = await self.seen()
        await asyncio.sleep(seconds)
        return (await self.seen()).since(before)

    async def wait(
        self,
        accepts: Callable[[Seen], bool],
        what: str,
        within_s: float = 15.0,
        *,
        asks: bool = True,
    ) -> Seen:
        """Until it is so."""
        deadline = time.monotonic() + within_s
        while True:
            seen = await self.seen(asks=asks)
            if accepts(seen):
                return seen
            assert time.monotonic() < deadline, f"waited {within_s} s for {what}: {seen}"
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def a_viewer(
    browser: Browser, endpoint: str, *, within_s: float = 15.0, **options: Any
) -> AsyncIterator[BrowserViewer]:
    """A page that views; `options` are those of `view` in static/webrtc.js."""
    context = await browser.new_context()
    try:
        page = await context.new_page()
        host = urllib.parse.urlsplit(endpoint)
        await page.goto(f"{host.scheme}://{host.netloc}/static/webrtc.js")
        await page.evaluate(_OPEN, [endpoint, json.loads(json.dumps(options))])
        viewer = BrowserViewer(page)
        try:
            await viewer.wait(lambda seen: seen.frames > 0, "a picture", within_s)
            yield viewer
        finally:  # or the server goes on sending for half a minute, to whoever comes next
            await page.evaluate("window.viewer.close()")
    finally:
        await context.close()
