"""Opus in RTP (RFC 7587): one packet, one payload."""

from __future__ import annotations

from segmenter.errors import MediaError
from segmenter.media import Sample, Track
from webrtc.rtp.limits import MAX_PAYLOAD_BYTES


class OpusPacketizer:
    """Packets of one track."""

    def __init__(self, track: Track) -> None:
        del track  # everything is in the packets

    def push(self, sample: Sample) -> list[bytes]:
        """The one payload. Raises MediaError for a packet beyond the MTU, which RFC 7587 4.2
        has no way to split (at 20 ms it would have 456 kb/s)."""
        if not 0 < sample.size_bytes <= MAX_PAYLOAD_BYTES:
            raise MediaError(f"Opus packet of {sample.size_bytes} bytes")
        return [bytes(sample.data)]
