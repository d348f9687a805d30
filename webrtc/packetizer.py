"""Samples to RTP payloads, once for all viewers. Sans-IO.

The last payload of an access unit travels in a packet with the marker set (for Opus none does,
RFC 7587 4.1 has the marker for the start of a talkspurt); the fan-out sets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from segmenter.media import Codec, Sample, Track
from webrtc.errors import NoCommonCodec
from webrtc.rtp.av1 import Av1Packetizer
from webrtc.rtp.h264 import H264Packetizer
from webrtc.rtp.h265 import H265Packetizer
from webrtc.rtp.opus import OpusPacketizer
from webrtc.rtp.vp8 import Vp8Packetizer
from webrtc.rtp.vp9 import Vp9Packetizer

VIDEO_CLOCK_RATE: Final = 90_000
OPUS_CLOCK_RATE: Final = 48_000
"""RFC 7587 4.1: whatever the encoder's own rate was."""


class Packetizer(Protocol):
    """One track's samples in, payloads of at most MAX_PAYLOAD_BYTES out."""

    def push(self, sample: Sample) -> list[bytes]:
        """The payloads of one access unit, in order; it may be empty. Raises MediaError."""


_PACKETIZERS: Final[dict[Codec, Callable[[Track], Packetizer]]] = {
    Codec.H264: H264Packetizer,
    Codec.H265: H265Packetizer,
    Codec.AV1: Av1Packetizer,
    Codec.VP8: Vp8Packetizer,
    Codec.VP9: Vp9Packetizer,
    Codec.OPUS: OpusPacketizer,
}


def packetizer_of(track: Track) -> Packetizer:
    """The packetizer of a track's codec. Raises NoCommonCodec for AAC, which browsers do not take
    over RTP, and MediaError for a codec configuration that cannot be read."""
    made = _PACKETIZERS.get(track.codec)
    if made is None:
        raise NoCommonCodec(f"{track.codec.value} does not travel over WebRTC", value=track.name)
    return made(track)


def clock_rate_of(track: Track) -> int:
    """Ticks per second of the RTP timestamps of a track."""
    return OPUS_CLOCK_RATE if track.codec is Codec.OPUS else VIDEO_CLOCK_RATE


def rtp_timestamp(track: Track, pts: int) -> int:
    """Media time in RTP ticks, modulo 2**32: equal for all tracks at the same moment."""
    return pts * clock_rate_of(track) // track.timescale & 0xFFFFFFFF
