"""The codecs parameter of HLS CODECS and DASH @codecs (RFC 6381), read from the track itself."""

from __future__ import annotations

from segmenter.codecs import av1, h264, h265, vp9
from segmenter.codecs.aac import parse_audio_specific_config
from segmenter.codecs.picture import UNSPECIFIED_COLOUR, Colour
from segmenter.media import Codec, Track

_ASSUMED_CODE_POINTS = (1, 2)
"""A string without colour means BT.709; 2, unspecified, is what players take for it anyway."""

_AV1_420_UNKNOWN_POSITION = "110"
_VP9_420_COLOCATED = 1


def codec_string(track: Track) -> str:
    """Such as ``avc1.64001f``, ``hvc1.1.6.L93.B0``, ``av01.0.08M.08``, ``mp4a.40.2``, ``opus``.

    AV1 and VP9 get their long form only when something in it differs from what the short form
    implies. Raises MediaError when ``track.codec_config`` is broken.
    """
    config = track.codec_config
    match track.codec:
        case Codec.H264:
            return _avc1(config)
        case Codec.H265:
            return _hvc1(config)
        case Codec.AV1:
            return _av01(config)
        case Codec.VP8:
            return "vp8"
        case Codec.VP9:
            return _vp09(config)
        case Codec.AAC:
            return f"mp4a.40.{parse_audio_specific_config(config).object_type}"
        case Codec.OPUS:
            return "opus"
        case Codec.MP3:
            return "mp3"


def _avc1(config: bytes) -> str:
    """ISO/IEC 14496-15 E.2."""
    avc = h264.parse_decoder_configuration(config)
    return f"avc1.{avc.profile_idc:02x}{avc.constraint_flags:02x}{avc.level_idc:02x}"


def _hvc1(config: bytes) -> str:
    """ISO/IEC 14496-15 E.3: compatibility flags in reverse bit order, constraints by the byte."""
    profile = h265.parse_decoder_configuration(config).profile
    space = ("", "A", "B", "C")[profile.profile_space]
    compatibility = int(f"{profile.compatibility_flags:032b}"[::-1], 2)
    tier = "H" if profile.high_tier else "L"
    constraints = profile.constraint_flags.to_bytes(6, "big").rstrip(b"\x00")
    return "".join(
        (
            f"hvc1.{space}{profile.profile_idc}.{compatibility:X}.{tier}{profile.level_idc}",
            *(f".{byte:X}" for byte in constraints),
        )
    )


def _av01(config: bytes) -> str:
    """AV1 in ISOBMFF 5."""
    av = av1.parse_decoder_configuration(config)
    tier = "H" if av.high_tier else "M"
    short = f"av01.{av.profile}.{av.level:02d}{tier}.{av.bit_depth:02d}"
    colour = av.sequence_header.colour if av.sequence_header else UNSPECIFIED_COLOUR
    both = av.subsampling_x and av.subsampling_y
    chroma = f"{av.subsampling_x}{av.subsampling_y}{av.chroma_sample_position if both else 0}"
    if not av.monochrome and chroma == _AV1_420_UNKNOWN_POSITION and _is_assumed(colour):
        return short
    return f"{short}.{av.monochrome:d}.{chroma}.{_code_points(colour)}.{colour.full_range:d}"


def _vp09(config: bytes) -> str:
    """VP Codec ISO Media File Format Binding, Codecs Parameter String."""
    vp = vp9.parse_decoder_configuration(config)
    short = f"vp09.{vp.profile:02d}.{vp.level:02d}.{vp.bit_depth:02d}"
    if vp.chroma_subsampling == _VP9_420_COLOCATED and _is_assumed(vp.colour):
        return short
    colour = vp.colour
    long = f"{short}.{vp.chroma_subsampling:02d}.{_code_points(colour)}"
    return f"{long}.{colour.full_range:02d}"


def _is_assumed(colour: Colour) -> bool:
    points = (colour.primaries, colour.transfer, colour.matrix)
    return not colour.full_range and all(point in _ASSUMED_CODE_POINTS for point in points)


def _code_points(colour: Colour) -> str:
    return f"{colour.primaries:02d}.{colour.transfer:02d}.{colour.matrix:02d}"
