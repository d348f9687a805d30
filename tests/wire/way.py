"""One direction of the wire: what it does to packets. Sans-IO, seeded.

pushed ─loss→ queue ─rate→ on the way ─delay, jitter→ delivered
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """How a direction is; as it stands here it does nothing to packets."""

    loss: float = 0.0
    """Fraction of packets that is lost, each for itself."""
    delay_s: float = 0.0
    jitter_s: float = 0.0
    """Added to the delay, between 0 and this; packets keep their order."""
    rate: int = 0
    """Bits per second that pass; 0: any."""
    burst_bytes: int = 3_000
    """What passes at once after a pause: the depth of the token bucket."""
    queue_bytes: int = 64_000
    """What waits for its turn; more is dropped. 64 kB are half a second of 1 Mb/s."""
    blocks_udp: bool = False


@dataclass(slots=True)
class WayStatistics:
    """Packets since the start."""

    pushed: int = 0
    delivered: int = 0
    delivered_bytes: int = 0
    lost: int = 0
    """By chance."""
    overflowed: int = 0
    """Because the queue was full."""
    blocked: int = 0


PROTOCOL_AT = 9
"""In an IPv4 header (RFC 791 3.1)."""
UDP = 17


class WireDirection:
    """Owns the packets under way; whoever has the devices pushes and pops, with its clock."""

    def __init__(self, seed: int) -> None:
        self.statistics = WayStatistics()
        self._random = random.Random(seed)
        self._way = Way()
        self._queue: deque[tuple[float, bytes]] = deque()
        """When pushed, and what."""
        self._queued_bytes = 0
        self._free_at = 0.0
        """When the rate lets the next packet begin."""
        self._flying: deque[tuple[float, bytes]] = deque()
        """When it arrives, and what."""

    def set(self, way: Way, now: float) -> None:
        """From now on it is so; what waits in the queue takes the new rate."""
        self._depart(now)
        self._way = way

    def push(self, packet: bytes, now: float) -> None:
        """A packet comes in."""
        self._depart(now)
        way, counts = self._way, self.statistics
        counts.pushed += 1
        if way.blocks_udp and packet[PROTOCOL_AT] == UDP:
            counts.blocked += 1
        elif way.loss and self._random.random() < way.loss:
            counts.lost += 1
        elif way.rate and self._queued_bytes + len(packet) > way.queue_bytes:
            counts.overflowed += 1
        else:
            self._queue.append((now, packet))
            self._queued_bytes += len(packet)
            self._depart(now)

    def pop(self, now: float) -> list[bytes]:
        """What arrives by now."""
        self._depart(now)
        arrived: list[bytes] = []
        while self._flying and self._flying[0][0] <= now:
            arrived.append(self._flying.popleft()[1])
        self.statistics.delivered += len(arrived)
        self.statistics.delivered_bytes += sum(map(len, arrived))
        return arrived

    def due_at(self) -> float | None:
        """When to pop next; None: nothing is under way."""
        times = [self._flying[0][0]] if self._flying else []
        if self._queue:
            times.append(self._finish(*self._queue[0]) + self._way.delay_s)
        return min(times, default=None)

    def _depart(self, now: float) -> None:
        """Move from the queue what the rate has let go by now."""
        while self._queue:
            pushed_at, packet = self._queue[0]
            finish = self._finish(pushed_at, packet)
            if finish > now:
                return
            self._queue.popleft()
            self._queued_bytes -= len(packet)
            self._free_at = finish
            self._fly(packet, max(finish, pushed_at))

    def _finish(self, pushed_at: float, packet: bytes) -> float:
        """When the rate has let a packet go; what the bucket holds puts that before its coming."""
        way = self._way
        if not way.rate:
            return pushed_at
        earliest = pushed_at - way.burst_bytes * 8 / way.rate
        return max(self._free_at, earliest) + len(packet) * 8 / way.rate

    def _fly(self, packet: bytes, departed_at: float) -> None:
        way = self._way
        arrives_at = departed_at + way.delay_s
        if way.jitter_s:
            arrives_at += way.jitter_s * self._random.random()
        if self._flying:
            arrives_at = max(arrives_at, self._flying[-1][0])
        self._flying.append((arrives_at, packet))
