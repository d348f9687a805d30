"""A Link that also runs on uvloop."""

from __future__ import annotations

import asyncio
from typing import TypeVar, cast

from streaming.link import Link

M = TypeVar("M")


class LoopLink(Link[M]):
    """A Link whose loop may be uvloop, whose transports are no asyncio.Transport by type."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
