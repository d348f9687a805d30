"""What an earlier origin left becomes paths again, while this one starts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable

from segmenter.timed_message import TimedMessage
from streaming.config_paths import PathConfig
from streaming.live_state.live_state import (
    LONGEST_ABSENCE_S,
    LiveState,
    SavedPath,
    load_path,
    packaging_key,
)
from streaming.origin import Origin
from streaming.path_name import name_error

logger = logging.getLogger(__name__)


class Restoring:
    """Owns the loading of saved paths, one after the other; the registry starts and closes it.

    Disks are read in threads; `restore` is called on the loop with each path, and with what is
    left of it if that can be read.
    """

    def __init__(
        self,
        live_state: LiveState,
        restore: Callable[[str, SavedPath | None], Awaitable[None]],
    ) -> None:
        self._saved = live_state.saved_paths()
        self._restore = restore
        self._waiting: dict[str, asyncio.Event] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def paths(self) -> Collection[str]:
        """Those that are still to come."""
        return self._waiting.keys()

    def start(self) -> None:
        """Needs a running loop."""
        self._waiting = {name: asyncio.Event() for name in self._saved}
        self._task = asyncio.create_task(self._run(), name="restoring")

    async def wait_restored(self, path: str) -> None:
        """Returns once nothing more can be restored of `path`."""
        waiting = self._waiting.get(path)
        if waiting is not None:
            await waiting.wait()

    async def wait_done(self) -> None:
        """Returns once all are there."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def close(self) -> None:
        """Leaves what is not restored by now."""
        if self._task is not None:
            self._task.cancel()
            await self.wait_done()

    async def _run(self) -> None:
        for name, files in self._saved.items():
            try:
                await self._restore(name, await asyncio.to_thread(load_path, name, files))
            except Exception:  # costs this path its history, not the others theirs
                logger.exception("path %s: not restored", name)
            finally:
                self._waiting.pop(name).set()


async def restore_origin(
    origin: Origin,
    saved: SavedPath,
    clock: Callable[[], float],
    messages: Iterable[TimedMessage] = (),
) -> None:
    """Fills an origin that has not begun with what is saved; its playlists come last."""
    origin.begin_restore(saved.presentation, clock())
    origin.restore_messages(messages)
    for rendition in saved.presentation.renditions:
        for segment in rendition.contiguous:
            if not segment.is_gap:
                data = await asyncio.to_thread(saved.read, rendition.name, segment.msn)
                origin.restore_segment(rendition.name, segment, data, clock())
    origin.finish_restore(clock())


def obstacle(saved: SavedPath, settings: PathConfig, now_utc: float) -> str:
    """Why a path with these settings cannot go on with what was saved of it; "" if it can."""
    absence_s = now_utc - saved.latest_utc
    if name_error(saved.path):
        return name_error(saved.path)
    if absence_s > LONGEST_ABSENCE_S:
        return f"nothing was written for {absence_s:.0f} s"
    if saved.packaging != packaging_key(settings):
        return "its settings have changed"
    return ""
