"""The event log as Server-Sent Events (WHATWG HTML 9.2)."""

from __future__ import annotations

from typing import Final

from aiohttp.web import BaseRequest, StreamResponse

from streaming.events.event import RESET, LoggedEvent
from streaming.events.event_filter import EventFilter
from streaming.server.followers import Followers
from streaming.server.growing import hold

RETRY_MS: Final = 2_000
"""When a browser connects again by itself; ours (static/events.js) has a back-off of its own."""

HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # nginx would keep events until it has some kilobytes
}


class EventStream(StreamResponse):
    """200 with events as they happen, until the client or the process has gone.

    A client that takes nothing is waited for, and cut by the listener's sweeper in the end; what
    waits for it meanwhile is what its socket and aiohttp's writer hold, 128 KiB and one batch.

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
        following = self._followers.open(self._after, self._wanted, self._heartbeat_s)
        sent_bytes = await self._send(f"retry: {RETRY_MS}\n: hello\n\n".encode())
        try:
            async with hold(request):
                while not following.is_over:
                    told = await following.wait()
                    if not told and following.is_over:
                        break
                    if told:
                        block = b"".join(map(render_sse, told))
                    else:
                        block = f": heartbeat\nid: {following.position}\n\n".encode()
                    sent_bytes += await self._send(block)
        finally:
            self._followers.close(following)
        await self.write_eof()
        return sent_bytes

    async def _send(self, block: bytes) -> int:
        await self.write(block)
        return len(block)


def render_sse(entry: LoggedEvent) -> bytes:
    """One event; all but resets are plain messages, so that a browser needs one listener."""
    kind = b"event: reset\n" if entry.event.type == RESET else b""
    return b"%sid: %s\ndata: %s\n\n" % (kind, str(entry.id).encode(), entry.body)
