"""Encodes a slate that looks to players like the live tracks: codec, size, rate, profile, level.

For a rung of the ladder it is encoded by that rung's own settings, so that as a rule both have the
same parameter sets and the slate goes on in the midst of a segment.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Final

from av.video.frame import PictureType, VideoFrame

from segmenter.codecs.picture import UNSPECIFIED
from segmenter.media import VIDEO_TIMESCALE, Codec, MediaType, Track
from streaming.errors import LocalError
from streaming.slate.look import look_of_rung, look_of_source
from streaming.slate.loop import SlateStrip
from streaming.slate.messages import RungSetup, SlateReady, SlateSetup, StripMessage
from streaming.slate.picture import card, image
from streaming.slate.sound import encode_sound
from streaming.transcode.encoders import ENCODER_ERRORS, EncoderChoice, software_encoder
from streaming.transcode.messages import TrackMessage
from streaming.transcode.planned_rung import PlannedRung
from streaming.transcode.rung_encoder import Look, RungEncoder, ScaledFrame, assumed_matrix

CARD: Final = "card"
UNKNOWN_RATE: Final = Fraction(30)
MOST_RATE: Final = 120
"""More is no frame rate but a clock."""
BITS_PER_PIXEL: Final = 2.0
"""Of the key frame, all that a picture that stands still has; a photograph needs about so many."""


def encode_slate(setup: SlateSetup) -> SlateReady:
    """The slate of `setup`. Raises LocalError or FFmpegError when it cannot be encoded at all."""
    strips: list[SlateStrip] = []
    warnings: list[str] = []
    rungs = {rung.planned.name: rung for rung in setup.rungs}
    for message in setup.tracks:
        track = message.to_track()
        if track.media_type is not MediaType.VIDEO:
            strips.append(_audio(track, setup, warnings))
        elif track.name in rungs:
            strips.append(_rung(track, rungs[track.name], setup, warnings))
        else:
            strips.append(_video(track, setup, warnings))
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
    if track.codec is Codec.MP3:  # which is not packaged
        track = replace(track, codec=Codec.AAC)
    try:
        return encode_sound(track, setup.audio)
    except LocalError as error:
        warnings.append(f"{error}: the slate is silent")
    return encode_sound(track, "silence")


def _video(track: Track, setup: SlateSetup, warnings: list[str]) -> SlateStrip:
    width, height = (max(64, size // 2 * 2) for size in (track.width, track.height))
    profile, look = look_of_source(track)
    picture = _picture(setup, width, height, look, warnings)
    rate = track.frame_rate if 1 <= track.frame_rate <= MOST_RATE else UNKNOWN_RATE
    bitrate_kbps = math.ceil(width * height * BITS_PER_PIXEL / 1000 / setup.gop_s)
    codec = Codec.H264 if track.codec is Codec.VP8 else track.codec  # which is not packaged
    rung = PlannedRung(
        track.name, codec, width, height, 1,
        bitrate_kbps, 2 * bitrate_kbps, 2 * bitrate_kbps, profile=profile,
    )  # fmt: skip
    encoder = RungEncoder(rung, software_encoder(codec, "a slate"), rate, look)
    return _strip(encoder, picture, rate, setup.gop_s)


def _rung(track: Track, rung: RungSetup, setup: SlateSetup, warnings: list[str]) -> SlateStrip:
    """By the encoder of the rung; where that gives none, sessions being few, by software."""
    planned, look = rung.planned, look_of_rung(track)
    picture = _picture(setup, planned.width, planned.height, look, warnings)
    rate = track.frame_rate or UNKNOWN_RATE
    choice = EncoderChoice(rung.encoder, "as the live picture")
    try:
        encoder = RungEncoder(planned, choice, track.frame_rate, look)
        return _strip(encoder, picture, rate, setup.gop_s)
    except ENCODER_ERRORS as error:
        warnings.append(f"{planned.name} by {rung.encoder}: {error}: software stands in")
    choice = software_encoder(planned.codec, "a slate")
    return _strip(RungEncoder(planned, choice, track.frame_rate, look), picture, rate, setup.gop_s)


def _strip(encoder: RungEncoder, picture: VideoFrame, rate: Fraction, gop_s: float) -> SlateStrip:
    """One group of pictures of a picture that stands still."""
    samples = []
    for index in range(max(1, round(gop_s * rate))):
        samples += encoder.push(_frame(picture, index, rate))
    samples += encoder.flush()
    if any(sample.pts != sample.dts for sample in samples):
        raise LocalError(f"{encoder.choice.name} makes B-frames of a slate")
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
    """Forward prediction alone, in rungs with B-frames, too: a loop then ends where it ends."""
    pts = round(index * VIDEO_TIMESCALE / rate)
    picture.pts, picture.time_base = pts, Fraction(1, VIDEO_TIMESCALE)
    picture.pict_type = PictureType.P if index else PictureType.I
    return ScaledFrame(picture, pts, not index, 0.0, discontinuity=False)
