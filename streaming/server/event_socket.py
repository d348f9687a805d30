"""The event log by WebSocket: the same events with the same ids, and commands.

A message from us is a JSON array of events, or an object that answers a command. Events are
written as whole frames of ours, deflated once for everybody who is told the same: each is deflated
without reference to those before it (RFC 7692 7.2.1 leaves that to the sender), so a connection
needs no deflate window of its own, which would be a quarter of a megabyte.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Awaitable, Callable, Hashable
from functools import lru_cache, partial
from typing import Annotated, Any, Final

import msgspec
from aiohttp import WSMsgType
from aiohttp.web import BaseRequest, Response, WebSocketResponse
from msgspec import Meta, Struct

from streaming.command_messages import SendMessage
from streaming.errors import MessageRefused
from streaming.events.event import EventId, LoggedEvent
from streaming.events.event_filter import AnyOf, EventFilter, FilterError
from streaming.message_limits import ChatText, SenderName
from streaming.path_name import MAX_NAME_CHARS, name_error
from streaming.server.access import Asked
from streaming.server.answers import problem_response
from streaming.server.followers import Followers, Following
from streaming.server.signalling_socket import is_origin_allowed
from streaming.server.speaking import Speaking, render_metadata
from streaming.server.unsent import MOST_UNSENT_BYTES, bound_buffers, unsent_bytes

MOST_MESSAGE_BYTES: Final = 16_384
"""The longest command has 32 patterns of 256 characters."""
MOST_SUBSCRIPTIONS: Final = 32
RATE: Final = 20.0
"""Commands a second."""
BURST: Final = 100.0
DEFLATE_FROM_BYTES: Final = 256
"""Shorter messages do not become shorter."""
REMEMBERED: Final = 16
"""Deflated messages: those who are told the same are told it one after the other. About a megabyte
of whole batches at most, and what resets of a thousand paths may have."""
_TEXT_FRAME: Final = 0x81
_DEFLATED: Final = 0x40
_TAIL: Final = b"\x00\x00\xff\xff"


class Subscribe(Struct, tag="subscribe", tag_field="type", frozen=True):
    """Wants more events: those that match both lists of patterns; an empty list is everything."""

    id: Any = None
    """Comes back with the answer."""
    name: str = ""
    """What it is called; a subscription of the same name is replaced. The URL's is ""."""
    paths: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


class Unsubscribe(Struct, tag="unsubscribe", tag_field="type", frozen=True):
    """Wants no more of what a subscription brings that no other brings."""

    id: Any = None
    name: str = ""


class Ping(Struct, tag="ping", tag_field="type", frozen=True):
    """Asks for a sign of life."""

    id: Any = None


class Send(Struct, tag="send", tag_field="type", frozen=True):
    """Sends metadata or chat to whoever watches a path."""

    path: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
    id: Any = None
    metadata: dict[str, Any] | None = None
    """One of the two."""
    chat: ChatText | None = None
    sender: SenderName = ""


Command = Subscribe | Unsubscribe | Ping | Send
_decoder: Final = msgspec.json.Decoder(Command)


async def event_socket(
    request: BaseRequest,
    followers: Followers,
    origins: frozenset[str],
    after: str | None,
    wanted: EventFilter,
    heartbeat_s: float,
    speaking: Speaking,
    asked: Asked,
) -> WebSocketResponse | Response:
    """Serves one connection to its end."""
    if not is_origin_allowed(request.headers, request.host, origins):
        return problem_response(403, "Refused", "This web origin may not connect.")
    socket = WebSocketResponse(max_msg_size=MOST_MESSAGE_BYTES, compress=True)
    await socket.prepare(request)
    following = followers.open(after, wanted, heartbeat_s)
    try:
        say = partial(speaking.send, speaking.speaker(request, asked))
        await _Connection(request, socket, followers, following, wanted, say).run()
    finally:
        followers.close(following)
    return socket


class _Connection:
    """One client; its reader and its writer."""

    def __init__(
        self,
        request: BaseRequest,
        socket: WebSocketResponse,
        followers: Followers,
        following: Following,
        wanted: EventFilter,
        say: Callable[[SendMessage], Awaitable[dict[str, Any]]],
    ) -> None:
        self._say = say
        self._request = request
        self._transport = request.transport
        bound_buffers(self._transport)
        self._socket = socket
        self._followers = followers
        self._following = following
        self._window_bits = socket.compress or 0
        self._subscriptions = {"": wanted}
        self._tokens = BURST
        self._filled_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Until the client has gone, or the process ends."""
        self._following.tell_by(self)
        ending = asyncio.create_task(self._end())
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.TEXT or not self._may_ask():
                    await self._socket.close(code=1008, message=b"not like this")
                    break
                await self._take(message.data)
                # Answers may be large, and are not told again: who takes none asks for no more.
                await self._request.writer.drain()
        except ConnectionError:  # it went while it was waited for
            pass
        finally:
            ending.cancel()

    async def _end(self) -> None:
        await self._following.wait_over()
        await self._socket.close(code=1001, message=b"going away")

    # -- as a sink -----------------------------------------------------------------------------

    @property
    def key(self) -> Hashable:
        """See Sink."""
        return "socket", self._window_bits

    @property
    def is_behind(self) -> bool:
        """Whether it has not taken what it was told before."""
        return unsent_bytes(self._transport) > MOST_UNSENT_BYTES

    def render(self, told: list[LoggedEvent]) -> bytes:
        """One message with all of them."""
        return render_events(told, self._window_bits)

    def render_heartbeat(self, position: EventId) -> bytes:
        """Where it is in the log."""
        return self._render({"type": "heartbeat", "position": str(position)})

    def write(self, data: bytes) -> None:
        """Sends it, now or when the client takes it."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    # -- as a server ---------------------------------------------------------------------------

    def _may_ask(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._tokens = min(BURST, self._tokens + RATE * (now - self._filled_at)) - 1
        self._filled_at = now
        return self._tokens >= 0

    async def _take(self, text: str) -> None:
        try:
            command = _decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
            self._refuse(None, 400, str(error))
            return
        try:
            self._answer({"type": "answer", "id": command.id, **await self._obey(command)})
        except FilterError as error:
            self._refuse(command.id, 400, str(error))
        except MessageRefused as refusal:
            self._refuse(command.id, refusal.http_status or 400, str(refusal))

    async def _obey(self, command: Command) -> dict[str, Any]:
        if isinstance(command, Send):
            sent = await self._say(_message(command))
            return {"event": sent["id"], "media_time_ms": sent["media_time_ms"]}
        if isinstance(command, Ping):
            return {"position": str(self._following.position)}
        if isinstance(command, Unsubscribe):
            self._subscriptions.pop(command.name, None)
            self._following.change(AnyOf(self._subscriptions.values()))
            return {}
        wanted = EventFilter(command.paths, command.types)
        if len(self._subscriptions.keys() | {command.name}) > MOST_SUBSCRIPTIONS:
            raise FilterError(f"more than {MOST_SUBSCRIPTIONS} subscriptions")
        self._subscriptions[command.name] = wanted
        self._following.change(AnyOf(self._subscriptions.values()))
        paths = {p: r for p, r in self._followers.log.paths.items() if wanted.wants_path(p)}
        return {"position": str(self._followers.log.last), "paths": paths}

    def _refuse(self, number: Any, status: int, detail: str) -> None:
        self._answer({"type": "error", "id": number, "status": status, "detail": detail})

    def _answer(self, answer: dict[str, Any]) -> None:
        self.write(self._render(answer))

    def _render(self, answer: dict[str, Any]) -> bytes:
        return render_frame(msgspec.json.encode(answer), self._window_bits)


def _message(command: Send) -> SendMessage:
    """Raises MessageRefused."""
    reason = name_error(command.path)
    if not reason and (command.metadata is None) == (command.chat is None):
        reason = "send either metadata or chat"
    if reason:
        raise MessageRefused(reason, http_status=400)
    if command.chat is not None:
        return SendMessage(command.path, "chat", text=command.chat, sender=command.sender)
    return SendMessage(command.path, "metadata", render_metadata(command.metadata or {}))


def render_events(told: list[LoggedEvent], window_bits: int) -> bytes:
    """One message with all of them."""
    return render_frame(b"[" + b",".join(entry.body for entry in told) + b"]", window_bits)


def render_frame(text: bytes, window_bits: int) -> bytes:
    """A whole text message from a server (RFC 6455 5.2); deflated where `window_bits` is not 0."""
    first = _TEXT_FRAME
    if window_bits and len(text) >= DEFLATE_FROM_BYTES:
        text = _deflated(text, window_bits)
        first |= _DEFLATED
    if len(text) < 126:
        return struct.pack(">BB", first, len(text)) + text
    if len(text) < 65_536:
        return struct.pack(">BBH", first, 126, len(text)) + text
    return struct.pack(">BBQ", first, 127, len(text)) + text


@lru_cache(maxsize=REMEMBERED)
def _deflated(text: bytes, window_bits: int) -> bytes:
    deflate = zlib.compressobj(1, zlib.DEFLATED, -window_bits)
    return (deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)
