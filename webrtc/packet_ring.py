"""The packets of one rendition, kept once for all viewers. Sans-IO; specification of the C.

Access units are whole: they come, are found and go together. Packets are counted from the ring's
first one on, so a place in the ring stays a number however much has gone since.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from webrtc.errors import LocalError
from webrtc.rtp.limits import MAX_PAYLOAD_BYTES

KEPT_S: Final = 2.0
"""Kept besides the newest group of pictures: long enough for a retransmission (NACK) after an
outage of a second, and for renditions that come later than others."""

BITRATE_SPAN_S: Final = 0.5
"""Less than this says nothing: a key frame alone is many times the mean."""


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """What one sample became."""

    first_packet: int
    payloads: tuple[bytes, ...]
    timestamp: int
    """RTP ticks of media time modulo 2**32."""
    is_key: bool
    media_utc_s: float
    written_s: float
    """By the monotonic clock."""
    size_bytes: int

    @property
    def end_packet(self) -> int:
        """One more than the number of its last packet."""
        return self.first_packet + len(self.payloads)


def is_after(timestamp: int, other: int) -> bool:
    """Whether an RTP timestamp is the later one, wraps considered."""
    return 0 < (timestamp - other & 0xFFFFFFFF) < 1 << 31


class PacketRing:
    """Holds the newest group of pictures and two seconds, but never more than its bounds."""

    def __init__(self, clock_rate: int, max_bytes: int, max_packets: int) -> None:
        if clock_rate <= 0 or max_bytes <= 0 or max_packets <= 0:
            raise LocalError("a ring needs a clock rate and bounds")
        self.clock_rate = clock_rate
        self.is_removed = False
        self.next_packet = 0
        self.newest_timestamp = 0
        """Of the last unit that was stored."""
        self.size_bytes = 0
        self.bitrate = 0.0
        """Bits per second of what is held; 0.0: unknown yet."""
        self._max_bytes = max_bytes
        self._max_packets = max_packets
        self._units: list[AccessUnit] = []
        self._is_broken = False

    @property
    def first_packet(self) -> int:
        """Of the oldest unit; the next one's while there is none."""
        return self._units[0].first_packet if self._units else self.next_packet

    def write(
        self,
        payloads: Sequence[bytes | memoryview],
        timestamp: int,
        is_key: bool,
        media_utc_s: float,
        now_s: float,
    ) -> bool:
        """Store one access unit; gives whether it was.

        One that is larger than the ring is not, nor is any after it up to the next key frame,
        since without it they cannot be decoded. Raises LocalError for payloads that are empty or
        larger than packets are.
        """
        held = tuple(bytes(payload) for payload in payloads)
        if any(not 0 < len(payload) <= MAX_PAYLOAD_BYTES for payload in held):
            raise LocalError(f"payloads have 1 to {MAX_PAYLOAD_BYTES} bytes")
        size = sum(map(len, held))
        if not held or (self._is_broken and not is_key):
            return False
        self._is_broken = size > self._max_bytes or len(held) > self._max_packets
        if self._is_broken:
            return False
        unit = AccessUnit(self.next_packet, held, timestamp, is_key, media_utc_s, now_s, size)
        self._units.append(unit)
        self.next_packet, self.newest_timestamp = unit.end_packet, timestamp
        self.size_bytes += size
        self._evict(unit)
        self._measure(unit)
        return True

    def _evict(self, newest: AccessUnit) -> None:
        key = self.newest_key()
        gone = 0
        for unit in self._units:
            is_old = newest.media_utc_s - unit.media_utc_s > KEPT_S
            is_spare = key is not None and unit.first_packet < key.first_packet and is_old
            count = self.next_packet - unit.first_packet
            if not is_spare and self.size_bytes <= self._max_bytes and count <= self._max_packets:
                break
            self.size_bytes -= unit.size_bytes
            gone += 1
        del self._units[:gone]

    def _measure(self, newest: AccessUnit) -> None:
        span_s = newest.media_utc_s - self._units[0].media_utc_s
        size = self.size_bytes - newest.size_bytes  # whose time is still to come
        self.bitrate = size * 8.0 / span_s if span_s >= BITRATE_SPAN_S else 0.0

    def unit_at(self, packet: int) -> AccessUnit | None:
        """The unit that holds a packet; None when it has gone or has not come."""
        if not self.first_packet <= packet < self.next_packet:
            return None
        return self._units[bisect_right(self._units, packet, key=_first_packet) - 1]

    def newest_key(self) -> AccessUnit | None:
        """The newest key frame."""
        return next((unit for unit in reversed(self._units) if unit.is_key), None)

    def first_key_after(self, timestamp: int) -> AccessUnit | None:
        """The oldest key frame of all that are later than a timestamp."""
        found = None
        for unit in reversed(self._units):
            if not is_after(unit.timestamp, timestamp):
                break
            found = unit if unit.is_key else found
        return found


def _first_packet(unit: AccessUnit) -> int:
    return unit.first_packet
