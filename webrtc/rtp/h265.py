"""H.265 in RTP (RFC 7798), without decoding order numbers (sprop-max-don-diff 0)."""

from __future__ import annotations

from segmenter.codecs.h265 import parse_decoder_configuration
from segmenter.codecs.nal_units import split_length_prefixed
from segmenter.media import Sample, Track
from webrtc.rtp.limits import MAX_PAYLOAD_BYTES, fragment_bytes
from webrtc.rtp.nal_packets import pack

_AP = 48
_FU = 49
_START, _END = 0x80, 0x40
_HEADER_BYTES = 2


class H265Packetizer:
    """Access units of one track; parameter sets go before every sync sample."""

    def __init__(self, track: Track) -> None:
        config = parse_decoder_configuration(track.codec_config)
        sets = (*config.vps, *config.sps, *config.pps)
        self._parameter_sets = [memoryview(nal) for nal in sets]

    def push(self, sample: Sample) -> list[bytes]:
        """The payloads of one access unit, in order. Raises MediaError."""
        nals = [nal for nal in split_length_prefixed(sample.data) if len(nal) > _HEADER_BYTES]
        if sample.is_sync:
            nals = self._parameter_sets + nals
        return pack(nals, _HEADER_BYTES, _aggregate, _fragment)


def _aggregate(nals: list[memoryview]) -> bytes:
    """An aggregation packet (4.4.2) with the lowest layer and temporal id, or the NAL unit."""
    if len(nals) == 1:
        return bytes(nals[0])
    layer = min((nal[0] & 1) << 5 | nal[1] >> 3 for nal in nals)
    temporal = min(nal[1] & 7 for nal in nals)
    head = bytes((_AP << 1 | layer >> 5, (layer & 0x1F) << 3 | temporal))
    pieces: list[bytes | memoryview] = [head]
    for nal in nals:
        pieces += (len(nal).to_bytes(2, "big"), nal)
    return b"".join(pieces)


def _fragment(nal: memoryview) -> list[bytes]:
    """Fragmentation units (4.4.3)."""
    size = len(nal)
    step = fragment_bytes(size - _HEADER_BYTES, MAX_PAYLOAD_BYTES - 3)
    kind = nal[0] >> 1 & 0x3F
    first, second = nal[0] & 0x81 | _FU << 1, nal[1]
    head = bytes((first, second, kind))
    starts = range(_HEADER_BYTES, size, step)
    fragments = [head + nal[start : start + step] for start in starts]
    fragments[0] = bytes((first, second, kind | _START)) + nal[starts[0] : starts[0] + step]
    fragments[-1] = bytes((first, second, kind | _END)) + nal[starts[-1] :]
    return fragments
