"""A real browser as viewer and as publisher, without HTTP: the page gives offers, takes answers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser

from segmenter.media import Codec
from tests.webrtc.clips import audio_clip, video_clip
from tests.webrtc.peer_room import STREAM, peer_room
from tests.webrtc.test_whip_loopback import decode_h264, samples_of, tracks_of
from webrtc.events import SessionConnected

pytestmark = pytest.mark.slow

VIEW = """async () => {
  const peer = window.peer = new RTCPeerConnection()
  window.video = document.createElement('video')
  video.muted = true; video.autoplay = true; video.playsInline = true
  document.body.append(video)
  const stream = new MediaStream()
  peer.ontrack = event => { stream.addTrack(event.track); video.srcObject = stream }
  peer.addTransceiver('video', {direction: 'recvonly'})
  peer.addTransceiver('audio', {direction: 'recvonly'})
  await peer.setLocalDescription(await peer.createOffer())
  return peer.localDescription.sdp
}"""

PUBLISH = """async (encodings) => {
  const peer = window.peer = new RTCPeerConnection()
  const canvas = document.createElement('canvas')
  canvas.width = 640; canvas.height = 360
  const pen = canvas.getContext('2d')
  let count = 0
  setInterval(() => {
    pen.fillStyle = `hsl(${count++ * 7 % 360} 80% 50%)`; pen.fillRect(0, 0, 640, 360)
    pen.fillStyle = 'black'; pen.fillRect(count * 11 % 600, 100, 40, 40)
  }, 33)
  const picture = canvas.captureStream(30).getVideoTracks()[0]
  const audio = new AudioContext()
  const tone = audio.createOscillator(), out = audio.createMediaStreamDestination()
  tone.connect(out); tone.start()
  peer.addTransceiver(out.stream.getAudioTracks()[0], {direction: 'sendonly'})
  peer.addTransceiver(picture, {direction: 'sendonly', sendEncodings: encodings})
  await peer.setLocalDescription(await peer.createOffer())
  return peer.localDescription.sdp
}"""

ACCEPT = "sdp => peer.setRemoteDescription({type: 'answer', sdp})"

STATISTICS = """async kind => {
  for (const report of (await peer.getStats()).values())
    if (report.type === kind.type && report.kind === kind.kind) return report
}"""


@contextlib.asynccontextmanager
async def a_page(browser: Browser) -> AsyncIterator[Any]:
    page = await browser.new_page()
    try:
        yield page
    finally:
        await page.close()


async def statistics(page: Any, type_: str, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(STATISTICS, {"type": type_, "kind": kind})
    return found


async def test_chromium_views_and_follows_our_order_of_ciphers(browser: Browser) -> None:
    async with peer_room() as room, a_page(browser) as page:
        room.broadcast([video_clip(width=320), audio_clip()])
        answer = room.signalling.subscribe(STREAM, await page.evaluate(VIEW), "127.0.0.1")
        await page.evaluate(ACCEPT, answer.sdp)
        await page.wait_for_function("video.currentTime > 1", timeout=15_000)
        assert SessionConnected(answer.session_id, STREAM) in room.events
        video = await statistics(page, "inbound-rtp", "video")
        assert video["framesDecoded"] > 20
        assert (video["frameWidth"], video["frameHeight"]) == (320, 180)
        assert (await statistics(page, "inbound-rtp", "audio"))["packetsReceived"] > 20
        await page.evaluate("peer.close()")
        await room.wait_for(lambda: len(room.signalling) == 0)


@pytest.mark.parametrize("layers", [1, 3])
async def test_chromium_publishes(browser: Browser, layers: int) -> None:
    encodings = [{"rid": "h"}, {"rid": "m", "scaleResolutionDownBy": 2}] if layers > 1 else [{}]
    async with peer_room() as room, a_page(browser) as page:
        offer = await page.evaluate(PUBLISH, encodings)
        answer = room.signalling.publish("live/whip", offer, "127.0.0.1", max_layers=layers)
        await page.evaluate(ACCEPT, answer.sdp)
        await room.wait_for(lambda: len(samples_of(room, "source")) >= 60, seconds=20)
        video, *_, audio = tracks_of(room)
        assert (video.codec, audio.codec) == (Codec.H264, Codec.OPUS)
        assert set(decode_h264(video, samples_of(room, "source"))) == {(video.width, video.height)}
        if layers > 1:
            await room.wait_for(lambda: len(samples_of(room, "source_2")) >= 30, seconds=20)
        for _ in range(3):  # where one comes of itself in that moment, it is not asked for
            before = sum(sample.is_sync for sample in samples_of(room, "source"))
            room.signalling.want_key_frame(answer.session_id)
            await room.wait_for(
                lambda count=before: sum(s.is_sync for s in samples_of(room, "source")) > count
            )
            sent = await statistics(page, "outbound-rtp", "video")
            if sent["pliCount"]:
                break
        assert sent["pliCount"] >= 1
        assert sent["nackCount"] == 0
        remote = await statistics(page, "remote-inbound-rtp", "video")
        assert remote["packetsLost"] == 0
        assert remote["roundTripTime"] < 0.5
