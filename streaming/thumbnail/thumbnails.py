"""Thumbnails as viewers ask for them: made one at a time, and only while somebody asks."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from streaming.errors import RemoteError
from streaming.shelf import Shelf
from streaming.thumbnail.newest_key_frame import find_key_frame

FRESH_S: Final = 5.0
"""How long a picture is given again before there is another; a page of a hundred paths then costs
some twenty decoded pictures a second at most, whoever looks at it."""
FAILED_S: Final = 30.0
"""How long nothing more is tried for a path whose media had no picture, or ended the worker."""
MOST_KEPT: Final = 256
"""Pictures of 5 to 30 kB."""
MOST_WAITING: Final = 64
"""Paths whose picture is waited for; one more is told to come back."""


class TooManyAskError(RemoteError):
    """Pictures of too many paths are being waited for."""


@dataclass(frozen=True, slots=True)
class _Kept:
    until_s: float
    segment: tuple[str, int] | None
    """Rendition and msn; None: none begins with a key frame."""
    jpeg: bytes
    """Empty: there was none."""


class Thumbnails:
    """Owns the pictures that were made lately; the site of a delivery process asks.

    `make` turns media into a JPEG, or into nothing; `clock` is monotonic.
    """

    def __init__(
        self, shelf: Shelf, make: Callable[[bytes], Awaitable[bytes]], clock: Callable[[], float]
    ) -> None:
        self._shelf = shelf
        self._make = make
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._making: dict[str, asyncio.Task[bytes]] = {}
        self._turn = asyncio.Lock()

    async def picture(self, path: str) -> bytes:
        """A JPEG of what `path` shows, some seconds old at most; empty where there is none.

        Raises TooManyAskError.
        """
        if path not in self._shelf.paths:
            return b""
        kept = self._kept.get(path)
        if kept is not None and self._clock() < kept.until_s:
            return kept.jpeg
        task = self._making.get(path)
        if task is None:
            if len(self._making) >= MOST_WAITING:
                raise TooManyAskError("Pictures of too many paths are being made.")
            task = asyncio.get_running_loop().create_task(self._take_turn(path))
            self._making[path] = task
            task.add_done_callback(lambda _: self._making.pop(path))
        # Whoever goes away does not take the picture from those who wait with it.
        return await asyncio.shield(task)

    async def _take_turn(self, path: str) -> bytes:
        async with self._turn:
            found = find_key_frame(self._shelf, path)
            old = self._kept.pop(path, None)
            if found is None:  # looking for one may have read many megabytes
                self._keep(path, FRESH_S, None, b"")
                return b""
            segment = found.rendition, found.msn
            if old is not None and old.segment == segment:
                jpeg = old.jpeg
            else:
                jpeg = await self._make(found.media)
            self._keep(path, FRESH_S if jpeg else FAILED_S, segment, jpeg)
            return jpeg

    def _keep(
        self, path: str, fresh_s: float, segment: tuple[str, int] | None, jpeg: bytes
    ) -> None:
        self._kept[path] = _Kept(self._clock() + fresh_s, segment, jpeg)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
