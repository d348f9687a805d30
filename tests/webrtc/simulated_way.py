"""A fan-out, a way that a test describes, and a viewer at its end as browsers are; no real time.

show = Simulation(RUNGS)
show.run(10.0)                                  # all is well
show.way = Way(rate=1_000_000, delay_s=0.025)
show.run(10.0)
show.sent                                       # (second, rung) of each change
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.webrtc.fanout_stage import (
    RTX_SSRC,
    UTC_OFFSET_S,
    VIDEO,
    VIDEO_SSRC,
    VIEWER_SSRC,
    Packet,
    Stage,
    nack,
)
from tests.wire.way import Way, WireDirection
from webrtc.bandwidth import BandwidthEstimate
from webrtc.fanout_events import ViewerSummary
from webrtc.rendition_choice import RenditionChoice

STEP_S = 0.005
FRAME_S = 0.04
GOP_FRAMES = 25
KEY_WEIGHT = 5
"""A key frame is as large as so many others."""
PAYLOAD_BYTES = 1_100
FEEDBACK_S = 0.1
OVERHEAD_BYTES = 28
"""IPv4 and UDP."""
NACK_TRIES = 10
SLOWEST_NACK_S = 0.05
RUNGS = (600_000, 2_500_000)


@dataclass
class _Missing:
    since: float
    asked_at: float
    tries: int = 1


class Wait(NamedTuple):
    """For a packet that was lost: from when to when, and how often it was asked for."""

    since: float
    until: float
    tries: int


@dataclass
class Receiver:
    """What a browser does with packets: asks for those that are missing, tells when they came."""

    missing: dict[int, _Missing] = field(default_factory=dict)
    arrivals: dict[int, float] = field(default_factory=dict)
    """Transport-wide number, unwrapped, to time."""
    units: dict[int, set[int]] = field(default_factory=dict)
    """RTP timestamp to the sequence numbers of it that are there."""
    ends: dict[int, int] = field(default_factory=dict)
    """RTP timestamp to the number that has the marker."""
    seen: set[int] = field(default_factory=set)
    shown: list[tuple[float, int]] = field(default_factory=list)
    """When each picture was whole, and its timestamp."""
    highest: int | None = None
    reported: int = -1
    ssrc: int = VIDEO_SSRC
    rtx_ssrc: int = RTX_SSRC
    lost: int = 0
    """Packets that were missing at first."""
    repaired: int = 0
    """Packets that came by RTX."""
    waits: list[Wait] = field(default_factory=list)
    """Those that are over."""
    _next: dict[int, int] = field(default_factory=dict)
    """Packet that is missing to the timestamp of a picture that is there but for that."""

    def take(self, packet: Packet, now: float) -> None:
        self._note_arrival(packet, now)
        if packet.ssrc == self.rtx_ssrc:
            (sequence,) = struct.unpack_from("!H", packet.payload)
            self.repaired += 1
        elif packet.ssrc == self.ssrc:
            sequence = packet.sequence
        else:
            return
        sequence = self._unwrap(sequence)
        self._look_for_gaps(sequence, now)
        self.units.setdefault(packet.timestamp, set()).add(sequence)
        if packet.marker:
            self.ends[packet.timestamp] = sequence
        self._show(packet.timestamp, now)
        if sequence in self._next:
            self._show(self._next.pop(sequence), now)

    def _note_arrival(self, packet: Packet, now: float) -> None:
        (number,) = struct.unpack("!H", packet.elements[3])
        newest = max(self.arrivals, default=self.reported)
        self.arrivals[newest + _signed_16(number - newest)] = now

    def _unwrap(self, sequence: int) -> int:
        if self.highest is None:
            self.highest = sequence - 1
        return self.highest + _signed_16(sequence - self.highest)

    def _look_for_gaps(self, sequence: int, now: float) -> None:
        assert self.highest is not None
        for number in range(self.highest + 1, sequence):
            self.missing[number] = _Missing(now, now - 1.0, 0)
            self.lost += 1
        came = self.missing.pop(sequence, None)
        if came is not None:
            self.waits.append(Wait(came.since, now, came.tries))
        self.highest = max(self.highest, sequence)

    def _show(self, timestamp: int, now: float) -> None:
        """A picture is whole when everything between the one before and its marker is there."""
        end, there = self.ends.get(timestamp), self.units[timestamp]
        if end is None or len(there) < end - min(there) + 1:
            return
        if min(there) - 1 in self.missing:
            self._next[min(there) - 1] = timestamp
            return
        if timestamp not in self.seen:
            self.seen.add(timestamp)
            self.shown.append((now, timestamp))

    def wanted(self, now: float) -> list[int]:
        """What to ask for again."""
        wanted = []
        for number, missing in list(self.missing.items()):
            if missing.tries >= NACK_TRIES:
                del self.missing[number]
            elif now - missing.asked_at > SLOWEST_NACK_S:
                missing.asked_at, missing.tries = now, missing.tries + 1
                wanted.append(number & 0xFFFF)
        return wanted

    def feedback(self) -> bytes | None:
        """Transport-wide feedback since the last, with holes; None without any packet."""
        if not self.arrivals:
            return None
        first, last = self.reported + 1, max(self.arrivals)
        came = [self.arrivals.get(number) for number in range(first, last + 1)]
        self.reported = last
        self.arrivals.clear()
        return render_feedback(first, came)


def _signed_16(difference: int) -> int:
    return (difference + 0x8000 & 0xFFFF) - 0x8000


def render_feedback(first: int, came: Sequence[float | None]) -> bytes:
    """RTCP with two bytes for each delta; seconds of any clock."""
    base = int(next(time for time in came if time is not None) / 0.064)
    symbols = [0 if time is None else 2 for time in came]
    symbols += [0] * (-len(symbols) % 7)
    chunks = b"".join(
        struct.pack("!H", 0xC000 | sum(s << 12 - 2 * n for n, s in enumerate(symbols[at : at + 7])))
        for at in range(0, len(symbols), 7)
    )
    last, deltas = base * 256, b""
    for time in came:
        if time is not None:
            ticks = round(time / 0.00025)
            deltas += struct.pack("!h", ticks - last)
            last = ticks
    head = struct.pack("!HH3sB", first & 0xFFFF, len(came), (base & 0xFFFFFF).to_bytes(3, "big"), 0)
    body = head + chunks + deltas
    body += bytes(-len(body) % 4)
    return struct.pack("!BBHII", 0x8F, 205, 2 + len(body) // 4, VIEWER_SSRC, VIDEO_SSRC) + body


class Simulation:
    """Rungs of a video to one viewer, chosen as a subscriber chooses."""

    def __init__(self, stage: Stage, rungs: Sequence[int] = RUNGS, way: Way | None = None) -> None:
        self.stage = stage
        self.rungs = tuple(rungs)
        self.receiver = Receiver()
        self.summaries: list[ViewerSummary] = []
        self.sent: list[tuple[float, int]] = []
        """Seconds since the beginning, and the rung that was chosen then."""
        self.began_s = stage.now_s
        self._down = WireDirection(1)
        self._back: list[tuple[float, bytes]] = []
        self._delay_s = 0.0
        self._rings = [stage.fanout.add_ring(90_000) for _ in rungs]
        self._frames = itertools.count()
        self._written_s: list[float] = []
        self._next_frame_at = self._next_feedback_at = stage.now_s
        self._estimate, self._choice = BandwidthEstimate(), RenditionChoice()
        self.set(way or Way())
        for _ in range(GOP_FRAMES - 5):  # somebody joins late in a group of pictures
            self._write_frame()
        self._viewer = stage.join(audio=None, pace_bitrate=50_000_000)
        self._choose(self._choice.first(self.rungs))

    @property
    def rung(self) -> int:
        """Which it is sent, or will be from the next key frame on."""
        return self.sent[-1][1]

    def set(self, way: Way) -> None:
        """How the way is from now on; feedback has the same delay and no loss."""
        self._down.set(way, self.stage.now_s)
        self._delay_s = way.delay_s

    def run(self, seconds: float) -> None:
        """Let it happen."""
        for _ in range(round(seconds / STEP_S)):
            self.stage.now_s += STEP_S
            if self.stage.now_s >= self._next_frame_at:
                self._next_frame_at += FRAME_S
                self._write_frame()
            self._carry()
            self._report()
            self._judge()

    def frozen_s(self, since: float = 0.0, until: float = 1e9) -> float:
        """How long pictures stood: gaps of 200 ms and more between pictures that were whole."""
        times = [at - self.began_s for at, _ in self.receiver.shown]
        gaps = [b - a for a, b in itertools.pairwise(times) if since <= a and b <= until]
        return sum(gap for gap in gaps if gap > 0.2)

    @property
    def lag_s(self) -> float:
        """How much later than it was written the newest picture was whole."""
        at, timestamp = self.receiver.shown[-1]
        frames = (timestamp - VIDEO.timestamp_offset & 0xFFFFFFFF) // 3600
        return at - self._written_s[frames]

    def _write_frame(self) -> None:
        number = next(self._frames)
        self._written_s.append(self.stage.now_s)
        is_key = number % GOP_FRAMES == 0
        for ring, bitrate in zip(self._rings, self.rungs, strict=True):
            unit = bitrate / 8 * FRAME_S * GOP_FRAMES / (GOP_FRAMES - 1 + KEY_WEIGHT)
            payloads = list(_payloads(round(unit * (KEY_WEIGHT if is_key else 1))))
            utc_s = UTC_OFFSET_S + 100.0 + number * FRAME_S
            now_s = self.stage.now_s
            self.stage.fanout.write(ring, payloads, number * 3600, is_key, utc_s, now_s=now_s)

    def _carry(self) -> None:
        stage, viewer, now = self.stage, self._viewer, self.stage.now_s
        stage.step()
        for datagram in viewer.datagrams():
            self._down.push(datagram + bytes(OVERHEAD_BYTES), now)
        for carried in self._down.pop(now):
            datagram = carried[:-OVERHEAD_BYTES]
            if not 192 <= datagram[1] <= 223:
                self.receiver.take(viewer.open(datagram), now)

    def _report(self) -> None:
        now = self.stage.now_s
        wanted = self.receiver.wanted(now)
        if wanted:
            self._back.append((now + self._delay_s, nack(VIDEO_SSRC, *wanted[:100])))
        if now >= self._next_feedback_at:
            self._next_feedback_at += FEEDBACK_S
            feedback = self.receiver.feedback()
            if feedback is not None:
                self._back.append((now + self._delay_s, feedback))
        while self._back and self._back[0][0] <= now:
            self.stage.send(self._viewer, self._viewer.seal(self._back.pop(0)[1]))

    def _judge(self) -> None:
        now = self.stage.now_s
        for event in self.stage.fanout.poll(now_s=now):
            if isinstance(event, ViewerSummary):
                self.summaries.append(event)
                bandwidth = self._estimate.update(event)
                if bandwidth is not None:
                    self._choose(self._choice.choose(self.rungs, self.rung, bandwidth, now))

    def _choose(self, rung: int) -> None:
        if not self.sent or rung != self.rung:
            self.sent.append((self.stage.now_s - self.began_s, rung))
            self.stage.fanout.play(self._viewer.number, "video", self._rings[rung])


def _payloads(size: int) -> Iterator[bytes]:
    count = -(-size // PAYLOAD_BYTES)
    for place in range(count):
        yield bytes([place & 0xFF]) * (size // count)
