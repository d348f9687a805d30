"""A delivery process's side of its thumbnail worker, there while pictures are asked for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Final

from streaming.child_process import ChildProcess, start_child
from streaming.link import Link
from streaming.thumbnail.messages import KeyFrame, Still

logger = logging.getLogger(__name__)

DECODE_S: Final = 10.0
"""A key frame takes some milliseconds; a process that begins, at the lowest priority on a busy
machine, seconds."""
IDLE_S: Final = 60.0
"""A page that shows thumbnails asks more often; a process that waits costs 40 MB."""


class ThumbnailProcess:
    """Owns the worker; whoever calls `make` does so once at a time."""

    def __init__(self) -> None:
        self._process: ChildProcess | None = None
        self._link: Link[Still] | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._rest: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int:
        """Of the worker; 0 while there is none."""
        return 0 if self._process is None else self._process.pid

    async def make(self, media: bytes) -> bytes:
        """A JPEG of the first picture of `media`; empty where that cannot be."""
        if self._rest is not None:
            self._rest.cancel()
        try:
            async with asyncio.timeout(DECODE_S):
                link = await self._running()
                self._answer = asyncio.get_running_loop().create_future()
                link.send(KeyFrame(media))
                return await self._answer
        except (TimeoutError, OSError) as error:
            logger.warning("no thumbnail: %s", error or "the worker takes too long")
            await self.close()
            return b""
        finally:
            self._answer = None
            loop = asyncio.get_running_loop()
            self._rest = loop.call_later(IDLE_S, self._let_go)

    async def close(self) -> None:
        """Ends the worker, whatever it does."""
        if self._rest is not None:
            self._rest.cancel()
        self._let_go()
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _running(self) -> Link[Still]:
        if self._link is not None:
            return self._link
        await self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            end = theirs.fileno()
            self._process = await start_child("streaming.thumbnail.worker", [str(end)], [end])
        self._link = await Link.open(ours, Still, self._receive, self._lost)
        return self._link

    def _receive(self, still: Still) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(still.jpeg)

    def _lost(self) -> None:
        """The worker has ended, perhaps by what it was given."""
        self._link = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(b"")

    def _let_go(self) -> None:
        """A worker without a link ends by itself."""
        if self._link is not None:
            self._link.close()
            self._link = None
