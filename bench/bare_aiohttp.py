"""The peer of benchmark (g): aiohttp handlers that wait for a future, and nothing else.

    python -m bench.bare_aiohttp http_port control_port

No directives are judged, nothing is cached or counted, no field but the needed ones is sent.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

from bench.live_rendition import PART_BYTES, PARTS, Position, delta_text, obey


class Bare:
    """Owns those who wait for the next part."""

    def __init__(self) -> None:
        self.position = Position()
        self.position.advance()
        self._data = bytes(PART_BYTES)
        self._body = b""
        self._waiting: list[asyncio.Future[None]] = []

    def add_part(self) -> None:
        """One part more: everyone who waits goes on."""
        self.position.advance()
        self._body = delta_text(self.position.msn, self.position.parts)
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def playlist(self, request: web.Request) -> web.Response:
        """The next version of it."""
        await self._next()
        return web.Response(body=self._body, content_type="application/vnd.apple.mpegurl")

    async def segment(self, request: web.Request) -> web.StreamResponse:
        """The parts there are of the segment in progress, and those that come."""
        msn, sent = int(request.match_info["msn"]), 0
        response = web.StreamResponse(headers={"Content-Type": "video/mp4"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        while sent < PARTS:
            parts = self.position.parts if self.position.msn == msn else PARTS
            if sent == parts:
                await self._next()
            for _ in range(sent, parts):  # parts that come meanwhile are seen next time
                await response.write(self._data)
            sent = parts
        await response.write_eof()
        return response

    async def _next(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future


async def serve(http_port: int, control_port: int) -> None:
    """Until killed."""
    bare = Bare()
    app = web.Application()
    app.router.add_get("/bench/video/index.m3u8", bare.playlist)
    app.router.add_get(r"/bench/video/{msn:\d+}.m4s", bare.segment)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", http_port, backlog=4096).start()
    await obey(control_port, bare.position, bare.add_part)


def main() -> None:
    """Reads the command line."""
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
