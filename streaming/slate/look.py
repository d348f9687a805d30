"""How a track's pixels look, read from its parameter sets, so that its slate looks the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from av.video.codeccontext import VideoCodecContext

from segmenter.codecs import h264, h264_sps
from segmenter.codecs.picture import NO_VUI_PICTURE, Colour
from segmenter.codecs.pixels import HLG, PQ, read_pixels
from segmenter.errors import MediaError
from segmenter.media import Codec, Track
from streaming.transcode.rung_encoder import RGB_MATRIX, Look

_PROFILES: Final = {66: "baseline", 77: "main", 100: "high"}
_BT709: Final = 1
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
    picture = read_pixels(track.codec, track.codec_config)
    if picture is NO_VUI_PICTURE:
        return _look(_PLAIN, Fraction(1))
    return _look(picture.colour, picture.sample_aspect_ratio)


def _look(colour: Colour, aspect_ratio: Fraction) -> SlateLook:
    """In place of PQ and HLG, in which eight bits would glare, and of RGB, BT.709."""
    if colour.transfer in (PQ, HLG) or colour.matrix == RGB_MATRIX:
        colour = _PLAIN
    points = (colour.matrix, colour.primaries, colour.transfer)
    return SlateLook(aspect_ratio or Fraction(1), *points)
