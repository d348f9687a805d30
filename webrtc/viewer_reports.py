"""What a viewer's RTCP says of it, gathered for about a second. Sans-IO; specification of the C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from webrtc.rtcp import Arrivals, ReportBlock

HISTORY_PACKETS: Final = 1024
"""Sent packets that are remembered for transport-wide feedback: 200 ms of a burst at full pace,
3 s of a 2.7 Mb/s stream; feedback comes each 60 ms and a round trip later."""

BASELINE_S: Final = 10.0
"""For how long the least delay counts: it is the best of this and the span before, so that clocks
that drift apart by 100 ppm put 2 ms on the queue at most."""

BURST_GAP_US: Final = 3_500
"""Packets that leave within this of each other are of one burst: the pace of 50 Mb/s puts 3.1 ms
between chunks."""
BURST_PACKETS: Final = 6
"""At least so many arrive of a burst that counts: a key frame of 7 kB is one. A router that lets
3 kB pass at once is seen half as fast again as it is."""
BURST_MOST_PACKETS: Final = 64
"""Of one burst: a joiner's is several."""
BURST_MEMORY: Final = 0.5
"""What the bursts before a burst count for."""

_TICK_US: Final = 250
_WRAP: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class _Sent:
    sequence: int
    time_us: int
    """Of the sender's clock, modulo 2**32."""
    size_bytes: int


class SentPackets:
    """The transport-wide sequence numbers of one viewer and what they were given to."""

    def __init__(self) -> None:
        self.next_sequence = 0
        self._sent: list[_Sent | None] = [None] * HISTORY_PACKETS

    def note(self, now_s: float, size_bytes: int) -> int:
        """The number for a packet that leaves now."""
        sequence, self.next_sequence = self.next_sequence, self.next_sequence + 1 & 0xFFFF
        time_us = int(now_s * 1e6) % _WRAP
        self._sent[sequence % HISTORY_PACKETS] = _Sent(sequence, time_us, size_bytes)
        return sequence

    def take(self, sequence: int, *, keep: bool) -> _Sent | None:
        """What was sent under a number, once."""
        sent = self._sent[sequence % HISTORY_PACKETS]
        if sent is None or sent.sequence != sequence:
            return None
        if not keep:
            self._sent[sequence % HISTORY_PACKETS] = None
        return sent


class Bursts:
    """How fast packets that left together arrive."""

    def __init__(self) -> None:
        self.carried_bitrate = 0.0
        """Bits per second; 0.0: nothing is known yet."""
        self._packets = self._bytes = self._began_us = self._arrived_us = 0
        self._total_bytes = self._total_us = 0.0
        self._is_new = False

    def note(self, gap_us: int, arrival_us: int, size_bytes: int) -> None:
        """A packet that left so long after the one before and came then."""
        goes_on = 0 < self._packets < BURST_MOST_PACKETS and 0 <= gap_us <= BURST_GAP_US
        if goes_on:
            self._packets += 1
            self._bytes += size_bytes
        else:
            self._end()
            self._packets, self._bytes, self._began_us = 1, 0, arrival_us
        self._arrived_us = arrival_us

    def _end(self) -> None:
        if self._packets >= BURST_PACKETS:
            span_us = max(self._arrived_us - self._began_us, _TICK_US)
            self._total_bytes = self._total_bytes * BURST_MEMORY + self._bytes
            self._total_us = self._total_us * BURST_MEMORY + span_us
            self.carried_bitrate = self._total_bytes * 8e6 / self._total_us
            self._is_new = True

    def bitrate(self) -> int:
        """Bits per second; 0 when there was no burst since last asked."""
        is_new, self._is_new = self._is_new, False
        return int(self.carried_bitrate) if is_new else 0


class ArrivalStatistics:
    """Delay and loss by transport-wide feedback, since they were last asked for."""

    def __init__(self) -> None:
        self._newest_ticks: int | None = None
        self._arrival_us = 0
        """Of the newest packet, by the viewer's clock, without wraps."""
        self._sent_us: int | None = None
        self._sent_total_us = 0
        self._least_us = [1 << 62, 1 << 62]
        self._baseline_s = 0.0
        self._delay_us = 0
        self.packets = self.lost = self.bytes = 0
        self._first_us = self._first_delay_us = 0
        self._sums = [0.0, 0.0, 0.0, 0.0]
        """Of 1, time, delay and time squared over the packets received, for the slope."""
        self._products_s = 0.0
        self._bursts = Bursts()

    def _clear(self) -> None:
        self.packets = self.lost = self.bytes = 0
        self._first_us = self._first_delay_us = 0
        self._sums = [0.0, 0.0, 0.0, 0.0]
        self._products_s = 0.0

    def receive(self, arrivals: Arrivals, sent: SentPackets, now_s: float) -> None:
        """One message of a viewer."""
        for offset, ticks in enumerate(arrivals.times):
            sequence = arrivals.first_sequence + offset & 0xFFFF
            packet = sent.take(sequence, keep=ticks is None)
            if packet is None:
                continue
            self.packets += 1
            if ticks is None:
                self.lost += 1
            else:
                self.bytes += packet.size_bytes
                self._note(ticks, packet.time_us, packet.size_bytes, now_s)

    def _note(self, ticks: int, sent_us: int, size_bytes: int, now_s: float) -> None:
        if self._newest_ticks is None or self._sent_us is None:
            self._newest_ticks, self._sent_us, self._baseline_s = ticks, sent_us, now_s
        self._arrival_us += _signed(ticks - self._newest_ticks) * _TICK_US
        gap_us = _signed(sent_us - self._sent_us)
        self._sent_total_us += gap_us
        self._bursts.note(gap_us, self._arrival_us, size_bytes)
        self._newest_ticks, self._sent_us = ticks, sent_us
        self._delay_us = self._arrival_us - self._sent_total_us
        if now_s - self._baseline_s > BASELINE_S:
            self._least_us = [self._least_us[1], 1 << 62]
            self._baseline_s = now_s
        self._least_us[1] = min(self._least_us[1], self._delay_us)
        if self._sums[0] == 0.0:
            self._first_us, self._first_delay_us = self._arrival_us, self._delay_us
        time_s = (self._arrival_us - self._first_us) / 1e6
        delay_s = (self._delay_us - self._first_delay_us) / 1e6
        for index, value in enumerate((1.0, time_s, delay_s, time_s * time_s)):
            self._sums[index] += value
        self._products_s += time_s * delay_s

    @property
    def carried_bitrate(self) -> float:
        """Bits per second of the last bursts; 0.0: there was none yet."""
        return self._bursts.carried_bitrate

    def summary(self) -> tuple[float, int, float, int, float, float, int]:
        """Seconds, packets, loss, bits per second, queueing delay, its slope, bits per second of
        bursts; then from 0."""
        count, times, delays, squares = self._sums
        span_s = (self._arrival_us - self._first_us) / 1e6 if count else 0.0
        spread = count * squares - times * times
        slope = (count * self._products_s - times * delays) / spread if spread > 1e-9 else 0.0
        queue_s = (self._delay_us - min(self._least_us)) / 1e6 if count else 0.0
        loss = self.lost / self.packets if self.packets else 0.0
        bitrate = int(self.bytes * 8 / span_s) if span_s > 0.0 else 0
        burst = self._bursts.bitrate()
        result = (max(span_s, 0.0), self.packets, loss, bitrate, queue_s, slope, burst)
        self._clear()
        return result


class ReportStatistics:
    """What receiver reports say of one stream."""

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self.loss = 0.0
        self.jitter_s = 0.0
        self.lost = -1
        """As many as never came by themselves; -1: no report has come."""

    def receive(self, block: ReportBlock) -> None:
        """One report block about this stream."""
        self.loss = block.fraction_lost / 256
        self.jitter_s = block.jitter / self._clock_rate
        self.lost = max(0, block.lost)


def round_trip_s(block: ReportBlock, ntp: int) -> float | None:
    """RFC 3550 6.4.1: from the report's last SR, its delay and now (64-bit NTP); None: unknown."""
    return elapsed_s(block.last_report, block.delay, ntp)


def elapsed_s(last_report: int, delay: int, ntp: int) -> float | None:
    """The same of who answers in another way."""
    if last_report == 0:
        return None
    elapsed = (ntp >> 16 & 0xFFFFFFFF) - last_report - delay & 0xFFFFFFFF
    return elapsed / 65536 if elapsed < 1 << 21 else None  # beyond half a minute it is nonsense


def _signed(difference: int) -> int:
    """A difference modulo 2**32 as the nearer of its two meanings."""
    difference %= _WRAP
    return difference - _WRAP if difference >= _WRAP // 2 else difference
