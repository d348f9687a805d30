"""What a video track's codec configuration says of its pixels: their shape, their colours."""

from __future__ import annotations

import functools

from segmenter.codecs import av1, h264, h265, vp9
from segmenter.codecs.picture import NO_VUI_PICTURE, VuiPicture
from segmenter.errors import MediaError
from segmenter.media import Codec

PQ, HLG = 16, 18
"""Transfer characteristics of high dynamic range (ITU-T H.273)."""


@functools.lru_cache(maxsize=256)
def pixels_of(codec: Codec, codec_config: bytes) -> VuiPicture:
    """As the configuration has it; nothing where that is silent, or cannot be read."""
    try:
        return read_pixels(codec, codec_config)
    except (MediaError, IndexError):
        return NO_VUI_PICTURE


def read_pixels(codec: Codec, config: bytes) -> VuiPicture:
    """The same; NO_VUI_PICTURE itself where there is nothing to read. Raises MediaError."""
    if codec is Codec.H264:
        avc = h264.parse_sps(h264.parse_decoder_configuration(config).sps[0])
        return VuiPicture(avc.sample_aspect_ratio, avc.colour)
    if codec is Codec.H265:
        hevc = h265.parse_sps(h265.parse_decoder_configuration(config).sps[0])
        return VuiPicture(hevc.sample_aspect_ratio, hevc.colour)
    if codec is Codec.AV1:
        header = av1.parse_decoder_configuration(config).sequence_header
        return VuiPicture(colour=header.colour) if header is not None else NO_VUI_PICTURE
    if codec is Codec.VP9:
        return VuiPicture(colour=vp9.parse_decoder_configuration(config).colour)
    return NO_VUI_PICTURE


def video_range(codec: Codec, codec_config: bytes) -> str:
    """In the words of HLS (RFC 8216bis 4.4.6.2): SDR, PQ or HLG."""
    transfer = pixels_of(codec, codec_config).colour.transfer
    return {PQ: "PQ", HLG: "HLG"}.get(transfer, "SDR")
