"""A WHEP server of stock aiortc: the same media to each viewer, already encoded.

`python -m bench.aiortc_server <port> <FLV file>`: POST /whep is answered when ICE has gathered. The
clip's pictures go round in real time; sound is 50 packets a second of the size of 64 kb/s.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription

from bench.aiortc_senders import EncodedTrack
from bench.flv_file import read_messages
from bench.rtp_load import FRAME_RATE, SOUND_BYTES, TICKS_PER_FRAME, TICKS_PER_SOUND
from segmenter.codecs.h264 import parse_decoder_configuration
from segmenter.codecs.nal_units import split_length_prefixed
from segmenter.media import MediaType
from streaming.ingest.flv import FlvDemuxer, TracksReady

SOUND_RATE = 50
START_CODE = b"\0\0\0\1"


def pictures(file: Path) -> list[bytes]:
    """Access units with start codes, parameter sets before each key frame."""
    demuxer, units, head = FlvDemuxer(), [], b""
    for message in read_messages(file):
        for item in demuxer.push(message, 0.0):
            if isinstance(item, TracksReady):
                video = next(t for t in item.tracks if t.media_type is MediaType.VIDEO)
                config = parse_decoder_configuration(video.codec_config)
                head = _with_start_codes((*config.sps, *config.pps))
            elif item.track == "source":
                nals = split_length_prefixed(bytes(item.data))
                units.append((head if item.is_sync else b"") + _with_start_codes(nals))
    return units


def _with_start_codes(nals: Iterable[bytes | memoryview]) -> bytes:
    return b"".join(START_CODE + bytes(nal) for nal in nals)


class Broadcast:
    """Owns the viewers' tracks; feeds them by the clock."""

    def __init__(self, units: list[bytes]) -> None:
        self._units = units
        self._peers: set[RTCPeerConnection] = set()
        self._tracks: list[tuple[EncodedTrack, EncodedTrack]] = []

    async def answer(self, request: web.Request) -> web.Response:
        """201 with the answer."""
        peer = RTCPeerConnection()
        self._peers.add(peer)
        video, audio = EncodedTrack("video"), EncodedTrack("audio")
        await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        peer.addTrack(video)
        peer.addTrack(audio)
        await peer.setLocalDescription(await peer.createAnswer())

        @peer.on("connectionstatechange")
        def changed() -> None:
            if peer.connectionState == "connected":
                self._tracks.append((video, audio))

        headers = {"Location": "/whep/1"}
        sdp = peer.localDescription.sdp
        return web.Response(status=201, text=sdp, headers=headers, content_type="application/sdp")

    async def run(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        began, pictures_sent, sounds_sent = loop.time(), 0, 0
        while True:
            elapsed = loop.time() - began
            while sounds_sent < elapsed * SOUND_RATE:
                for _, audio in self._tracks:
                    audio.put(
                        bytes(SOUND_BYTES), sounds_sent * TICKS_PER_SOUND, Fraction(1, 48_000)
                    )
                sounds_sent += 1
            while pictures_sent < elapsed * FRAME_RATE:
                unit = self._units[pictures_sent % len(self._units)]
                for video, _ in self._tracks:
                    video.put(unit, pictures_sent * TICKS_PER_FRAME, Fraction(1, 90_000))
                pictures_sent += 1
            await asyncio.sleep(0.005)


async def serve(port: int, file: Path) -> None:
    """Until cancelled."""
    broadcast = Broadcast(pictures(file))
    app = web.Application()
    app.router.add_post("/whep", broadcast.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await broadcast.run()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
