"""Metadata and chat from clients of HTTP and WebSocket: who may send, and how often."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp.web import BaseRequest

from streaming.auth.api_tokens import covers
from streaming.auth.failure_limit import network_of
from streaming.command_messages import SendMessage
from streaming.errors import MessageRefused
from streaming.message_limits import (
    CONTROL_BURST,
    CONTROL_RATE,
    MOST_METADATA_DEPTH,
    VIEWER_BURST,
    VIEWER_RATE,
)
from streaming.server.access import Access, Asked, Caller
from streaming.server.command_relay import CommandRelay
from streaming.server.viewers import viewer_key
from streaming.token_buckets import TokenBuckets


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who sends."""

    caller: Caller
    token: str
    """For viewing."""
    address: str
    viewer: int


class Speaking:
    """Owns how much each client sent lately; one per delivery process."""

    def __init__(
        self,
        access: Access,
        commands: CommandRelay | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._access = access
        self._commands = commands
        self._clock = clock
        self._viewers = TokenBuckets(VIEWER_RATE, VIEWER_BURST)
        self._controllers = TokenBuckets(CONTROL_RATE, CONTROL_BURST)

    def speaker(self, request: BaseRequest, asked: Asked) -> Speaker:
        """Who a request comes from."""
        agent = request.headers.get("User-Agent", "").encode("utf-8", "surrogateescape")
        return Speaker(
            self._access.caller(request, asked),
            asked.token,
            self._access.client_address(request),
            viewer_key(request.remote or "", agent),
        )

    async def send(self, speaker: Speaker, message: SendMessage) -> dict[str, Any]:
        """The message's id and times. Raises MessageRefused with an HTTP status."""
        if self._commands is None:
            raise MessageRefused("there is nobody who could do that", http_status=503)
        if not covers(speaker.caller.scope, "control"):
            message = msgspec.structs.replace(message, by_viewer=True)
            await self._admit_viewer(speaker, message.path)
            may = self._viewers.take(network_of(speaker.address), self._clock())
        else:
            may = self._controllers.take(speaker.caller.name, self._clock())
        if not may:
            raise MessageRefused("you send too many messages", http_status=429)
        answer = await self._commands.ask(message, speaker.caller.name)
        if answer.status >= 400:
            raise MessageRefused(answer.detail, http_status=answer.status)
        result: dict[str, Any] = answer.result
        return result

    async def _admit_viewer(self, speaker: Speaker, path: str) -> None:
        status, reason = await self._access.judge(
            path, speaker.token, speaker.address, speaker.viewer
        )
        if status:
            raise MessageRefused(reason, http_status=status)


def render_metadata(data: dict[str, Any]) -> bytes:
    """Metadata as JSON. Raises MessageRefused where they are nested too deep."""
    level: list[Any] = [data]
    for _ in range(MOST_METADATA_DEPTH):
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for some in inner for one in some if isinstance(one, (dict, list))]
        if not level:
            return msgspec.json.encode(data)
    raise MessageRefused(f"metadata are at most {MOST_METADATA_DEPTH} deep", http_status=400)
