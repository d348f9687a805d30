"""A viewer without a screen: joins a WHEP endpoint, decodes what comes, and measures it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from streaming.ingest.test_time_code import read_luma_time_code
from streaming.whip_client import end, offer

FREEZE_EXTRA_S = 0.15
"""A frame that comes later than three mean distances, or one and this, is a freeze (W3C
webrtc-stats, freezeCount)."""


@dataclass(frozen=True, slots=True)
class PlayReport:
    """What a viewer saw; times in seconds, rates in bits per second."""

    seconds: float
    first_picture_s: float | None
    """From asking for the session until the first decoded picture; None: there was none."""
    width: int
    height: int
    frames: int
    sound_s: float
    """Sound decoded."""
    bitrate: int
    packets: int
    lost: int
    freezes: int
    frozen_s: float
    latency_p50_s: float | None
    """By the time code of the test source; None where the picture has none."""
    latency_p95_s: float | None


@dataclass(slots=True)
class _Seen:
    """What has been decoded so far."""

    began: float
    first_picture_s: float | None = None
    width: int = 0
    height: int = 0
    frame_times: list[float] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    sound_s: float = 0.0


async def play_whep(url: str, seconds: float, key: str = "") -> PlayReport:
    """Views for so long. Raises RemoteError when the endpoint refuses or nothing connects."""
    peer = RTCPeerConnection()
    seen = _Seen(time.monotonic())
    tasks: list[asyncio.Task[None]] = []
    for kind in ("video", "audio"):
        peer.addTransceiver(kind, direction="recvonly")

    @peer.on("track")
    def begin(track: MediaStreamTrack) -> None:
        follow = _watch if track.kind == "video" else _listen
        tasks.append(asyncio.get_running_loop().create_task(follow(track, seen)))

    session = ""
    try:
        await peer.setLocalDescription(await peer.createOffer())
        answer, session = await offer(url, peer.localDescription.sdp, key)
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.sleep(seconds)
        return await _report(peer, seen, seconds)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if session:
            await end(session, key)
        await peer.close()


async def _watch(track: MediaStreamTrack, seen: _Seen) -> None:
    with contextlib.suppress(MediaStreamError):
        while True:
            frame: Any = await track.recv()
            now = time.monotonic()
            if seen.first_picture_s is None:
                seen.first_picture_s = now - seen.began
            seen.frame_times.append(now)
            seen.width, seen.height = frame.width, frame.height
            plane = frame.planes[0]
            at = read_luma_time_code(bytes(plane), plane.line_size, frame.width, frame.height)
            if at is not None:
                seen.latencies_s.append(time.time() - at)


async def _listen(track: MediaStreamTrack, seen: _Seen) -> None:
    with contextlib.suppress(MediaStreamError):
        while True:
            frame: Any = await track.recv()
            seen.sound_s += frame.samples / frame.sample_rate


async def _report(peer: RTCPeerConnection, seen: _Seen, seconds: float) -> PlayReport:
    received_bytes = packets = lost = 0
    for receiver in peer.getReceivers():
        for one in (await _stats(receiver)).values():
            if one.type == "inbound-rtp":
                packets += one.packetsReceived
                lost += one.packetsLost
            elif one.type == "transport":
                received_bytes = one.bytesReceived  # one transport carries both
    freezes = freeze_durations_s(seen.frame_times, time.monotonic())
    latencies = sorted(seen.latencies_s)
    return PlayReport(
        seconds=seconds,
        first_picture_s=seen.first_picture_s,
        width=seen.width,
        height=seen.height,
        frames=len(seen.frame_times),
        sound_s=seen.sound_s,
        bitrate=round(received_bytes * 8 / seconds),
        packets=packets,
        lost=lost,
        freezes=len(freezes),
        frozen_s=sum(freezes),
        latency_p50_s=statistics.median(latencies) if latencies else None,
        latency_p95_s=latencies[int(0.95 * (len(latencies) - 1))] if latencies else None,
    )


async def _stats(receiver: RTCRtpReceiver) -> Mapping[str, Any]:
    stats: Mapping[str, Any] = await receiver.getStats()
    return stats


def freeze_durations_s(frame_times: list[float], until: float | None = None) -> list[float]:
    """How long each freeze was, of a picture whose frames were shown at these times; with
    ``until`` also whether it has stood still to the end."""
    gaps = [after - before for before, after in itertools.pairwise(frame_times)]
    if not gaps:
        return []
    mean = sum(gaps) / len(gaps)
    if until is not None:
        gaps.append(until - frame_times[-1])
    return [gap for gap in gaps if gap >= max(3 * mean, mean + FREEZE_EXTRA_S)]
