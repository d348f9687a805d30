"""Signalling over one WebSocket: several sessions, their events, resumed after a lost connection.

The sessions live in the WebRTC process and do not end with the connection: whoever reconnects
names those it has and goes on. A client that says goodbye ends them. Bounds: `MOST_SESSIONS`,
`MOST_MESSAGE_BYTES`, `RATE` messages a second, and a reader too slow for `SEND_S` is cut.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import WSCloseCode, WSMsgType
from aiohttp.web import BaseRequest, Response, WebSocketResponse

from streaming.rtc.signal_messages import SignalAnswer, SignalEvent, Verb
from streaming.server.access import Access
from streaming.server.answers import problem_response
from streaming.server.player import is_path_name
from streaming.server.signal_relay import SignalRelay
from streaming.server.socket_messages import (
    AskStatistics,
    ChooseLayer,
    Done,
    Failed,
    FromClient,
    Happened,
    Id,
    Join,
    Joined,
    Leave,
    Mute,
    Numbered,
    Offered,
    Ping,
    Pong,
    Restarted,
    Resume,
    Resumed,
    TakeAnswer,
    Trickle,
)

logger = logging.getLogger(__name__)

URL: Final = "/api/v1/signalling"
MOST_MESSAGE_BYTES: Final = 65_536
"""An offer with everything in it has 20 KB."""
MOST_SESSIONS: Final = 32
"""Of one connection: a wall of pictures has fewer."""
RATE: Final = 50.0
"""Messages a second; candidates come in bursts of ten."""
BURST: Final = 200.0
OFFER_S: Final = 30.0
"""How long an offer of ours can be answered."""
SEND_S: Final = 10.0
HEARTBEAT_S: Final = 20.0
"""Proxies cut connections that are silent for a minute."""

_decoder = msgspec.json.Decoder(FromClient)
_numbered = msgspec.json.Decoder(Numbered)
_encoder = msgspec.json.Encoder()


async def signalling_socket(
    request: BaseRequest,
    relay: SignalRelay,
    origins: frozenset[str],
    access: Access,
    token: str = "",
) -> WebSocketResponse | Response:
    """Serves one connection to its end; `token` came with its URL, offers may bring others."""
    if not is_origin_allowed(request.headers, request.host, origins):
        return problem_response(403, "Refused", "This web origin may not connect.")
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return problem_response(426, "WebSocket needed", "Connect by WebSocket.")
    socket = WebSocketResponse(
        max_msg_size=MOST_MESSAGE_BYTES, heartbeat=HEARTBEAT_S, compress=False
    )
    await socket.prepare(request)
    address = access.client_address(request)
    await SignallingConnection(socket, relay, address, access, token).run()
    return socket


def is_origin_allowed(headers: Mapping[str, str], host: str, origins: frozenset[str]) -> bool:
    """Whether a page of this web origin may connect; programs send none."""
    origin = headers.get("Origin")
    return (
        origin is None
        or "*" in origins
        or origin in origins
        or origin.split("://")[-1].lower() == host.lower()
    )


def _id_of(text: str) -> Id:
    """Of a message that says nothing else that can be understood; None where it has none."""
    try:
        return _numbered.decode(text).id
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return None


class SignallingConnection:
    """One client; its reader and its writer."""

    def __init__(
        self,
        socket: WebSocketResponse,
        relay: SignalRelay,
        remote: str,
        access: Access,
        token: str = "",
    ) -> None:
        self._access = access
        self._token = token
        self._socket = socket
        self._relay = relay
        self._remote = remote
        self._channel = relay.open_channel(self._hear)
        self._paths: dict[str, str] = {}
        """Session to path."""
        self._offered: dict[str, float] = {}
        """Those that are offers of ours, and until when they can be answered."""
        self._events: asyncio.Queue[SignalEvent] = asyncio.Queue(4 * MOST_SESSIONS)
        self._tokens = BURST
        self._filled_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Until the client has gone."""
        telling = asyncio.create_task(self._tell_events())
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.TEXT:
                    await self._socket.close(code=WSCloseCode.UNSUPPORTED_DATA)
                    break
                if not self._may_ask():
                    await self._send(Failed(None, 429, f"more than {RATE:.0f} messages a second"))
                    await self._socket.close(code=WSCloseCode.POLICY_VIOLATION)
                    break
                await self.take(message.data)
        finally:
            telling.cancel()
            self._relay.close_channel(self._channel)
            if self._socket.close_code == 1000:  # it said goodbye
                await self._leave_all()

    def _may_ask(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._tokens = min(BURST, self._tokens + RATE * (now - self._filled_at)) - 1
        self._filled_at = now
        return self._tokens >= 0

    async def take(self, text: str) -> None:
        """One message of the client; it is answered once."""
        try:
            message = _decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeEncodeError) as error:
            await self._send(Failed(_id_of(text), 400, str(error)))
            return
        match message:
            case Join():
                await self._join(message)
            case Resume():
                await self._resume(message)
            case Ping():
                await self._send(Pong(message.id))
            case Trickle():
                answer = await self._ask("patch", message.session, message.fragment, if_match="*")
                if answer.status == 200:
                    await self._send(Restarted(message.id, answer.body))
                else:
                    await self._answer(message.id, answer)
            case TakeAnswer():
                await self._answer(
                    message.id, await self._ask("answer", message.session, message.sdp)
                )
            case ChooseLayer():
                choice = {"encodingId": message.encoding_id}
                await self._answer(message.id, await self._ask("choose", message.session, choice))
            case Mute():
                wish = {"kind": message.kind, "muted": message.muted}
                await self._answer(message.id, await self._ask("mute", message.session, wish))
            case AskStatistics():
                await self._answer(message.id, await self._ask("statistics", message.session))
            case Leave():
                await self._answer(message.id, await self._ask("delete", message.session))

    def _forget_offers(self) -> None:
        """Those that nobody has answered in time."""
        now = asyncio.get_running_loop().time()
        for session in [session for session, until in self._offered.items() if now >= until]:
            del self._offered[session]
            self._paths.pop(session, None)

    async def _join(self, message: Join) -> None:
        self._forget_offers()
        if len(self._paths) >= MOST_SESSIONS:
            await self._send(Failed(message.id, 429, f"{MOST_SESSIONS} sessions are the most"))
            return
        if not is_path_name(message.path):
            await self._send(Failed(message.id, 400, f"{message.path!r} is no path"))
            return
        share = None
        if message.role == "view":
            token = message.key or self._token
            status, reason = await self._access.judge(
                message.path, token, self._remote, hash(self._channel), "whep"
            )
            if status:
                await self._send(Failed(message.id, status, reason))
                return
            share = self._access.share(message.path, token)
        is_asked = message.role == "view" and not message.sdp
        answer = await self._relay.ask(
            "offer" if is_asked else message.role,
            message.path,
            body=message.sdp,
            key=message.key,
            rank=message.rank,
            remote=self._remote,
            channel=self._channel,
            share=share,
        )
        if not answer.session:
            await self._send(Failed(message.id, answer.status, answer.body))
            return
        self._paths[answer.session] = message.path
        links = answer.headers.get("Link", "")
        said = Joined if answer.status == 201 else Offered
        if said is Offered:
            self._offered[answer.session] = asyncio.get_running_loop().time() + OFFER_S
        await self._send(said(message.id, answer.session, answer.body, links))

    async def _resume(self, message: Resume) -> None:
        resumed = []
        for one in message.sessions[:MOST_SESSIONS]:
            answer = await self._relay.ask("attach", one.path, one.session, channel=self._channel)
            if answer.status < 300:
                self._paths[one.session] = one.path
                resumed.append(one.session)
        await self._send(Resumed(message.id, resumed))

    async def _ask(
        self, verb: Verb, session: str, body: object = "", if_match: str | None = None
    ) -> SignalAnswer:
        path = self._paths.get(session)
        if path is None:
            return SignalAnswer(0, 404, "no such session on this connection")
        text = body if isinstance(body, str) else _encoder.encode(body).decode()
        answer = await self._relay.ask(
            verb, path, session, body=text, if_match=if_match, remote=self._remote
        )
        is_gone = answer.status == 404 and verb != "choose"  # where the rendition may be missing
        if is_gone or (verb == "delete" and answer.status < 300):
            self._paths.pop(session, None)
        if verb == "answer" and answer.status < 300:
            self._offered.pop(session, None)
        return answer

    async def _answer(self, number: Any, answer: SignalAnswer) -> None:
        if answer.status >= 400:
            await self._send(Failed(number, answer.status, answer.body))
        else:
            result = msgspec.Raw(answer.body.encode()) if answer.is_json else None
            await self._send(Done(number, result))

    async def _leave_all(self) -> None:
        for session in list(self._paths):
            await self._ask("delete", session)

    # -- events ------------------------------------------------------------------------------

    def _hear(self, event: SignalEvent) -> None:
        """What the client learns later all at once it may as well not learn: it is too slow."""
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(event)

    async def _tell_events(self) -> None:
        while True:
            event = await self._events.get()
            if event.kind == "taken":  # by a client that follows its session elsewhere
                continue
            detail: Any = event.text or None
            if event.kind == "layers":
                detail = msgspec.Raw(event.text.encode())
            elif event.kind == "closed":
                self._paths.pop(event.session, None)
            await self._send(Happened(event.session, event.kind, detail))

    async def _send(self, message: object) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await self._socket.send_str(_encoder.encode(message).decode())
        except (TimeoutError, ConnectionError):
            await self._socket.close(code=1008, message=b"too slow")
