"""What following a live stream takes, of whatever protocol."""

from __future__ import annotations

from collections.abc import Callable

from streaming.inspect.fetch import StreamFetcher
from streaming.inspect.latency import LatencyMeter

POLL_S = 0.25
"""Between reloads without blocking: what is listed is then seen at most so late."""

RETRY_S = 1.0
"""After an answer that is none."""


class Follower:
    """Owns what one following asks, measures and waits with; each protocol has its own."""

    def __init__(
        self,
        meter: LatencyMeter,
        fetcher: StreamFetcher,
        clock: Callable[[], float],
        wait: Callable[[float], None],
    ) -> None:
        self._meter = meter
        self._fetcher = fetcher
        self._clock = clock
        self._wait = wait
        self._grew_at = 0.0
        self.rendition = ""
