"""How a track's pixels look, read from its parameter sets, so that its slate looks the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from av.video.codeccontext import VideoCodecContext

from segmenter.codecs import av1, h264, h264_sps, h265, h265_parameter_sets, vp9
from segmenter.codecs.picture import Colour
from segmenter.errors import MediaError
from segmenter.media import Codec, Track
from streaming.transcode.rung_encoder import Look

_PROFILES: Final = {66: "baseline", 77: "main", 100: "high"}
_BT709: Final = 1
_RGB: Final = 0
_PQ, _HLG = 16, 18
_PLAIN: Final = Colour(_BT709, _BT709, _BT709)


@dataclass(frozen=True, slots=True)
class SlateLook(Look):
    """That of the live video, and its level in place of what x264 would compute."""

    level_idc: int = 0

    def apply_to(self, context: VideoCodecContext) -> None:
        """See Look."""
        Look.apply_to(self, context)
        if self.level_idc:
            options = dict(context.options)
            options["x264-params"] = f"{options['x264-params']}:level={self.level_idc}"
            context.options = options


def look_of_source(track: Track) -> tuple[str, SlateLook]:
    """The encoder's word for the profile of a publisher's video, and how its pixels look.

    As far as x264 can be told it; other codecs look like BT.709.
    """
    if track.codec is not Codec.H264:
        return "", _look(_PLAIN, Fraction(1))
    try:
        config = h264.parse_decoder_configuration(track.codec_config)
        sps = h264_sps.parse_sps(config.sps[0])
    except MediaError:
        return "", _look(_PLAIN, Fraction(1))
    look = _look(sps.colour, sps.sample_aspect_ratio)
    return _PROFILES.get(config.profile_idc, ""), replace(look, level_idc=config.level_idc)


def look_of_rung(track: Track) -> SlateLook:
    """How the pixels of a rung look, whose encoder was told so in all codecs.

    Raises MediaError for parameter sets that no encoder of ours wrote.
    """
    config = track.codec_config
    if track.codec is Codec.H264:
        avc = h264_sps.parse_sps(h264.parse_decoder_configuration(config).sps[0])
        return _look(avc.colour, avc.sample_aspect_ratio)
    if track.codec is Codec.H265:
        hevc = h265_parameter_sets.parse_sps(h265.parse_decoder_configuration(config).sps[0])
        return _look(hevc.colour, hevc.sample_aspect_ratio)
    if track.codec is Codec.VP9:
        return _look(vp9.parse_decoder_configuration(config).colour, Fraction(1))
    header = av1.parse_decoder_configuration(config).sequence_header
    return _look(header.colour if header is not None else _PLAIN, Fraction(1))


def _look(colour: Colour, aspect_ratio: Fraction) -> SlateLook:
    """In place of PQ and HLG, in which eight bits would glare, and of RGB, BT.709."""
    if colour.transfer in (_PQ, _HLG) or colour.matrix == _RGB:
        colour = _PLAIN
    points = (colour.matrix, colour.primaries, colour.transfer)
    return SlateLook(aspect_ratio or Fraction(1), *points)
