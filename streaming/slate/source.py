"""A path's slate seen from the event loop: encoded again when it must look different, and paced.

A worker process encodes two seconds of it, once, as soon as it is known what a publisher's media
look like; it has ended long before the slate is needed. What plays costs a timer a frame.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from segmenter.media import VIDEO_TIMESCALE, Codec, Track
from streaming.config_paths import PathConfig
from streaming.path import Path
from streaming.slate.encoding import SlateEncoding, slate_setup
from streaming.slate.messages import SlateReady

logger = logging.getLogger(__name__)

SHORTEST_NAP_S: Final = 0.005
"""At 120 frames/s two frames come together now and then; no part is that short."""

_PLAIN_VIDEO = Track("source", Codec.H264, VIDEO_TIMESCALE, b"")
_PLAIN_AUDIO = Track(
    "audio", Codec.AAC, 48_000, bytes.fromhex("1190"), sample_rate=48_000, channels=2
)


class SlateSource:
    """Owns the worker and the pacing task of one path's slate; the registry calls and closes it."""

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float],
        on_restart: Callable[[str], None] = lambda reason: None,
    ) -> None:
        """`on_restart` is told why a worker died that is replaced."""
        self._path = path
        self._clock = clock
        self._wanted: tuple[Track, ...] = ()
        self._encoding = SlateEncoding(path.name, self._done, on_restart)
        self._pacing: asyncio.Task[None] | None = None

    def handle_timer(self) -> None:
        """What time alone brings about; called a few times a second, needs a running loop."""
        if self._path.is_slate_on_air:
            if self._pacing is None or self._pacing.done():
                self._pacing = asyncio.get_running_loop().create_task(self._pace(), name="slate")
            return
        wanted = self._path.live_tracks or _before_the_first(self._path.config)
        if wanted and wanted != self._wanted:
            self._wanted = wanted
            self._encode()

    async def close(self) -> None:
        """Stops the worker and the slate."""
        if self._pacing is not None:
            self._pacing.cancel()
            await asyncio.gather(self._pacing, return_exceptions=True)
        await self._encoding.close()

    async def _pace(self) -> None:
        try:
            while self._path.is_slate_on_air:
                now = self._clock()
                due_utc = self._path.run_slate(now)
                await asyncio.sleep(max(due_utc - now, SHORTEST_NAP_S))
        except Exception:
            logger.exception("%s: the slate cannot be played", self._path.name)
            self._path.set_slate(None, self._clock())

    def _encode(self) -> None:
        self._encoding.encode(slate_setup(self._path.config, self._wanted))

    def _done(self, slate: SlateReady | None) -> None:
        loop = slate.to_loop() if slate is not None else None
        self._path.set_slate(loop, self._clock())


def _before_the_first(config: PathConfig) -> tuple[Track, ...]:
    """What a slate that is always there looks like before any publisher has come."""
    if not config.slate_always:
        return ()
    video = Track(
        _PLAIN_VIDEO.name,
        _PLAIN_VIDEO.codec,
        _PLAIN_VIDEO.timescale,
        b"",
        width=config.slate_width,
        height=config.slate_height,
        frame_rate=Fraction(config.slate_fps),
    )
    return (video, _PLAIN_AUDIO)
