"""An origin whose every answer a test decides, and that counts what it is asked.

async with fake_origin() as origin:
    origin.on("/live/foo/720p/41.m4s", answers(b"media", "public, max-age=60"))
    ...
    assert origin.targets == ["/live/foo/720p/41.m4s"]
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from aiohttp import web

PROMPT_S: Final = 5.0
"""Longer than anything takes that need not wait, on a busy machine."""

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class FakeOrigin:
    """Answers as the test says and remembers what it was asked; made by `fake_origin`."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """Method, target and header fields (names in lower case) of each request, in order."""
        self._answers: dict[str, Answer] = {}
        self._asked = asyncio.Condition()

    def on(self, target: str, answer: Answer) -> None:
        """Requests of `target`, query included, get `answer`; all others get 404."""
        self._answers[target] = answer

    @property
    def targets(self) -> list[str]:
        """What was asked for, in order."""
        return [target for _, target, _ in self.requests]

    async def wait_asked(self, target: str, count: int = 1) -> None:
        """Waits until `target` was asked for so often."""
        async with self._asked, asyncio.timeout(PROMPT_S):
            await self._asked.wait_for(lambda: self.targets.count(target) >= count)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The server's handler."""
        fields = {name.lower(): value for name, value in request.headers.items()}
        target = request.raw_path
        self.requests.append((request.method, target, fields))
        async with self._asked:
            self._asked.notify_all()
        if target in self._answers:
            return await self._answers[target](request)
        return web.Response(status=404, headers={"Cache-Control": "no-store"}, text="never\n")


@contextlib.asynccontextmanager
async def fake_origin(port: int = 0) -> AsyncIterator[FakeOrigin]:
    """A FakeOrigin listening on loopback; 0 is any free port."""
    origin = FakeOrigin()
    runner = web.ServerRunner(web.Server(origin.answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
    await site.start()
    origin.port = runner.addresses[0][1]
    try:
        yield origin
    finally:
        await runner.cleanup()


def answers(
    body: bytes, cache_control: str = "no-store", status: int = 200, **fields: str
) -> Answer:
    """The same response to everyone; `fields` are further header fields (_ for -)."""
    headers = {"Cache-Control": cache_control, "Accept-Ranges": "bytes", "ETag": '"1"'}
    headers |= {name.replace("_", "-"): value for name, value in fields.items()}

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=headers)

    return answer


def held(until: asyncio.Event, then: Answer) -> Answer:
    """`then`, but not before `until`: a blocked reload."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await until.wait()
        return await then(request)

    return answer


def growing(chunks: asyncio.Queue[bytes], cache_control: str) -> Answer:
    """A body that is sent chunk by chunk as they come; the empty one ends it."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Cache-Control": cache_control})
        response.enable_chunked_encoding()
        await response.prepare(request)
        while chunk := await chunks.get():
            await response.write(chunk)
        await response.write_eof()
        return response

    return answer


async def next_chunk(chunks: AsyncIterator[bytes]) -> bytes:
    """The next piece of a body, which must come promptly."""
    return await asyncio.wait_for(anext(chunks), PROMPT_S)
