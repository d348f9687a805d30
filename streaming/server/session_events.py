"""What happens to a viewer's session, as Server-Sent Events: WHEP's extension for them.

    POST   /<path>/whep/<session>/events   which events, a JSON list; 201, Location of their stream
    GET    the same, or that Location      text/event-stream, beginning with how things are; with
                                           `Last-Event-ID` with what has happened since that
    DELETE                                 the end of the stream

The current draft of WHEP names such an extension without specifying it; this is what its first
drafts specified (draft-murillo-whep-02 4.9.1) and clients speak. The stream ends with the session.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import quote

import msgspec
from aiohttp.web import BaseRequest, Response, StreamResponse

from streaming.rtc.signal_messages import SignalEvent
from streaming.server.answers import problem_response
from streaming.server.event_stream import HEADERS, HELLO
from streaming.server.growing import hold
from streaming.server.signal_relay import SignalRelay

LINK: Final = "urn:ietf:params:whep:ext:core:server-sent-events"
EVENTS: Final = ("active", "inactive", "layers", "viewercount")
HEARTBEAT_S: Final = 15.0
SEND_S: Final = 10.0
"""A client that takes nothing for so long is cut."""
MOST_WAITING: Final = 64
LONGEST_ID: Final = 32
"""What is longer is none of ours."""
AWAY_MS: Final = 86_400_000
GIVES_WAY: Final = f"retry: {AWAY_MS}\n\n".encode()
"""Somebody else follows the session. A browser's EventSource would come again after some seconds
and take the events back, and so would the other: it is asked to wait for a day."""


def wanted_events(body: str) -> tuple[str, ...]:
    """Those that a client asks for; all where it does not say. Raises msgspec.MsgspecError."""
    named = msgspec.json.decode(body, type=list[str]) if body.strip() else EVENTS
    return tuple(name for name in EVENTS if name in named)


def stream_url(url: str, wanted: tuple[str, ...]) -> str:
    """Where these events are to be had; `url` is the resource that was asked."""
    return url if wanted == EVENTS else f"{url}?events={quote(','.join(wanted), safe=',')}"


async def session_events(
    request: BaseRequest, relay: SignalRelay, path: str, session: str
) -> Response | SessionEvents:
    """The stream of a session's events, or why there is none."""
    named = request.query.get("events", "")
    stream = SessionEvents(relay, path, session, named.split(",") if named else EVENTS)
    after = request.headers.get("Last-Event-ID", "")[:LONGEST_ID]
    answer = await relay.ask("attach", path, session, channel=stream.channel, after=after)
    if answer.status >= 400:
        stream.close()
        return problem_response(answer.status, "Not found", answer.body)
    return stream


class SessionEvents(StreamResponse):
    """200 with events until the session, the client or the process has gone.

    Of what a client takes too slowly the oldest is left out: each event tells all of its kind.
    """

    def __init__(
        self, relay: SignalRelay, path: str, session: str, wanted: list[str] | tuple[str, ...]
    ) -> None:
        super().__init__(status=200, headers=HEADERS)
        self._relay = relay
        self._path, self._session = path, session
        self._wanted = frozenset(wanted)
        self._events: asyncio.Queue[SignalEvent] = asyncio.Queue(MOST_WAITING)
        self.channel = relay.open_channel(self._hear)

    def close(self) -> None:
        """Nothing is listened to any more."""
        self._relay.close_channel(self.channel)

    async def follow(self, request: BaseRequest) -> int:
        """Sends all of it; gives how many bytes that were."""
        sent_bytes = 0
        try:
            await self.prepare(request)
            block = HELLO
            async with hold(request):
                while block:
                    async with asyncio.timeout(SEND_S):
                        await self.write(block)
                    sent_bytes += len(block)
                    block = b"" if block is GIVES_WAY else await self._next_block()
            await self.write_eof()
        except (TimeoutError, ConnectionError):
            self.force_close()
            if request.transport is not None:
                request.transport.abort()
        finally:
            self.close()
        return sent_bytes

    async def _next_block(self) -> bytes:
        """What is to be sent next, a comment if there is nothing; empty at the end."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                while (event := await self._events.get()).kind != "closed":
                    if event.kind == "taken":
                        return GIVES_WAY
                    if event.kind in self._wanted:
                        data = event.text or "{}"
                        name = f"event: {event.kind}\nid: {event.number}\n"
                        return f"{name}data: {data}\n\n".encode()
        except TimeoutError:
            # A WebRTC process that died has told nobody of its sessions' end.
            answer = await self._relay.ask("layers", self._path, self._session)
            return b": heartbeat\n\n" if answer.status != 404 else b""
        return b""

    def _hear(self, event: SignalEvent) -> None:
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(event)
