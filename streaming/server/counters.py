"""What one delivery process counts."""

from __future__ import annotations

from typing import Final

from streaming.shelf import Shelf
from streaming.shelf_messages import DeliveryStatistics
from streaming.waiting_room import WaitingRoom

_OK: Final = {kind: f"{kind} 2xx" for kind in ("media", "playlist", "page")}


class Counters:
    """Plain numbers, changed by requests and read once a second."""

    def __init__(self) -> None:
        self.requests: dict[str, int] = {}
        self.sent_bytes = 0
        self.fast_requests = 0
        self.refused_connections = 0
        self.loop_lag_s = 0.0

    def count(self, kind: str, status: int, sent_bytes: int) -> None:
        """One answer of `kind` ("media", "playlist", "page", "api", "other")."""
        key = f"{kind} {status // 100}xx"
        self.requests[key] = self.requests.get(key, 0) + 1
        self.sent_bytes += sent_bytes

    def count_fast(self, kind: str, sent_bytes: int) -> None:
        """One 200 of the fast path."""
        self.requests[_OK[kind]] = self.requests.get(_OK[kind], 0) + 1
        self.sent_bytes += sent_bytes
        self.fast_requests += 1

    def take(self, open_connections: int, shelf: Shelf, room: WaitingRoom) -> DeliveryStatistics:
        """A snapshot; the loop's worst lag starts again from zero."""
        lag, self.loop_lag_s = self.loop_lag_s, 0.0
        return DeliveryStatistics(
            requests=dict(self.requests),
            sent_bytes=self.sent_bytes,
            open_connections=open_connections,
            fast_requests=self.fast_requests,
            refused_connections=self.refused_connections,
            loop_lag_s=lag,
            resources=len(shelf),
            resource_bytes=shelf.bytes_held,
            cached_bytes=shelf.bodies.held_bytes,
            cache_hits=shelf.bodies.hits,
            cache_misses=shelf.bodies.misses,
            waiting=len(room),
            waits_served=room.served,
            waits_late=room.late,
        )
