"""FFmpeg's own whip muxer publishes; in front of signalling the smallest HTTP that will do."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest

from segmenter.media import Codec
from tests.webrtc.ffmpeg_publisher import HEIGHT, WIDTH
from tests.webrtc.peer_room import PeerRoom, peer_room
from tests.webrtc.test_whip_loopback import decode_h264, samples_of, tracks_of

pytestmark = pytest.mark.skipif(
    "whip" not in av.formats_available, reason="this FFmpeg has no whip muxer"
)


@contextlib.asynccontextmanager
async def whip_endpoint(room: PeerRoom) -> AsyncIterator[str]:
    """POST is answered by signalling, DELETE by 200."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
        }
        if head.startswith("POST"):
            offer = (await reader.readexactly(int(fields["content-length"]))).decode()
            answer = room.signalling.publish("live/ffmpeg", offer, "127.0.0.1")
            status = "201 Created\r\nContent-Type: application/sdp\r\nLocation: /session"
            body = answer.sdp
        else:
            status, body = "200 OK", ""
        reply = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write((reply + body).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/whip"
    finally:
        server.close()
        await server.wait_closed()


async def test_ffmpeg_publishes_picture_and_sound(tmp_path: Path) -> None:
    async with peer_room() as room, whip_endpoint(room) as url:
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.webrtc.ffmpeg_publisher", url, str(tmp_path)
        )
        try:
            await room.wait_for(
                lambda: len(samples_of(room, "source")) >= 45 or program.returncode is not None,
                seconds=30,
            )
        finally:
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            await program.wait()
        video, audio = tracks_of(room)
        assert (video.codec, video.width, video.height) == (Codec.H264, WIDTH, HEIGHT)
        assert audio.codec is Codec.OPUS
        pictures = samples_of(room, "source")
        assert len(pictures) >= 45
        assert set(decode_h264(video, pictures)) == {(WIDTH, HEIGHT)}
