"""Packets of one RTP source into their order, and which ones to ask for again; sans-IO.

What is in order passes at once. Behind a gap packets wait until the missing ones have come, or
until it has lasted too long; then the gap is given up and the next packet says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from webrtc.rtp_packet import RtpPacket

VIDEO_WAIT_S = 0.4
"""Two or three round trips of a far publisher; libwebrtc gives up after about as much."""

AUDIO_WAIT_S = 0.1
"""Sound without retransmission: only what overtook on the way is waited for."""

MAX_WAITING_PACKETS = 1_024
"""More than VIDEO_WAIT_S of 20 Mb/s."""

MAX_JUMP = 3_000
"""Sequence numbers that jump further are another stream's (RFC 3550 A.1: MAX_DROPOUT)."""

_MAX_TRIES = 8
_AGAIN_S = 0.1
"""Until a packet is asked for again: a round trip and the peer's own pacing."""

_MAX_ASKED = 256
"""Missing at once; with more a key frame is quicker."""


class Arrived(NamedTuple):
    """A packet in its order."""

    packet: RtpPacket
    after_gap: bool
    """Packets before it were lost for good."""


@dataclass(slots=True)
class _Missing:
    """A packet that has not come."""

    since: float
    due: float
    tries: int = 0


class JitterBuffer:
    """Owns the packets of one source that wait, and those that are missing."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._next: int | None = None
        self._highest = 0
        self._waiting: dict[int, RtpPacket] = {}
        self._missing: dict[int, _Missing] = {}
        self._lost_before: int | None = None
        self.lost = 0
        """Packets given up."""
        self.recovered = 0
        """Packets that came after they had been missed."""

    def push(self, packet: RtpPacket, now: float) -> list[Arrived]:
        """Take a packet; those that can go on, in order."""
        number = self._extend(packet.sequence)
        if self._next is None:
            self._next, self._highest = number, number - 1
        elif abs(number - self._highest) > MAX_JUMP:
            self._restart(number)
        if number < self._next or number in self._waiting:
            return []
        self._waiting[number] = packet
        if self._missing.pop(number, None) is not None:
            self.recovered += 1
        for absent in range(self._highest + 1, number):
            self._missing[absent] = _Missing(now, now)
        self._highest = max(self._highest, number)
        return self._drain(now)

    def handle_timer(self, now: float) -> list[Arrived]:
        """Give up what has been missing for too long; those that can go on, in order."""
        return self._drain(now)

    def take_nacks(self, now: float) -> list[int]:
        """Sequence numbers (16 bits) to ask for now."""
        if len(self._missing) > _MAX_ASKED:
            return []
        asked: list[int] = []
        for number, missing in self._missing.items():
            if now >= missing.due and missing.tries < _MAX_TRIES:
                missing.tries += 1
                missing.due = now + _AGAIN_S
                asked.append(number & 0xFFFF)
        return asked

    def _drain(self, now: float) -> list[Arrived]:
        arrived: list[Arrived] = []
        while self._waiting and self._next is not None:
            packet = self._waiting.pop(self._next, None)
            if packet is not None:
                arrived.append(Arrived(packet, self._lost_before == self._next))
                self._next += 1
            elif self._is_late(now):
                self._give_up()
            else:
                break
        return arrived

    def _is_late(self, now: float) -> bool:
        assert self._next is not None
        missing = self._missing.get(self._next)
        too_long = missing is None or now - missing.since >= self._wait_s
        return too_long or len(self._waiting) > MAX_WAITING_PACKETS

    def _give_up(self) -> None:
        """Go on with the first packet that waits."""
        assert self._next is not None
        first = min(self._waiting)
        for number in range(self._next, first):
            self._missing.pop(number, None)
        self.lost += first - self._next
        self._next = self._lost_before = first

    def _restart(self, number: int) -> None:
        self._waiting.clear()
        self._missing.clear()
        self._next = self._lost_before = number
        self._highest = number - 1

    def _extend(self, sequence: int) -> int:
        """The number nearest to the highest that has this sequence number."""
        if self._next is None:
            return sequence + 0x10000
        step = (sequence - self._highest) & 0xFFFF
        return self._highest + (step if step < 0x8000 else step - 0x10000)
