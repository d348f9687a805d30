"""One stream of one viewer: which packets come next, and which come again. Sans-IO.

The specification of the C, and packet_heads.py is. A stream reads one ring; a second one may be
pending, to which it goes over at a key frame. Its sequence numbers have no gaps whatever happens,
its timestamps are those of media time plus an offset (until it has caught up, backlog_times.py), so
both continue across a switch by themselves.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from webrtc.backlog_times import BacklogTimes
from webrtc.pace import Pace, exceeds
from webrtc.packet_heads import PacketHeads, ntp_of
from webrtc.packet_ring import AccessUnit, PacketRing, is_after
from webrtc.rtcp import render_sender_report
from webrtc.srtp import SrtpSender
from webrtc.viewer_reports import ReportStatistics, SentPackets
from webrtc.viewer_settings import Kind, Since, StreamSettings

CHUNK_PACKETS: Final = 16
"""Sent to one viewer before others have their turn: enough to make GSO worth while, 20 kB."""

MAX_LAG_S: Final = 1.0
"""A viewer that is sent pictures this much late goes to the newest key frame, if there is one."""
BEHIND_LAG_S: Final = 0.25
"""The same for one that is still catching up: what it is sent of before the newer key frame only
keeps it from the present."""

SWITCH_WAIT_S: Final = 0.25
"""For the other rendition, whose encoder may be slower, when this one has come to a key frame; and
for this one, when the other has. Then the switch waits for the next, or does without."""

RUNS_KEPT: Final = 8
"""Stretches of sequence numbers that packets are found by when they are asked for again."""

RESEND_GAIN: Final = 3
RESEND_COST: Final = 10
"""A viewer may have three packets resent for ten that it is sent. What is resent where the way is
too narrow is lost again and asked for again: without the bound that alone fills the way, for good
(tests/webrtc/test_narrow_ways.py)."""

RESEND_MOST: Final = 250 * RESEND_COST
"""And so many packets at once: most of a second of a 2.7 Mb/s stream. Of what was sent before a
switch of renditions only half, since that may have been why."""

RESENT_KEPT: Final = 128
RESEND_LEAST_S: Final = 0.01
RESEND_SHARE: Final = 0.6
"""A packet is not sent again within this share of a round trip, or the former. Who asks again does
so after a round trip as it knows it, which is a little less than ours every other time."""

REPORT_INTERVAL_S: Final = 1.0


@dataclass(slots=True)
class _Run:
    """Packets of one ring that have successive sequence numbers."""

    first_index: int
    ring: PacketRing
    first_packet: int
    count: int = 0


class ViewerStream:
    """Cursor, numbers and counters of one stream. Called by the one thread that sends it."""

    def __init__(
        self, kind: Kind, settings: StreamSettings, sender: SrtpSender, sent: SentPackets
    ) -> None:
        self.kind = kind
        self.settings = settings
        self.reports = ReportStatistics(settings.clock_rate)
        self.ring: PacketRing | None = None
        self.pending: PacketRing | None = None
        self.wake_s = math.inf
        """When to look again although nothing was written: pace, or a wait for a switch."""
        self.packets = self.bytes = self.resent = self.nacks = self.skipped = 0
        self._sender = sender
        self._heads = PacketHeads(kind, settings, sent)
        self._seen: dict[PacketRing, int] = {}
        self._is_told = False
        self._cursor = 0
        self._waits_for_key = False
        self._wait_until_s = math.inf
        self._index = settings.first_sequence
        self._rtx_index = settings.rtx_first_sequence
        self._last: AccessUnit | None = None
        self._ends_unit = False
        self._last_clock_rate = settings.clock_rate
        self._runs: deque[_Run] = deque(maxlen=RUNS_KEPT)
        self._pace = Pace()
        self._times = BacklogTimes()
        self._report_s = 0.0
        self._tokens = RESEND_MOST
        self._resent: list[tuple[int, float]] = [(-1, 0.0)] * RESENT_KEPT

    def is_due(self, now_s: float) -> bool:
        """Whether to look for packets: a ring has grown, the time has come, or a wish was told."""
        rings = [ring for ring in (self.ring, self.pending) if ring is not None]
        is_due = self._is_told or self.wake_s <= now_s
        is_due |= any(self._seen.get(ring, ring.next_packet) != ring.next_packet for ring in rings)
        self._seen = {ring: ring.next_packet for ring in rings}
        self._is_told = False
        return is_due

    @property
    def ended_written_s(self) -> float | None:
        """When the access unit was written that the latest chunk ends; None where it ends none, or
        the viewer is still catching up."""
        if self._last is None or not self._ends_unit or self._pace.is_behind:
            return None
        return self._last.written_s

    # -- what to play ------------------------------------------------------------------------

    def play(self, ring: PacketRing, since: Since, _now_s: float) -> None:
        """Begin with a ring, or go over to it at a key frame later than what was sent."""
        self._wait_until_s, self._is_told = math.inf, True
        if self.ring is None:
            self._start(ring, since)
        else:
            self.pending = None if ring is self.ring else ring

    def _start(self, ring: PacketRing, since: Since) -> None:
        self.ring, self.pending = ring, None
        self._pace.begin()
        key = ring.newest_key() if since == "key" else None
        if key is not None and self._last is not None:
            key = key if is_after(key.timestamp, self._last.timestamp) else None
        self._waits_for_key = key is None
        self._cursor = ring.next_packet if key is None else key.first_packet

    def pause(self, _now_s: float) -> None:
        """Send nothing more until the next ``play``; what was sent can still be asked for."""
        self.ring = self.pending = None

    def drop_ring(self, ring: PacketRing, _now_s: float) -> None:
        """The ring goes."""
        self._is_told = True
        self.pending = None if self.pending is ring else self.pending
        if self.ring is ring:
            self.ring, follower = None, self.pending
            if follower is not None:
                self._start(follower, "key")
        self._runs = deque((run for run in self._runs if run.ring is not ring), maxlen=RUNS_KEPT)

    def skip(self) -> None:
        """Lose everything up to the next key frame."""
        self.skipped += 1
        if self.ring is not None:
            self._cursor, self._waits_for_key = self.ring.next_packet, True

    # -- what comes next ---------------------------------------------------------------------

    def next_chunk(self, now_s: float, now_utc: float, most: float, carried: float) -> list[bytes]:
        """The next protected packets, at most CHUNK_PACKETS; none when it is not their time.

        Of video at most so many bits per second leave, and of what waits for who is behind what
        the way to it carries (0: unknown).
        """
        self.wake_s = math.inf
        chunk: list[bytes] = []
        self._pace.is_ebbing = self._is_to_ebb(carried)
        if self.kind == "video" and not self._pace.is_time(now_s):
            self.wake_s = self._pace.next_send_s
            return chunk
        while len(chunk) < CHUNK_PACKETS:
            unit = self._next_unit(now_s)
            if unit is None:
                break
            offset = self._cursor - unit.first_packet
            for place in range(offset, len(unit.payloads)):
                if len(chunk) == CHUNK_PACKETS:
                    break
                chunk.append(self._next_packet(unit, place, now_s, now_utc))
            self._ends_unit = self._cursor == unit.end_packet
        ring = self.ring
        if chunk and ring is not None and self.kind == "video":
            self._pace.note(sum(map(len, chunk)), now_s, most, ring.bitrate, carried)
        if not chunk and ring is not None and self._is_at_end(ring):
            self._pace.end()
        self._tokens = min(self._tokens + len(chunk) * RESEND_GAIN, RESEND_MOST)
        return chunk

    def _is_to_ebb(self, carried: float) -> bool:
        ring, pending = self.ring, self.pending
        if ring is None or pending is None or not 0 < pending.bitrate < ring.bitrate:
            return False
        return exceeds(ring.bitrate, carried)

    def _is_at_end(self, ring: PacketRing) -> bool:
        return not self._waits_for_key and self._cursor >= ring.next_packet

    def _next_unit(self, now_s: float) -> AccessUnit | None:
        """The unit at the cursor, after all decisions that fall at its beginning."""
        if self.ring is None:
            return None
        unit = self.ring.unit_at(self._cursor)
        if unit is not None and self._cursor > unit.first_packet:
            return unit
        if self.pending is not None and not self._is_ready_to_switch(unit, self.pending, now_s):
            return None
        ring = self.ring
        unit = ring.unit_at(self._cursor)
        most_s = BEHIND_LAG_S if self._pace.is_behind else MAX_LAG_S
        if self._cursor < ring.first_packet or (
            unit is not None and now_s - unit.written_s > most_s
        ):
            unit = self._catch_up(ring, unit)
        while unit is not None and self._waits_for_key and not unit.is_key:
            self._cursor = unit.end_packet
            unit = ring.unit_at(self._cursor)
        if unit is not None:
            self._waits_for_key = False
        return unit

    def _catch_up(self, ring: PacketRing, unit: AccessUnit | None) -> AccessUnit | None:
        """To the newest key frame, when it is later than the cursor; without one, wait for it."""
        key = ring.newest_key()
        if key is not None and key.first_packet > self._cursor:
            self.skipped += 1
            self._cursor, self._waits_for_key = key.first_packet, False
            return key
        if unit is None:
            self.skipped += 1
            self._cursor, self._waits_for_key = ring.next_packet, True
        return unit

    def _is_ready_to_switch(
        self, unit: AccessUnit | None, pending: PacketRing, now_s: float
    ) -> bool:
        """Whether to go on; goes over to the pending ring when that is due, and waits for the
        slower of the two where their key frames are to meet."""
        if self._last is None or self._waits_for_key:
            self._start(pending, "key")
            return True
        key = pending.first_key_after(self._last.timestamp)
        if key is not None and self._pace.is_ebbing:
            self._runs.clear()  # what got lost of this one is no use any more
            self._switch(pending, key)
            return True
        if key is not None and unit is not None:
            if is_after(key.timestamp, unit.timestamp):
                self._wait_until_s = math.inf
                return True  # this rendition's pictures up to that key frame first
            self._switch(pending, key)
            return True
        if key is None and (unit is None or not unit.is_key):
            self._wait_until_s = math.inf
            return True
        if self._wait_until_s == math.inf:
            self._wait_until_s = now_s + SWITCH_WAIT_S
        if now_s < self._wait_until_s:
            self.wake_s = self._wait_until_s
            return False
        if key is not None:
            self._switch(pending, key)
        return True

    def _switch(self, pending: PacketRing, key: AccessUnit) -> None:
        self.ring, self.pending, self._wait_until_s = pending, None, math.inf
        self._cursor, self._waits_for_key = key.first_packet, False
        self._pace.begin()

    # -- how it is sent ----------------------------------------------------------------------

    def _next_packet(self, unit: AccessUnit, place: int, now_s: float, now_utc: float) -> bytes:
        assert self.ring is not None
        run = self._runs[-1] if self._runs else None
        follows = (
            run is not None
            and run.ring is self.ring
            and run.first_packet + run.count == self._cursor
        )
        if run is None or not follows:
            run = _Run(self._index, self.ring, self._cursor)
            self._runs.append(run)
        payload = unit.payloads[place]
        if place == 0 and self.kind == "video":
            self._times.place(self._index, unit.timestamp, self.ring.newest_timestamp)
        header = self._header(unit, place, self._index, now_s, now_utc)
        packet = self._sender.protect(header, payload, self._index)
        run.count += 1
        self._index += 1
        self._cursor += 1
        self._last, self._last_clock_rate = unit, self.ring.clock_rate
        self.packets += 1
        self.bytes += len(payload)
        return packet

    def sender_report(self, now_s: float, now_utc: float, cname: str) -> bytes | None:
        """An SR when it is time for one (RFC 3550 6.4.1).

        Its two clocks are both told by media time, which is UTC: RTP time is what the last access
        unit's would be now. So the reports of two streams agree to the tick, however their
        packets were delayed.
        """
        unit = self._last
        if unit is None or self.ring is None or now_s < self._report_s:
            return None
        self._report_s = now_s + REPORT_INTERVAL_S
        ticks = math.floor((now_utc - unit.media_utc_s) * self._last_clock_rate + 0.5)
        timestamp = unit.timestamp + ticks + self.settings.timestamp_offset & 0xFFFFFFFF
        numbers = (ntp_of(now_utc), timestamp, self.packets, self.bytes)
        report = render_sender_report(self.settings.ssrc, cname, *numbers)
        return self._sender.protect_rtcp(report)

    # -- what is asked for again -------------------------------------------------------------

    def resend(
        self, sequences: tuple[int, ...], now_s: float, now_utc: float, rtt_s: float
    ) -> list[bytes]:
        """The packets of a NACK that are still there, within bounds."""
        packets: list[bytes] = []
        for sequence in sequences:
            self.nacks += 1
            packet = self._resend_one(
                sequence, now_s, now_utc, max(rtt_s * RESEND_SHARE, RESEND_LEAST_S)
            )
            if packet is not None:
                packets.append(packet)
        self.resent += len(packets)
        return packets

    def _resend_one(
        self, sequence: int, now_s: float, now_utc: float, pause_s: float
    ) -> bytes | None:
        index = self._index - 1 - ((self._index - 1 - sequence) & 0xFFFF)
        slot = index % RESENT_KEPT
        if self._tokens < RESEND_COST or index < 0 or self._pace.is_ebbing:
            return None
        if self._resent[slot][0] == index and now_s - self._resent[slot][1] < pause_s:
            return None
        found = self._find(index)
        if found is None:
            return None
        packet = self._repeat(*found, index, now_s, now_utc)
        if packet is not None:
            self._tokens -= RESEND_COST
            self._resent[slot] = (index, now_s)
        return packet

    def _find(self, index: int) -> tuple[AccessUnit, int] | None:
        for run in reversed(self._runs):
            if run.first_index <= index < run.first_index + run.count:
                is_of_before = self.ring is not None and run.ring is not self.ring
                if is_of_before and self._tokens < RESEND_MOST // 2:
                    return None
                packet = run.first_packet + index - run.first_index
                unit = run.ring.unit_at(packet)
                return None if unit is None else (unit, packet - unit.first_packet)
        return None

    def _repeat(
        self, unit: AccessUnit, place: int, index: int, now_s: float, now_utc: float
    ) -> bytes | None:
        """RFC 4588 4; without RTX the very same bytes, which need a header that never changes."""
        settings, payload = self.settings, unit.payloads[place]
        if settings.rtx_ssrc:
            header = self._header(unit, place, index, now_s, now_utc, is_rtx=True)
            original = (index & 0xFFFF).to_bytes(2, "big")
            packet = self._sender.protect(header, original + payload, self._rtx_index)
            self._rtx_index += 1
            return packet
        if not self._heads.are_repeatable:
            return None
        header = self._header(unit, place, index, now_s, now_utc)
        return self._sender.protect(header, payload, index)

    def _header(
        self,
        unit: AccessUnit,
        place: int,
        index: int,
        now_s: float,
        now_utc: float,
        *,
        is_rtx: bool = False,
    ) -> bytes:
        """Of the packet that was first sent with this index, by itself or as RTX."""
        is_last = place == len(unit.payloads) - 1
        stamp = self._times.stamp(index, unit.timestamp)
        size = len(unit.payloads[place]) + 2 * is_rtx
        number = self._rtx_index if is_rtx else index
        return self._heads.render(
            stamp, number, now_s, now_utc, size, is_last=is_last, is_rtx=is_rtx
        )
