"""A server between players and an origin that sends of one answer the beginning and then nothing.

    async with cutting_server(origin.http_port) as server:
        server.cut_next(re.compile(r"/source/\\d+\\.\\d+\\.m4s"))
        ...
        await server.wait_cut()

The rest it passes on as it comes, so that requests which the origin holds are held.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import ClientSession, ClientTimeout, web

HOP_FIELDS: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "host"})
"""Those of one connection alone (RFC 9110 7.6.1)."""
CUT_S: Final = 15.0
"""Until a player has asked for something that is to be cut, on a busy machine."""


class CuttingServer:
    """Passes requests on to an origin; made by `cutting_server`."""

    def __init__(self, session: ClientSession, origin_port: int) -> None:
        self.port = 0
        self._session = session
        self._origin = f"http://127.0.0.1:{origin_port}"
        self._cut: re.Pattern[str] | None = None
        self._cut_done = asyncio.Event()
        self._closing = asyncio.Event()

    def url(self, path: str) -> str:
        """`path` on this server, absolute."""
        return f"http://127.0.0.1:{self.port}{path}"

    def cut_next(self, pattern: re.Pattern[str]) -> None:
        """The next answer to a path that `pattern` is found in ends in its middle."""
        self._cut = pattern
        self._cut_done.clear()

    async def wait_cut(self) -> None:
        """Waits until somebody has got the beginning of an answer."""
        await asyncio.wait_for(self._cut_done.wait(), CUT_S)

    def close(self) -> None:
        """Lets go of who still waits."""
        self._closing.set()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The server's handler."""
        fields = {k: v for k, v in request.headers.items() if k.lower() not in HOP_FIELDS}
        async with self._session.request(
            request.method, self._origin + request.raw_path, headers=fields, data=request.content
        ) as told:
            fields = {k: v for k, v in told.headers.items() if k.lower() not in HOP_FIELDS}
            response = web.StreamResponse(status=told.status, headers=fields)
            await response.prepare(request)
            if self._cut is not None and self._cut.search(request.path) and told.status == 200:
                self._cut = None
                body = await told.read()
                await response.write(body[: len(body) // 2])
                self._cut_done.set()
                await self._closing.wait()
                return response
            async for chunk in told.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


@contextlib.asynccontextmanager
async def cutting_server(origin_port: int) -> AsyncIterator[CuttingServer]:
    """A CuttingServer on a free port of loopback."""
    async with ClientSession(auto_decompress=False, timeout=ClientTimeout(total=None)) as session:
        server = CuttingServer(session, origin_port)
        runner = web.ServerRunner(web.Server(server.answer), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.port = runner.addresses[0][1]
        try:
            yield server
        finally:
            server.close()
            await runner.cleanup()
