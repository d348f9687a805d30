"""What a fan-out tells: of its viewers, and of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from webrtc.lateness import LatenessCounts
from webrtc.viewer_settings import Address, Kind


@dataclass(frozen=True, slots=True)
class PictureLost:
    """The viewer cannot go on without a key frame (PLI, RFC 4585 6.3.1, or FIR, RFC 5104 4.3.1)."""

    viewer: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Bye:
    """The viewer has left (RTCP BYE). It stays until ``remove_viewer``."""

    viewer: int


@dataclass(frozen=True, slots=True)
class AddressChanged:
    """An authenticated check that nominates came from elsewhere; packets go there already."""

    viewer: int
    address: Address
    socket: int


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """One stream of a viewer. Counters are of its whole life, the rest as last reported."""

    packets: int
    """Sent, without resent ones."""
    bytes: int
    """Of their payloads (RFC 3550 6.4.1)."""
    resent: int
    nacks: int
    """Packets that were asked for again."""
    skipped: int
    """Times that it lost pictures up to the next key frame, because its path was blocked or its
    thread late."""
    loss: float
    """Fraction lost between the last two receiver reports; 0.0 when there was none."""
    jitter_s: float
    lost: int = -1
    """Packets that never came, by the last report, which counts those as well that came as a resend
    with another SSRC (RTX). -1: there was no report yet."""


@dataclass(frozen=True, slots=True)
class ViewerSummary:
    """Of each viewer about once a second."""

    viewer: int
    last_seen_s: float
    """When anything authenticated last came from it, by the monotonic clock."""
    video: StreamSummary | None
    audio: StreamSummary | None
    rtt_s: float
    """From the last receiver report; 0.0 when unknown."""
    remb_bitrate: int
    """The viewer's own estimate (REMB) in bits per second; 0 when there was none."""
    reported_s: float
    """How long a time the transport-wide feedback since the last summary is about; 0.0: none."""
    reported_packets: int
    """Packets that it reported, received or not."""
    reported_loss: float
    """Fraction of them that was not received."""
    received_bitrate: int
    """Bits per second that arrived in that time."""
    queue_delay_s: float
    """How much longer packets were under way at the end of that time than in the best of late."""
    delay_slope: float
    """Seconds by which that delay grows in a second."""
    burst_bitrate: int
    """Bits per second at which packets that had left together arrived, the newest counting most: as
    much as the narrowest link on the way carries, however little is sent. 0: there were none."""
    send_failures: int
    """Datagrams that the system refused to send, in its whole life."""

    @property
    def streams(self) -> dict[Kind, StreamSummary]:
        """Picture and sound, those that there are."""
        both: dict[Kind, StreamSummary | None] = {"video": self.video, "audio": self.audio}
        return {kind: stream for kind, stream in both.items() if stream is not None}


@dataclass(frozen=True, slots=True)
class FanoutStatistics:
    """Counters since the start, unless they say otherwise."""

    native: bool
    crypto: str
    """Who encrypts: which library."""
    gso: bool
    """Whether runs of packets leave as one (UDP_SEGMENT)."""
    threads: int
    rings: int
    """Now."""
    viewers: int
    """Now."""
    packets: int
    bytes: int
    """Of all datagrams sent, with headers and tags."""
    resent: int
    calls: int
    """Of sendmmsg."""
    blocked: int
    """Times that a socket's buffer was full."""
    failures: int
    """Datagrams that the system refused to send."""
    skipped: int
    """Times that a viewer lost pictures up to the next key frame."""
    received: int
    """Datagrams dealt with here."""
    passed: int
    """Datagrams handed on."""
    rejected: int
    """Datagrams of viewers that were forged, repeated or damaged."""
    sound_lateness: LatenessCounts
    """How long after they were written access units had left, to each viewer that keeps up."""
    picture_lateness: LatenessCounts


Event: TypeAlias = PictureLost | Bye | AddressChanged | ViewerSummary
