"""Operations of the API on messages: metadata and chat for whoever watches a path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from streaming.command_messages import SendMessage
from streaming.errors import MessageRefused
from streaming.message_limits import ChatText, SenderName
from streaming.server.api_call import Call, Refused
from streaming.server.openapi import Operation
from streaming.server.speaking import Speaking, render_metadata


class MetadataWish(Struct, frozen=True, forbid_unknown_fields=True):
    """Metadata for whoever watches a path, from now on in its media."""

    data: dict[str, Any]
    """Of up to 4,096 bytes as JSON, 32 deep; what it means is between you and your players."""


class ChatWish(Struct, frozen=True, forbid_unknown_fields=True):
    """A chat message for whoever watches a path."""

    text: ChatText
    sender: SenderName = ""
    """What the sender calls itself; nobody vouches for it."""


class SentMessage(Struct, frozen=True):
    """A message that was sent."""

    id: str
    """Of its event, and of the message wherever it appears."""
    ts: float
    """When it came, seconds since 1970."""
    media_time_ms: Annotated[int, Meta(ge=0)] | None
    """Where in the media it is, milliseconds since 1970; null where nobody was on air, so that only
    followers of events are told."""


OPERATIONS: Final = (
    Operation("sendMetadata", "POST", "/paths/{path}/metadata",
              "Send metadata to whoever watches a path, in its media.",
              "control", SentMessage, MetadataWish, problems=(404, 413, 429, 503)),
    Operation("sendChat", "POST", "/paths/{path}/chat",
              "Send chat; for viewers, too, where the path's viewer_chat allows it.",
              None, SentMessage, ChatWish, problems=(404, 429, 503)),
)  # fmt: skip

FOR_VIEWERS: Final = "sendChat"
"""The operation that has rules of its own for who may."""

_FIELDS: Final = {
    401: {"WWW-Authenticate": 'Bearer realm="headwater"'},
    429: {"Retry-After": "2"},
}
"""What a refusal comes with."""


def handlers(speaking: Speaking) -> dict[str, Callable[[Call], Awaitable[object]]]:
    """Who answers these operations."""

    async def metadata(call: Call) -> object:
        try:
            data = render_metadata(call.body.data)
        except MessageRefused as refusal:
            raise Refused(400, str(refusal)) from None
        return await _send(speaking, call, SendMessage(call.path, "metadata", data))

    async def chat(call: Call) -> object:
        wish = SendMessage(call.path, "chat", text=call.body.text, sender=call.body.sender)
        return await _send(speaking, call, wish)

    return {"sendMetadata": metadata, "sendChat": chat}


async def _send(speaking: Speaking, call: Call, message: SendMessage) -> object:
    try:
        return await speaking.send(speaking.speaker(call.request, call.asked), message)
    except MessageRefused as refusal:
        status = refusal.http_status or 400
        raise Refused(status, str(refusal), _FIELDS.get(status)) from None
