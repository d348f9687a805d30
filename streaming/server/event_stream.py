"""The event log as Server-Sent Events (WHATWG HTML 9.2)."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp.web import BaseRequest, StreamResponse

from streaming.events.event import RESET, EventId, LoggedEvent
from streaming.events.event_filter import EventFilter
from streaming.server.followers import Followers
from streaming.server.growing import hold
from streaming.server.unsent import MOST_UNSENT_BYTES, bound_buffers, unsent_bytes

RETRY_MS: Final = 2_000
"""When a browser connects again by itself; ours (static/events.js) has a back-off of its own."""
HELLO: Final = f"retry: {RETRY_MS}\n: hello\n\n".encode()

HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # nginx would keep events until it has some kilobytes
}


class EventStream(StreamResponse):
    """200 with events as they happen, until the client or the process has gone.

    A client that takes nothing is told nothing more until it does, and cut by the listener's
    sweeper in the end; what waits for it meanwhile is bounded (streaming/server/unsent.py).

    Every event carries its id. A heartbeat is a comment, and an id without an event, so that a
    browser that is told nothing for long does not come back with an id that is forgotten.
    """

    def __init__(
        self, followers: Followers, after: str | None, wanted: EventFilter, heartbeat_s: float
    ) -> None:
        super().__init__(status=200, headers=HEADERS)
        self._followers = followers
        self._after = after
        self._wanted = wanted
        self._heartbeat_s = heartbeat_s

    async def follow(self, request: BaseRequest) -> int:
        """Sends all of it; gives how many bytes that were."""
        await self.prepare(request)
        if request.method == "HEAD":
            return 0
        await self.write(HELLO)
        following = self._followers.open(self._after, self._wanted, self._heartbeat_s)
        is_chunked = self.headers.get("Transfer-Encoding") == "chunked"
        sink = StreamSink(request.transport, is_chunked=is_chunked)
        try:
            async with hold(request):
                following.tell_by(sink)
                await following.wait_over()
        finally:
            self._followers.close(following)
        await self.write_eof()
        return len(HELLO) + sink.sent_bytes


class StreamSink:
    """One client's connection, written to past aiohttp: the same bytes go to all."""

    def __init__(self, transport: asyncio.Transport | None, *, is_chunked: bool) -> None:
        """Without chunks the end of the connection is that of the answer (HTTP/1.0)."""
        self.key: Final = ("sse", is_chunked)
        self.sent_bytes = 0
        self._is_chunked = is_chunked
        self._transport = transport
        bound_buffers(transport)

    @property
    def is_behind(self) -> bool:
        """Whether it has not taken what it was told before."""
        return unsent_bytes(self._transport) > MOST_UNSENT_BYTES

    def render(self, told: list[LoggedEvent]) -> bytes:
        """All of them, in one chunk."""
        return self._chunk(b"".join(map(render_sse, told)))

    def render_heartbeat(self, position: EventId) -> bytes:
        """A comment, and an id alone."""
        return self._chunk(f": heartbeat\nid: {position}\n\n".encode())

    def write(self, data: bytes) -> None:
        """Sends it, now or when the client takes it."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            self.sent_bytes += len(data)

    def _chunk(self, block: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(block), block) if self._is_chunked else block


def render_sse(entry: LoggedEvent) -> bytes:
    """One event; all but resets are plain messages, so that a browser needs one listener."""
    kind = b"event: reset\n" if entry.event.type == RESET else b""
    return b"%sid: %s\ndata: %s\n\n" % (kind, str(entry.id).encode(), entry.body)
