"""What FFmpeg's encoders give out, as Headwater's canonical samples and codec configurations."""

from __future__ import annotations

from fractions import Fraction

from segmenter.codecs import av1, h264, h265, vp9
from segmenter.codecs.nal_units import split_annex_b, split_length_prefixed
from segmenter.media import Codec

LENGTH_PREFIXED = frozenset({"libx264"})
"""Encoders that we tell to write lengths instead of start codes."""

_SEI = 6
_USER_DATA_UNREGISTERED = 5
"""SEI payload with the encoder's settings as text; captions are payload 4 and stay."""


def codec_config_of(codec: Codec, extradata: bytes, first: bytes, frame_rate: Fraction) -> bytes:
    """`Track.codec_config` from an encoder's extradata and its first access unit.

    Raises MediaError when they hold no configuration.
    """
    if codec is Codec.AV1:
        return av1.decoder_configuration_from_sample(first)
    if codec is Codec.VP9:
        return vp9.decoder_configuration_from_frame(first, frame_rate)
    if codec is Codec.H265:
        return h265.decoder_configuration_from_nals(split_annex_b(extradata))
    if extradata[:1] == b"\x01":
        return extradata
    return h264.decoder_configuration_from_nals(split_annex_b(extradata))


def canonical_sample(codec: Codec, encoder: str, data: bytes) -> bytes:
    """One access unit in canonical form, without parameter sets and encoder banners."""
    if codec is Codec.H264:
        if encoder not in LENGTH_PREFIXED:
            return h264.access_unit([n for n in split_annex_b(data) if not _is_banner(n)])
        if data[4] & 0x1F != _SEI:
            return data
        return h264.access_unit([n for n in split_length_prefixed(data) if not _is_banner(n)])
    if codec is Codec.H265:
        return h265.access_unit(split_annex_b(data))
    if codec is Codec.AV1:
        return av1.strip_temporal_delimiters(data)
    return data


def _is_banner(nal: bytes | memoryview) -> bool:
    return len(nal) > 1 and nal[0] & 0x1F == _SEI and nal[1] == _USER_DATA_UNREGISTERED
