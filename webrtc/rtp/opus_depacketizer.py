"""Opus out of RTP (RFC 7587): each payload is a packet."""

from __future__ import annotations

from segmenter.codecs import opus
from segmenter.media import Codec, Track
from webrtc.rtp.depacketizer import Unit

_PRE_SKIP = 312
"""What libopus has; RTP does not tell."""


class OpusDepacketizer:
    """Packets of one track, which is stereo: that is what the payload format is (RFC 7587 7)."""

    def __init__(self, name: str) -> None:
        config = opus.write_dops(opus.OpusConfig(2, _PRE_SKIP, opus.SAMPLE_RATE))
        self.track: Track | None = Track(
            name, Codec.OPUS, opus.SAMPLE_RATE, config,
            sample_rate=opus.SAMPLE_RATE, channels=2,
        )  # fmt: skip
        self._packet = b""

    def push(self, payload: bytes) -> None:
        """One packet."""
        self._packet = payload

    def take(self) -> Unit | None:
        """The packet. Raises MediaError."""
        packet = self._packet
        self.drop()
        return Unit(packet, True, opus.packet_duration(packet)) if packet else None

    def drop(self) -> None:
        """Forget it."""
        self._packet = b""
