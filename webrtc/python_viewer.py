"""A viewer of the Python fan-out: its streams, and what it tells of itself. Sans-IO."""

from __future__ import annotations

from collections.abc import Callable

from webrtc.errors import LocalError
from webrtc.fanout_events import (
    AddressChanged,
    Bye,
    Event,
    PictureLost,
    StreamSummary,
    ViewerSummary,
)
from webrtc.packet_heads import ntp_of
from webrtc.rtcp import (
    Arrivals,
    Goodbye,
    Nack,
    PictureLoss,
    Remb,
    ReportBlock,
    parse_rtcp,
)
from webrtc.srtp import SrtpReceiver, SrtpSender
from webrtc.viewer_reports import ArrivalStatistics, SentPackets, round_trip_s
from webrtc.viewer_settings import Kind, ViewerSettings
from webrtc.viewer_stream import ViewerStream

SUMMARY_INTERVAL_S = 1.0


class PythonViewer:
    """One viewer's state; the fan-out calls it."""

    def __init__(self, number: int, settings: ViewerSettings, now_s: float) -> None:
        self.number = number
        self.settings = settings
        self.place = (settings.socket, settings.address[:2])
        self.username = settings.ice_username
        self.password = settings.ice_password
        self.receiver = SrtpReceiver(settings.receive_keys)
        self.last_seen_s = now_s
        self.summary_s = now_s + SUMMARY_INTERVAL_S
        self.rtt_s = 0.0
        self.send_failures = 0
        self._remb_bitrate = 0
        self._sent = SentPackets()
        self._arrivals = ArrivalStatistics()
        sender = SrtpSender(settings.send_keys)
        self._streams: dict[Kind, ViewerStream] = {}
        if settings.audio is not None:
            self._streams["audio"] = ViewerStream("audio", settings.audio, sender, self._sent)
        if settings.video is not None:
            self._streams["video"] = ViewerStream("video", settings.video, sender, self._sent)

    @property
    def streams(self) -> list[ViewerStream]:
        """Audio first."""
        return list(self._streams.values())

    @property
    def skipped(self) -> int:
        """Times that pictures were lost up to a key frame, of both streams."""
        return sum(stream.skipped for stream in self._streams.values())

    @property
    def carried_bitrate(self) -> float:
        """Bits per second that the way to it carries, by its feedback of bursts; 0.0: unknown."""
        return self._arrivals.carried_bitrate

    def has(self, kind: Kind) -> bool:
        """Whether it takes this kind."""
        return kind in self._streams

    def stream(self, kind: Kind) -> ViewerStream:
        """Raises LocalError when it does not take this kind."""
        stream = self._streams.get(kind)
        if stream is None:
            raise LocalError(f"the viewer takes no {kind}", value=self.number)
        return stream

    def address_changed(self) -> AddressChanged:
        """The event that tells its new address."""
        return AddressChanged(self.number, self.place[1], self.place[0])

    def receive_rtcp(
        self,
        compound: bytes,
        now_s: float,
        now_utc: float,
        ask_again: Callable[[PythonViewer, ViewerStream, tuple[int, ...]], None],
    ) -> list[Event]:
        """One compound packet; NACKs go to ``ask_again``."""
        events: list[Event] = []
        for message in parse_rtcp(compound):
            if isinstance(message, ReportBlock):
                self._receive_block(message, now_utc)
            elif isinstance(message, Remb):
                self._remb_bitrate = message.bitrate
            elif isinstance(message, Arrivals):
                self._arrivals.receive(message, self._sent, now_s)
            elif isinstance(message, Goodbye):
                events.append(Bye(self.number))
            else:
                stream = self._stream_of(message.ssrc)
                if stream is None:
                    continue
                if isinstance(message, PictureLoss):
                    events.append(PictureLost(self.number, stream.kind))
                elif isinstance(message, Nack):
                    ask_again(self, stream, message.sequences)
        return events

    def _receive_block(self, block: ReportBlock, now_utc: float) -> None:
        stream = self._stream_of(block.ssrc)
        if stream is not None:
            stream.reports.receive(block)
            rtt_s = round_trip_s(block, ntp_of(now_utc))
            self.rtt_s = self.rtt_s if rtt_s is None else rtt_s

    def _stream_of(self, ssrc: int) -> ViewerStream | None:
        return next((s for s in self._streams.values() if s.settings.ssrc == ssrc), None)

    def summary(self, now_s: float) -> ViewerSummary:
        """Of the time since the last one."""
        self.summary_s = now_s + SUMMARY_INTERVAL_S
        reported_s, packets, loss, bitrate, queue_s, slope, burst = self._arrivals.summary()
        return ViewerSummary(
            viewer=self.number,
            last_seen_s=self.last_seen_s,
            video=self._stream_summary("video"),
            audio=self._stream_summary("audio"),
            rtt_s=self.rtt_s,
            remb_bitrate=self._remb_bitrate,
            reported_s=reported_s,
            reported_packets=packets,
            reported_loss=loss,
            received_bitrate=bitrate,
            queue_delay_s=queue_s,
            delay_slope=slope,
            burst_bitrate=burst,
            send_failures=self.send_failures,
        )

    def _stream_summary(self, kind: Kind) -> StreamSummary | None:
        stream = self._streams.get(kind)
        if stream is None:
            return None
        return StreamSummary(
            packets=stream.packets,
            bytes=stream.bytes,
            resent=stream.resent,
            nacks=stream.nacks,
            skipped=stream.skipped,
            loss=stream.reports.loss,
            jitter_s=stream.reports.jitter_s,
            lost=stream.reports.lost,
        )
