"""A camera that speaks RTSP (RFC 2326) over TCP: one clip, again and again, in real time.

    async with rtsp_camera(CLIPS / "two-second-gop.mp4") as camera:
        ... camera.url ...

Media travel interleaved (10.12): H.264 by RFC 6184, AAC by RFC 3640. Whoever asks for something
else, such as UDP, is refused.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from segmenter.codecs.h264 import parse_decoder_configuration
from segmenter.media import MediaType, Sample, Track
from tests.streaming.ingest.test_demux import demux
from webrtc.rtp.h264 import H264Packetizer

VIDEO_TYPE, AUDIO_TYPE = 96, 97
TICKS = 90_000
"""Of a second, of demuxed samples."""


class Camera:
    """Plays `clip` to everybody who asks; with `silent_after` its media stop after so many samples
    of the first pass, and its connection stays."""

    def __init__(self, clip: Path, silent_after: int | None = None) -> None:
        (self.tracks, *_), self._samples = demux(clip)
        self._silent_after = silent_after
        self.asked: list[str] = []
        """Methods, in order."""
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        playing: asyncio.Task[None] | None = None
        try:
            while request := await _read_request(reader):
                method = request[0].split()[0]
                self.asked.append(method)
                writer.write(self._answer(method, request))
                if method == "PLAY":
                    playing = asyncio.create_task(self._play(writer))
        except ConnectionError:
            pass
        finally:
            if playing is not None:
                playing.cancel()
            writer.close()

    def _answer(self, method: str, request: Sequence[str]) -> bytes:
        fields = dict(line.split(": ", 1) for line in request[1:] if ": " in line)
        head = ["RTSP/1.0 200 OK", f"CSeq: {fields.get('CSeq', '0')}", "Session: 1"]
        body = ""
        if method == "OPTIONS":
            head.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif method == "DESCRIBE":
            body = self._describe()
            head += [f"Content-Base: {self.url}/", "Content-Type: application/sdp"]
            head.append(f"Content-Length: {len(body)}")
        elif method == "SETUP" and "interleaved" in fields.get("Transport", ""):
            head.append(f"Transport: {fields['Transport']}")
        elif method == "SETUP":
            head[0] = "RTSP/1.0 461 Unsupported Transport"
        return ("\r\n".join(head) + "\r\n\r\n" + body).encode()

    def _describe(self) -> str:
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "t=0 0"]
        for index, track in enumerate(self.tracks):
            lines += _describe_track(track)
            lines.append(f"a=control:track{index}")
        return "\r\n".join(lines) + "\r\n"

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        began, first = loop.time(), self._samples[0].dts
        senders = [_Sender(track, 2 * n) for n, track in enumerate(self.tracks)]
        by_name = {track.name: one for track, one in zip(self.tracks, senders, strict=True)}
        for count, (sample, shift) in enumerate(self._passes()):
            if count == self._silent_after:
                await asyncio.Event().wait()
            due = began + (sample.dts + shift - first) / TICKS
            if due > loop.time():
                await writer.drain()
                await asyncio.sleep(due - loop.time())
            writer.write(by_name[sample.track].packets(sample, shift))

    def _passes(self) -> Iterator[tuple[Sample, int]]:
        samples = sorted(self._samples, key=lambda sample: sample.dts)
        length = max(s.dts for s in samples) - samples[0].dts + 3000
        return ((s, again * length) for again in itertools.count() for s in samples)


class _Sender:
    """Samples of one track as interleaved RTP packets."""

    def __init__(self, track: Track, channel: int) -> None:
        self._track = track
        self._channel = channel
        self._is_video = track.media_type is MediaType.VIDEO
        self._packetizer = H264Packetizer(track) if self._is_video else None
        self._number = itertools.count(1)

    def packets(self, sample: Sample, shift: int) -> bytes:
        pts = sample.pts + shift
        if self._packetizer is not None:
            kind, time, payloads = VIDEO_TYPE, pts, self._packetizer.push(sample)
        else:
            kind, time = AUDIO_TYPE, pts * self._track.sample_rate // TICKS
            payloads = [struct.pack(">HH", 16, len(sample.data) << 3) + bytes(sample.data)]
        return b"".join(
            self._frame(kind | (0x80 if payload is payloads[-1] else 0), time, payload)
            for payload in payloads
        )

    def _frame(self, kind: int, time: int, payload: bytes) -> bytes:
        number = next(self._number) & 0xFFFF
        head = struct.pack(">BBHII", 0x80, kind, number, time & 0xFFFFFFFF, self._channel + 1)
        return struct.pack(">cBH", b"$", self._channel, len(head + payload)) + head + payload


def _describe_track(track: Track) -> list[str]:
    if track.media_type is MediaType.VIDEO:
        config = parse_decoder_configuration(track.codec_config)
        sets = ",".join(base64.b64encode(nal).decode() for nal in (*config.sps, *config.pps))
        form = f"packetization-mode=1;sprop-parameter-sets={sets}"
        return [f"m=video 0 RTP/AVP {VIDEO_TYPE}", f"a=rtpmap:{VIDEO_TYPE} H264/90000",
                f"a=fmtp:{VIDEO_TYPE} {form}"]  # fmt: skip
    form = "mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config="
    rate = f"mpeg4-generic/{track.sample_rate}/{track.channels}"
    return [f"m=audio 0 RTP/AVP {AUDIO_TYPE}", f"a=rtpmap:{AUDIO_TYPE} {rate}",
            f"a=fmtp:{AUDIO_TYPE} {form}{track.codec_config.hex()}"]  # fmt: skip


async def _read_request(reader: asyncio.StreamReader) -> list[str]:
    """The lines of a request; reports that a player sends in between are passed over."""
    while (first := await reader.read(1)) == b"$":
        head = await reader.readexactly(3)
        await reader.readexactly(int.from_bytes(head[1:], "big"))
    if not first:
        return []
    try:
        return (first + await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    except asyncio.IncompleteReadError:
        return []


@contextlib.asynccontextmanager
async def rtsp_camera(clip: Path, silent_after: int | None = None) -> AsyncIterator[Camera]:
    """A camera on a free port of loopback."""
    camera = Camera(clip, silent_after)
    server = await asyncio.start_server(camera.serve, "127.0.0.1", 0)
    camera.url = f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/cam"
    async with server:
        yield camera
