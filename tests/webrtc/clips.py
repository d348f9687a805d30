"""Real encodes as tracks and samples, to be played in a loop."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction

from segmenter.codecs import h264, opus
from segmenter.codecs.nal_units import split_annex_b
from segmenter.media import VIDEO_TIMESCALE, Codec, Sample, Track
from tests.segmenter.codecs.encodes import encode_audio, encode_video

RATE = 30
FRAME_TICKS = VIDEO_TIMESCALE // RATE
OPUS_TICKS = 960


@dataclass(frozen=True)
class Clip:
    """A track, and samples that begin with a key frame at 0 and fill whole seconds."""

    track: Track
    samples: tuple[Sample, ...]
    duration: int
    """Ticks until it may begin anew."""


@functools.cache
def video_clip(name: str = "video", width: int = 160, profile: str = "baseline") -> Clip:
    """A second of H.264 without B-frames, a key frame at its beginning."""
    options = (("profile", profile), ("tune", "zerolatency"), ("g", str(RATE)))
    height = width * 9 // 16 // 2 * 2
    encode = encode_video("libx264", width, height, Fraction(RATE), frames=RATE, options=options)
    nals = [split_annex_b(packet) for packet in encode.packets]
    config = h264.decoder_configuration_from_nals([*split_annex_b(encode.extradata), *nals[0]])
    data = [h264.access_unit(each) for each in nals]
    samples = tuple(
        Sample(name, n * FRAME_TICKS, n * FRAME_TICKS, each, encode.keyframes[n], FRAME_TICKS)
        for n, each in enumerate(data)
    )
    track = Track(name, Codec.H264, VIDEO_TIMESCALE, config, width, height)
    return Clip(track, samples, RATE * FRAME_TICKS)


@functools.cache
def vp8_clip(name: str = "video", width: int = 160) -> Clip:
    """A second of VP8, a key frame at its beginning."""
    height = width * 9 // 16 // 2 * 2
    options = (("deadline", "realtime"), ("g", str(RATE)), ("b", "300000"))
    encode = encode_video(
        "libvpx", width, height, Fraction(RATE), "yuv420p", RATE, options, container_format="webm"
    )
    samples = tuple(
        Sample(name, n * FRAME_TICKS, n * FRAME_TICKS, each, encode.keyframes[n], FRAME_TICKS)
        for n, each in enumerate(encode.packets)
    )
    return Clip(
        Track(name, Codec.VP8, VIDEO_TIMESCALE, b"", width, height), samples, RATE * FRAME_TICKS
    )


@functools.cache
def audio_clip(name: str = "audio") -> Clip:
    """A fifth of a second of Opus."""
    encode = encode_audio("libopus")
    config = opus.dops_from_opus_head(encode.extradata)
    samples = tuple(
        Sample(name, n * OPUS_TICKS, n * OPUS_TICKS, packet, True, OPUS_TICKS)
        for n, packet in enumerate(encode.packets)
    )
    track = Track(name, Codec.OPUS, 48_000, config, sample_rate=48_000, channels=2)
    return Clip(track, samples, len(samples) * OPUS_TICKS)
