"""A segment that is sent while it grows: low-latency DASH's chunked transfer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp.web import BaseRequest, StreamResponse

from streaming.live_requests import Growing, LiveRequests, Pending
from streaming.resource import MEDIA_MAX_AGE_S
from streaming.server.connection import Connection
from streaming.waiting_room import Outcome


async def wait_for(
    live: LiveRequests, request: BaseRequest, pending: Pending, deadline: float
) -> Outcome:
    """Lets `request` wait in the waiting room; cancelled, it leaves. LATE where that is full."""
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def release(outcome: Outcome) -> None:
        if not future.done():
            future.set_result(outcome)

    ticket = live.wait(pending, deadline, release)
    if ticket is None:
        return Outcome.LATE
    try:
        async with hold(request):
            return await future
    finally:
        ticket.leave()


@contextlib.asynccontextmanager
async def hold(request: BaseRequest) -> AsyncIterator[None]:
    """While `request` waits a client that closes its side has gone."""
    connection = request.protocol
    assert isinstance(connection, Connection)
    connection.is_waiting = True
    try:
        yield
    finally:
        connection.is_waiting = False


class GrowingResponse(StreamResponse):
    """200 with the parts of a segment in progress, each as it becomes complete.

    A client that follows and a client that comes later get the same bytes. Should the segment end
    in another way than by being finished, the connection is cut, so that nobody takes it for whole.
    """

    def __init__(self, growing: Growing) -> None:
        headers = {
            "Content-Type": growing.rendition.content_type,
            "Cache-Control": f"public, max-age={MEDIA_MAX_AGE_S}, immutable",
        }
        super().__init__(status=200, headers=headers)
        self._growing = growing

    async def follow(self, request: BaseRequest, live: LiveRequests) -> int:
        """Sends it all; gives how many bytes that were."""
        growing, segment = self._growing, self._growing.segment
        self.enable_chunked_encoding()
        await self.prepare(request)
        loop = asyncio.get_running_loop()
        sent = sent_bytes = 0
        while True:
            while sent < len(segment.parts):
                body = growing.part(sent)
                if body is None:
                    return self._cut(request, sent_bytes)
                await self.write(body)
                sent += 1
                sent_bytes += len(body)
            if segment.is_complete:
                await self.write_eof()
                return sent_bytes
            pending = growing.next_part(sent)
            outcome = await wait_for(live, request, pending, loop.time() + pending.patience_s)
            grew = len(segment.parts) > sent or segment.is_complete
            if outcome is not Outcome.DUE or segment is not growing.current or not grew:
                return self._cut(request, sent_bytes)

    def _cut(self, request: BaseRequest, sent_bytes: int) -> int:
        self.force_close()
        if request.transport is not None:
            request.transport.abort()
        return sent_bytes
