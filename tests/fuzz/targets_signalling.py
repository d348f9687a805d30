"""Fuzz targets of signalling by WebSocket: messages of a client that is not honest."""

from __future__ import annotations

import asyncio
import atexit
import functools
from collections.abc import Callable
from typing import Any, cast

import msgspec
from aiohttp.web import WebSocketResponse

from streaming.rtc.layers import LayerChoice
from streaming.rtc.session_requests import MuteRequest
from streaming.rtc.signal_messages import SignalAnswer, SignalEvent, SignalRequest
from streaming.server.access import Access
from streaming.server.signal_relay import SignalRelay
from streaming.server.signalling_socket import SignallingConnection
from webrtc.errors import WebRtcError
from webrtc.fragment import parse_fragment
from webrtc.offer import parse_offer

MOST_MESSAGES = 8
"""Of an input, one a line, so that those behind the first have a session to speak of."""


class _Socket:
    """Takes what the client is told: JSON with a type, always."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def send_str(self, text: str) -> None:
        self.told.append(msgspec.json.decode(text)["type"])

    async def close(self, **_why: Any) -> None:
        """Nobody is there."""


class _Peer:
    """The WebRTC process as far as it reads what came by the socket."""

    def __init__(self) -> None:
        self.relay = SignalRelay(self._ask)

    def _ask(self, request: SignalRequest) -> None:
        try:
            told = self._answer(request)
        except WebRtcError as error:
            told = SignalAnswer(0, error.http_status, str(error))
        answer = msgspec.structs.replace(told, id=request.id)
        asyncio.get_running_loop().call_soon(self.relay.receive, answer)

    def _answer(self, request: SignalRequest) -> SignalAnswer:
        # All that it is asked goes by its link, which is msgpack.
        request = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=SignalRequest)
        match request.verb:
            case "view" | "publish":
                parse_offer(request.body)
                self.relay.tell(SignalEvent(request.channel, "s1", "connected"))
                return SignalAnswer(0, 201, "v=0", {}, "s1")
            case "offer":
                return SignalAnswer(0, 200, "v=0", {}, "s1")
            case "answer":
                parse_offer(request.body)
                return SignalAnswer(0, 201, "", {}, "s1")
            case "patch":
                parse_fragment(request.body)
                return SignalAnswer(0, 200, "a=ice-ufrag:x")
            case "choose":
                choice = msgspec.json.decode(request.body, type=LayerChoice)
                return SignalAnswer(0, 200, msgspec.json.encode(choice).decode(), is_json=True)
            case "mute":
                msgspec.json.decode(request.body, type=MuteRequest)
        return SignalAnswer(0, 204)


class _OpenHouse:
    """Lets everybody view."""

    async def judge(self, *_who: Any) -> tuple[int, str]:
        return 0, ""

    def share(self, *_what: str) -> None:
        return None


def fuzz_messages(data: bytes) -> None:
    """Messages of one connection, one a line: each gets an answer, and only one."""
    texts = data.decode("utf-8", "replace").split("\n")[:MOST_MESSAGES]
    _loop().run_until_complete(_converse(texts))


async def _converse(texts: list[str]) -> None:
    socket, peer = _Socket(), _Peer()
    connection = SignallingConnection(
        cast(WebSocketResponse, socket), peer.relay, "192.0.2.1", cast(Access, _OpenHouse())
    )
    for number, text in enumerate(texts, 1):
        await connection.take(text)
        assert len(socket.told) == number


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


def _lines(*messages: dict[str, Any]) -> bytes:
    return b"\n".join(msgspec.json.encode(message) for message in messages)


_FRAGMENT = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\na=mid:0\r\n"
_SMALL_OFFER = "\r\n".join((
    "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:0", "a=recvonly", "a=rtcp-mux",
    "a=ice-ufrag:abcd", "a=ice-pwd:0123456789abcdefghijkl", "a=setup:actpass",
    "a=fingerprint:sha-256 " + ":".join(["AA"] * 32), "a=rtpmap:111 opus/48000/2", "",
))  # fmt: skip
"""Offers have a target of their own."""
_JOIN = {"type": "join", "id": 1, "path": "live/a", "sdp": _SMALL_OFFER, "key": "k"}

TARGETS: dict[str, Callable[[bytes], None]] = {"signalling-socket": fuzz_messages}
TEXTS = ("signalling-socket",)
SEEDS = {
    "signalling-socket": (
        _lines(_JOIN),
        _lines({**_JOIN, "role": "publish"}, {"type": "leave", "session": "s1", "id": "x"}),
        _lines(
            _JOIN,
            {"type": "trickle", "id": 2, "session": "s1", "fragment": _FRAGMENT},
            {"type": "layer", "id": 3, "session": "s1", "encodingId": "360p"},
            {"type": "mute", "id": 4, "session": "s1", "kind": "audio", "muted": True},
            {"type": "stats", "id": 5, "session": "s1"},
            {"type": "leave", "id": 6, "session": "s1"},
        ),
        _lines(
            {"type": "join", "id": 1, "path": "live/a"},
            {"type": "answer", "id": 2, "session": "s1", "sdp": _SMALL_OFFER},
        ),
        _lines(
            {"type": "resume", "id": 1, "sessions": [{"session": "s1", "path": "live/a"}]},
            {"type": "layer", "id": 2, "session": "s1", "encodingId": None},
            {"type": "ping", "id": None},
        ),
    )
}
