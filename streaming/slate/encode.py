"""Encodes a slate that looks to players like the live tracks: codec, size, rate, profile, level."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from segmenter.codecs.h264 import parse_decoder_configuration, parse_sps
from segmenter.codecs.picture import UNSPECIFIED
from segmenter.errors import MediaError
from segmenter.media import VIDEO_TIMESCALE, Codec, MediaType, Track
from streaming.errors import LocalError
from streaming.slate.loop import SlateStrip
from streaming.slate.messages import SlateReady, SlateSetup, StripMessage
from streaming.slate.picture import card, image
from streaming.slate.sound import encode_sound
from streaming.transcode.encoders import software_encoder
from streaming.transcode.ladder import PlannedRung
from streaming.transcode.messages import TrackMessage
from streaming.transcode.rung_encoder import Look, RungEncoder, ScaledFrame, assumed_matrix

CARD: Final = "card"
UNKNOWN_RATE: Final = Fraction(30)
MOST_RATE: Final = 120
"""More is no frame rate but a clock."""
BITS_PER_PIXEL: Final = 2.0
"""Of the key frame, all that a picture that stands still has; a photograph needs about so many."""
_PROFILES: Final = {66: "baseline", 77: "main", 100: "high"}
_BT709: Final = 1
_PQ, _HLG = 16, 18


@dataclass(frozen=True, slots=True)
class _SlateLook(Look):
    """That of the live video, and its level in place of what x264 would compute."""

    level_idc: int = 0

    def apply_to(self, context: VideoCodecContext) -> None:
        """See Look."""
        Look.apply_to(self, context)
        if self.level_idc:
            options = dict(context.options)
            options["x264-params"] = f"{options['x264-params']}:level={self.level_idc}"
            context.options = options


def encode_slate(setup: SlateSetup) -> SlateReady:
    """The slate of `setup`. Raises LocalError or FFmpegError when it cannot be encoded at all."""
    strips: list[SlateStrip] = []
    warnings: list[str] = []
    for message in setup.tracks:
        track = message.to_track()
        if track.media_type is MediaType.VIDEO:
            strips.append(_video(track, setup, warnings))
        else:
            strips.append(_audio(track, setup, warnings))
    return SlateReady(
        tuple(
            StripMessage(
                TrackMessage.from_track(strip.track),
                strip.samples,
                strip.duration.as_integer_ratio(),
            )
            for strip in strips
        ),
        tuple(warnings),
    )


def _audio(track: Track, setup: SlateSetup, warnings: list[str]) -> SlateStrip:
    try:
        return encode_sound(track, setup.audio)
    except LocalError as error:
        warnings.append(f"{error}: the slate is silent")
    return encode_sound(track, "silence")


def _video(track: Track, setup: SlateSetup, warnings: list[str]) -> SlateStrip:
    width, height = (max(64, size // 2 * 2) for size in (track.width, track.height))
    profile, look = _look_of(track)
    picture = _picture(setup, width, height, look, warnings)
    rate = track.frame_rate if 1 <= track.frame_rate <= MOST_RATE else UNKNOWN_RATE
    bitrate_kbps = math.ceil(width * height * BITS_PER_PIXEL / 1000 / setup.gop_s)
    codec = Codec.H264 if track.codec is Codec.VP8 else track.codec  # which is not packaged
    rung = PlannedRung(
        track.name, codec, width, height, 1,
        bitrate_kbps, 2 * bitrate_kbps, 2 * bitrate_kbps, profile=profile,
    )  # fmt: skip
    encoder = RungEncoder(rung, software_encoder(codec, "a slate"), rate, look)
    samples = []
    count = max(1, round(setup.gop_s * rate))
    for index in range(count):
        samples += encoder.push(_frame(picture, index, rate))
    samples += encoder.flush()
    return SlateStrip(
        encoder.track, tuple((sample.data, sample.is_sync) for sample in samples), 1 / rate
    )


def _picture(
    setup: SlateSetup, width: int, height: int, look: Look, warnings: list[str]
) -> VideoFrame:
    if setup.picture != CARD:
        matrix = assumed_matrix(height) if look.matrix == UNSPECIFIED else look.matrix
        try:
            return image(setup.picture, width, height, look.aspect_ratio, matrix=matrix)
        except LocalError as error:
            warnings.append(f"{error}: the card stands in")
    return card(width, height, setup.text)


def _frame(picture: VideoFrame, index: int, rate: Fraction) -> ScaledFrame:
    pts = round(index * VIDEO_TIMESCALE / rate)
    picture.pts, picture.time_base = pts, Fraction(1, VIDEO_TIMESCALE)
    picture.pict_type = PictureType.NONE if index else PictureType.I
    return ScaledFrame(picture, pts, not index, 0.0, discontinuity=False)


def _look_of(track: Track) -> tuple[str, _SlateLook]:
    """The encoder's word for the profile, and how pixels look, as far as x264 can be told it.

    Of other codecs, and in place of PQ and HLG, in which eight bits would glare: BT.709.
    """
    look = _SlateLook(Fraction(1), _BT709, _BT709, _BT709)
    if track.codec is not Codec.H264:
        return "", look
    try:
        config = parse_decoder_configuration(track.codec_config)
        sps = parse_sps(config.sps[0])
    except MediaError:
        return "", look
    colour, aspect_ratio = sps.colour, sps.sample_aspect_ratio or Fraction(1)
    if colour.transfer in (_PQ, _HLG):
        look = replace(look, aspect_ratio=aspect_ratio, level_idc=config.level_idc)
    else:
        points = (colour.matrix, colour.primaries, colour.transfer)
        look = _SlateLook(aspect_ratio, *points, config.level_idc)
    return _PROFILES.get(config.profile_idc, ""), look
