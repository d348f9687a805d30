"""The codecs parameter of HLS CODECS and DASH @codecs (RFC 6381), read from the track itself."""

from __future__ import annotations

from segmenter.codecs.aac import parse_audio_specific_config
from segmenter.codecs.h264 import parse_decoder_configuration as parse_avcc
from segmenter.errors import MediaError
from segmenter.media import Codec, Track


def codec_string(track: Track) -> str:
    """Such as ``avc1.64001f``, ``hvc1.1.6.L93.B0``, ``mp4a.40.2``, ``opus``.

    Raises MediaError when ``track.codec_config`` is broken.
    """
    config = track.codec_config
    match track.codec:
        case Codec.H264:
            return _avc1(config)
        case Codec.AAC:
            return f"mp4a.40.{parse_audio_specific_config(config).object_type}"
        case Codec.OPUS:
            return "opus"
        case _:
            raise MediaError(f"no codec string for {track.codec.value}")


def _avc1(config: bytes) -> str:
    avc = parse_avcc(config)
    return f"avc1.{avc.profile_idc:02x}{avc.constraint_flags:02x}{avc.level_idc:02x}"
