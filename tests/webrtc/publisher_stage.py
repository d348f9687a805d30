"""A publisher of WebRTC, and what becomes of its packets."""

from __future__ import annotations

import dataclasses
import itertools
import struct
from collections.abc import Iterable

from segmenter.media import Codec, MediaType, Sample
from tests.webrtc.clips import audio_clip, video_clip
from tests.webrtc.packets import packets_of, render
from webrtc.dtls import NegotiatedKeys
from webrtc.events import PublishedSamples, PublishedTracks, SignallingEvent
from webrtc.ice import Flow
from webrtc.negotiation import REPAIRED_RID, RID, TRANSPORT_CC
from webrtc.packetizer import packetizer_of
from webrtc.publication import ReceivePlan
from webrtc.publisher import Publisher
from webrtc.rtcp import RtcpMessage, parse_rtcp, render_sender_report
from webrtc.rtp_packet import RtpPacket
from webrtc.srtp import SrtpReceiver, SrtpSender
from webrtc.viewer_settings import SrtpKeys, SrtpProfile

HOME, AWAY = Flow(0, "192.0.2.7", 4711), Flow(0, "198.51.100.7", 4712)
OURS = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, b"o" * 16, b"o" * 12)
THEIRS = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, b"t" * 16, b"t" * 12)
EXTENSIONS = {TRANSPORT_CC: 3, RID: 10, REPAIRED_RID: 11}
VIDEO = ReceivePlan(MediaType.VIDEO, Codec.H264, 90_000, 96, 97, "1", (), True, EXTENSIONS)
AUDIO = ReceivePlan(MediaType.AUDIO, Codec.OPUS, 48_000, 111, None, "0", (), False, {})
LAYERS = dataclasses.replace(VIDEO, rids=("h", "l"))
SOUND = 9
MASK = 0xFFFFFFFF


class Stage:
    """A publisher of ours, and the browser that sends to it."""

    def __init__(self, *plans: ReceivePlan, look_s: float = 0.0) -> None:
        self.events: list[SignallingEvent] = []
        self.sent: list[bytes] = []
        self.flows: list[Flow] = []
        """Where each went."""
        self._last: dict[int, int] = {}
        self.publisher = Publisher(
            "id", "live", plans, 4, self._take_sent, self.events.append, look_s=look_s
        )
        self.publisher.connect(NegotiatedKeys(OURS, THEIRS), HOME, 0.0)
        self._protect = SrtpSender(THEIRS)
        self.open = SrtpReceiver(OURS).unprotect_rtcp

    def _take_sent(self, flow: Flow, data: bytes) -> None:
        self.flows.append(flow)
        self.sent.append(data)

    def send(self, packets: Iterable[RtpPacket], now: float = 0.0) -> None:
        for each in packets:
            raw = render(each)
            size = len(raw) - len(each.payload)
            index = self._index(each)
            self.publisher.receive_media(self._protect.protect(raw[:size], raw[size:], index), now)

    def _index(self, packet: RtpPacket) -> int:
        """With the rollover counter (RFC 3711 3.3.1)."""
        last = self._last.get(packet.ssrc, packet.sequence)
        step = (packet.sequence - last) & 0xFFFF
        self._last[packet.ssrc] = last + step
        return last + step

    def report(self, *arguments: int, now: float = 0.0) -> None:
        ssrc, ntp, timestamp = arguments
        report = render_sender_report(ssrc, "c", ntp, timestamp, 1, 1)
        self.publisher.receive_media(self._protect.protect_rtcp(report), now)

    def answer(self, *items: int, now: float) -> None:
        """To a reference time: DLRR (RFC 3611 4.5)."""
        words = len(items)
        body = struct.pack(f"!IBxH{words}I", 1, 5, words, *items)
        compound = render_sender_report(1, "c", 0, 0, 1, 1)
        compound += struct.pack("!BBH", 0x80, 207, len(body) // 4) + body
        self.publisher.receive_media(self._protect.protect_rtcp(compound), now)

    def told(self) -> list[RtcpMessage]:
        """What the browser was told since it last looked."""
        sent, self.sent = self.sent, []
        return [message for data in sent for message in parse_rtcp(self.open(data))]

    @property
    def tracks(self) -> list[str]:
        lists = [event.tracks for event in self.events if isinstance(event, PublishedTracks)]
        return [track.name for track in lists[-1]] if lists else []

    def samples(self, name: str) -> list[Sample]:
        batches = [event.samples for event in self.events if isinstance(event, PublishedSamples)]
        return [sample for batch in batches for sample in batch if sample.track == name]


def pictures(
    ssrc: int = 1, rid: bytes = b"", count: int = 30, *, width: int = 160, base: int = 0
) -> list[RtpPacket]:
    """Timestamps of a layer count from ``base``."""
    clip = video_clip(width=width)
    packetizer = packetizer_of(clip.track)
    units = [packetizer.push(sample) for sample in clip.samples[:count]]
    extensions = {10: rid} if rid else {}
    return [
        dataclasses.replace(
            each,
            ssrc=ssrc,
            extensions=extensions,
            timestamp=(each.timestamp + base) & 0xFFFFFFFF,
        )
        for each in packets_of(units)
    ]


def by_picture(packets: Iterable[RtpPacket]) -> list[list[RtpPacket]]:
    return [list(group) for _, group in itertools.groupby(packets, lambda each: each.timestamp)]


def sound() -> list[RtpPacket]:
    units = [[sample.data] for sample in audio_clip().samples]
    made = packets_of(units, first_sequence=100, ticks=960)
    return [dataclasses.replace(each, ssrc=SOUND, payload_type=111) for each in made]
