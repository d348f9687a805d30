"""One source of a publisher: packets in, samples out, and what its receiver has to say; sans-IO."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from segmenter.media import MediaType, Sample, Track
from webrtc.bitrate import Bitrate
from webrtc.depacketizer import AccessUnits
from webrtc.jitter_buffer import AUDIO_WAIT_S, VIDEO_WAIT_S, Arrived, JitterBuffer
from webrtc.media_clock import PictureTimes, SourceClock
from webrtc.publication import ReceivePlan
from webrtc.publisher_rtcp import SenderReport
from webrtc.rtcp import ReportBlock
from webrtc.rtp_packet import RtpPacket

_ASK_S = 0.5
"""Between requests for a key frame: an encoder needs not more, and one may get lost."""


@dataclass(frozen=True, slots=True)
class IncomingStatistics:
    """One source since it began."""

    name: str
    kind: MediaType
    codec: str
    received: int
    """Packets, without retransmissions."""
    received_bytes: int
    """Of their payloads."""
    recovered: int
    """Packets that came after they had been missed."""
    lost: int
    """Packets given up."""
    broken: int
    """Access units that were lost or could not be read."""
    key_frames: int
    requests: int
    """Key frames that were asked for."""
    jitter_s: float
    loss: float
    """Fraction lost on the way as last reported, whether it came later or not."""
    bitrate: int
    """Bits per second of payload lately."""


class IncomingStream:
    """Owns the jitter buffer, depacketizer and clock of one SSRC; the publisher feeds it."""

    def __init__(
        self,
        ssrc: int,
        name: str,
        plan: ReceivePlan,
        now: float,
        pictures: PictureTimes | None = None,
    ) -> None:
        """``pictures`` are those of all layers, where this is one of several."""
        self.ssrc = ssrc
        self.name = name
        self.plan = plan
        self.clock = SourceClock(plan.clock_rate)
        self.last_key: int | None = None
        """dts of its last key frame."""
        self.received = 0
        self._received_bytes = self._key_frames = self._requests = 0
        self._buffer = JitterBuffer(VIDEO_WAIT_S if plan.may_nack else AUDIO_WAIT_S)
        self._units = AccessUnits(plan.codec, name)
        self._pictures = pictures
        self._track: Track | None = None
        self._last_dts: int | None = None
        self._asked_at = now  # a source begins with a key frame, which may be on its way
        self._is_asked = False
        self._first_sequence: int | None = None
        self._highest = 0
        self._expected_before = self._received_before = 0
        self._loss = 0.0
        self._bitrate = Bitrate()
        self._jitter = 0.0
        self._last_transit: float | None = None
        self._last_report: tuple[int, float] | None = None

    @property
    def track(self) -> Track | None:
        """What is known of it."""
        track = self._units.track
        if track is None or track.name == self.name:
            return track
        if self._track is None or self._track != replace(track, name=self.name):
            self._track = replace(track, name=self.name)
        return self._track

    def push(
        self,
        packet: RtpPacket,
        now: float,
        elapsed_s: float,
        beside: Iterable[IncomingStream] = (),
    ) -> list[Sample]:
        """A packet that came ``elapsed_s`` after the publisher's beginning, ``beside`` the other
        sources."""
        self._count(packet, now)
        if not self.clock.is_placed:
            self.clock.place(packet.timestamp, elapsed_s)
        self.clock.hear(packet.timestamp, elapsed_s)
        if self.clock.is_doubted:
            self.clock.make_up(each.clock for each in beside)
        return self._samples(self._buffer.push(packet, now), now)

    def push_repaired(self, packet: RtpPacket, now: float) -> list[Sample]:
        """A packet that was sent again (RFC 4588)."""
        return self._samples(self._buffer.push(packet, now), now) if self.clock.is_placed else []

    def handle_timer(self, now: float) -> list[Sample]:
        """Samples behind packets that are given up."""
        return self._samples(self._buffer.handle_timer(now), now)

    def take_nacks(self, now: float) -> list[int]:
        """What to ask for again."""
        return self._buffer.take_nacks(now) if self.plan.may_nack else []

    def ask_for_key_frame(self) -> None:
        """Somebody needs one; it is asked for once."""
        self._is_asked = True

    def takes_request(self, now: float) -> bool:
        """Whether a key frame is to be asked for now."""
        if self.plan.kind is not MediaType.VIDEO or now - self._asked_at < _ASK_S:
            return False
        if not self._is_asked and not self._units.needs_key_frame:
            return False
        self._asked_at, self._is_asked = now, False
        self._requests += 1
        return True

    def take_report(self, report: SenderReport, now: float) -> None:
        """The publisher's sender report."""
        self._last_report = (report.ntp >> 16 & 0xFFFFFFFF, now)
        self.clock.report(report.ntp, report.timestamp)

    def reception(self, now: float) -> ReportBlock:
        """What to report since the last time (RFC 3550 A.3); about once a second."""
        expected = self._highest - (self._first_sequence or 0) + 1 if self.received else 0
        lately = expected - self._expected_before
        lost_lately = lately - (self.received - self._received_before)
        self._expected_before, self._received_before = expected, self.received
        fraction = min(255, (lost_lately << 8) // lately) if lately > 0 < lost_lately else 0
        self._loss = fraction / 256
        self._bitrate.read(self._received_bytes, now)
        middle, since = self._last_report or (0, now)
        return ReportBlock(
            self.ssrc,
            fraction,
            expected - self.received,
            self._highest,
            int(self._jitter),
            middle,
            int((now - since) * 65_536),
        )

    def statistics(self) -> IncomingStatistics:
        """The present counts."""
        return IncomingStatistics(
            self.name,
            self.plan.kind,
            self.plan.codec.value,
            self.received,
            self._received_bytes,
            self._buffer.recovered,
            self._buffer.lost,
            self._units.broken,
            self._key_frames,
            self._requests,
            self._jitter / self.plan.clock_rate,
            self._loss,
            self._bitrate.bits_per_second,
        )

    def _samples(self, arrived: list[Arrived], now: float) -> list[Sample]:
        samples: list[Sample] = []
        for each in arrived:
            for unit in self._units.push(each):
                dts = self.clock.media_ticks(unit.timestamp)
                if self._pictures is not None:
                    dts = self._pictures.settle(dts)
                if self._last_dts is not None:
                    dts = max(dts, self._last_dts + 1)
                self._last_dts = dts
                if unit.is_sync:
                    self.last_key = dts
                    self._key_frames += 1
                    self._is_asked = False  # whoever wanted one has it
                # Of Opus alone, whose track counts as its RTP clock does.
                samples.append(Sample(self.name, dts, dts, unit.data, unit.is_sync, unit.duration))
        return samples

    def _count(self, packet: RtpPacket, now: float) -> None:
        """Reception statistics (RFC 3550 A.1, A.8)."""
        if self._first_sequence is None:
            self._first_sequence = self._highest = packet.sequence
        step = (packet.sequence - self._highest) & 0xFFFF
        if step < 0x8000:
            self._highest += step
        self.received += 1
        self._received_bytes += len(packet.payload)
        transit = now * self.plan.clock_rate - packet.timestamp
        if self._last_transit is not None:
            change = abs(transit - self._last_transit)
            if change < 1 << 31:  # not where the timestamp wraps
                self._jitter += (change - self._jitter) / 16
        self._last_transit = transit
