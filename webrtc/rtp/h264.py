"""H.264 in RTP (RFC 6184), packetization-mode 1."""

from __future__ import annotations

from segmenter.codecs.h264 import parse_decoder_configuration
from segmenter.codecs.nal_units import split_length_prefixed
from segmenter.media import Sample, Track
from webrtc.rtp.limits import MAX_PAYLOAD_BYTES, fragment_bytes
from webrtc.rtp.nal_packets import pack

_HEADER_BYTES = 1
_STAP_A = 24
_FU_A = 28
_START, _END = 0x80, 0x40


class H264Packetizer:
    """Access units of one track; parameter sets go before every sync sample (8.2.1)."""

    def __init__(self, track: Track) -> None:
        config = parse_decoder_configuration(track.codec_config)
        self._parameter_sets = [memoryview(nal) for nal in (*config.sps, *config.pps)]

    def push(self, sample: Sample) -> list[bytes]:
        """The payloads of one access unit, in order. Raises MediaError."""
        nals = split_length_prefixed(sample.data)
        if sample.is_sync:
            nals = self._parameter_sets + nals
        return pack(nals, _HEADER_BYTES, _aggregate, _fragment)


def _aggregate(nals: list[memoryview]) -> bytes:
    """STAP-A (5.7.1), or a single NAL unit as it is."""
    if len(nals) == 1:
        return bytes(nals[0])
    importance = max(nal[0] & 0x60 for nal in nals)
    pieces: list[bytes | memoryview] = [bytes((importance | _STAP_A,))]
    for nal in nals:
        pieces += (len(nal).to_bytes(2, "big"), nal)
    return b"".join(pieces)


def _fragment(nal: memoryview) -> list[bytes]:
    """FU-A (5.8)."""
    size = len(nal)
    step = fragment_bytes(size - 1, MAX_PAYLOAD_BYTES - 2)
    indicator, kind = nal[0] & 0xE0 | _FU_A, nal[0] & 0x1F
    head = bytes((indicator, kind))
    fragments = [head + nal[start : start + step] for start in range(1, size, step)]
    fragments[0] = bytes((indicator, kind | _START)) + nal[1 : 1 + step]
    last = 1 + (len(fragments) - 1) * step
    fragments[-1] = bytes((indicator, kind | _END)) + nal[last:]
    return fragments
