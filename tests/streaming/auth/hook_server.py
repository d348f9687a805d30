"""An authorization hook that says what a test wants it to say."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class HookServer:
    """Answers each question with what the test says; remembers what it was told."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        self.extra = ""
        self.silent = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.heard: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.url = ""
        self.serving: set[Any] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(asyncio.current_task())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        self.heads.append(head)
        self.heard.append(json.loads(await reader.readexactly(size)))
        if self.silent:
            await reader.read()
        else:
            await self.may_answer.wait()
            answer = f"HTTP/1.0 {self.status} X\r\n{self.extra}\r\n".encode() + self.body
            writer.write(answer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def hook_server() -> AsyncIterator[HookServer]:
    """One on loopback."""
    server = HookServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/auth"
    yield server
    listening.close()
    await listening.wait_closed()
    await asyncio.gather(*server.serving, return_exceptions=True)
