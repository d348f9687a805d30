"""Metadata and chat on data channels: to all viewers of a path, and from each of them.

What goes out is gathered for `GATHER_S` and sent as one JSON array of events: sending costs 0.1 ms
for each viewer, whatever is in it. What comes in is a line of chat,
{"type": "chat", "text": …, "sender": …}; only what is wrong with it is answered.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from streaming.message_limits import VIEWER_BURST, VIEWER_RATE, ChatText, SenderName
from streaming.rtc.messages import PathMessage, SaidRefused, ViewerSaid
from streaming.token_buckets import TokenBuckets
from webrtc.errors import SessionNotFound
from webrtc.events import TextReceived
from webrtc.signalling import Signalling

GATHER_S: Final = 0.1
"""Half of what players may be off by."""
MOST_TOLD_BYTES: Final = 65_536
"""In one message: what who says nothing takes (RFC 8841 6); Chromium takes 262,144, and none of a
longer one is sent. A burst of metadata may be twice that: the rest is told in the next messages,
so that a viewer who takes them is not sent more than can wait for it."""


class ChatLine(Struct, tag="chat", tag_field="type", forbid_unknown_fields=True, frozen=True):
    """What a viewer sends."""

    text: ChatText
    sender: SenderName = ""


class _Wrong(Struct, tag="error", tag_field="type", frozen=True):
    """What it is told of a line that was not sent on; statuses are HTTP's."""

    status: int
    detail: str


_decoder: Final = msgspec.json.Decoder(ChatLine)
_encoder: Final = msgspec.json.Encoder()


class Talk:
    """Owns what is to be told, and how much each viewer said lately; the server's part."""

    def __init__(self, signalling: Signalling, send: Callable[[Any], None]) -> None:
        self._signalling = signalling
        self._send = send
        self._untold: dict[str, list[bytes]] = {}
        self._due = 0.0
        self._buckets = TokenBuckets(VIEWER_RATE, VIEWER_BURST)

    def gather(self, message: PathMessage) -> None:
        """To be told to the viewers of its path."""
        self._untold.setdefault(message.path, []).append(message.body)

    def handle_timer(self, now: float) -> None:
        """Tells what was gathered."""
        if not self._untold or now < self._due:
            return
        self._due = now + GATHER_S
        untold, self._untold = self._untold, {}
        for path, bodies in untold.items():
            count = _first_of(bodies)
            self._signalling.tell(path, f"[{b','.join(bodies[:count]).decode()}]")
            if count < len(bodies):
                self._untold[path] = bodies[count:]

    def hear(self, said: TextReceived, now: float) -> None:
        """A viewer said something."""
        if not self._buckets.take(said.session_id, now):
            self.refuse(SaidRefused(said.session_id, 429, "you send too many messages"))
            return
        try:
            line = _decoder.decode(said.text)
        except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
            self.refuse(SaidRefused(said.session_id, 400, str(error)))
            return
        self._send(ViewerSaid(said.session_id, said.stream, line.text, line.sender))

    def refuse(self, refusal: SaidRefused) -> None:
        """Tells a viewer why its line was not sent on."""
        wrong = _encoder.encode(_Wrong(refusal.status, refusal.detail)).decode()
        with contextlib.suppress(SessionNotFound):
            self._signalling.session(refusal.session).tell(wrong)


def _first_of(bodies: Sequence[bytes]) -> int:
    """How many of them go in one message: MOST_TOLD_BYTES at most, unless one alone is more."""
    size_bytes = 1
    for count, body in enumerate(bodies):
        size_bytes += len(body) + 1
        if count and size_bytes > MOST_TOLD_BYTES:
            return count
    return len(bodies)
