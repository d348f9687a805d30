"""One rung with every number decided: its size, its bits, and what CPU they cost. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from segmenter.media import VIDEO_TIMESCALE, Codec, Track
from streaming.config_paths import RungConfig

UNKNOWN_FRAME_RATE = Fraction(30)
MOST_FRAME_RATE = 240
"""More is a time base that an encoder mistook for its frame rate."""

DECODE_MS_PER_MPIXEL = 4.0
SCALE_MS_PER_MPIXEL = 1.3
ENCODE_MS_PER_MPIXEL = 10.5
"""CPU of x264 veryfast; with the two above, 1080/720/480/360 take 50 ms per 1080p frame."""
_CODEC_COST = {Codec.H264: 1.0, Codec.H265: 3.5, Codec.AV1: 2.5, Codec.VP9: 1.7}
_CODEC_BITS = {Codec.H264: 1.0, Codec.H265: 0.65, Codec.AV1: 0.55, Codec.VP9: 0.7}
_PRESET_COST = {
    "ultrafast": 0.45,
    "superfast": 0.7,
    "veryfast": 1.0,
    "faster": 1.5,
    "fast": 2.0,
    "medium": 2.5,
    "slow": 4.0,
    "slower": 7.0,
    "veryslow": 12.0,
}
_ANCHOR_KBPS = 4500
_ANCHOR_PIXELS_PER_S = 1920 * 1080 * 30
_BITRATE_EXPONENT = 0.75
"""Twice the pixels need 1.7 times the bits for the same look: 1080p30 4.5 Mb/s, 480p30 1.3."""

_CODECS = {"h264": Codec.H264, "hevc": Codec.H265, "av1": Codec.AV1, "vp9": Codec.VP9}


@dataclass(frozen=True, slots=True)
class PlannedRung:
    """One rung to encode; every number is decided."""

    name: str
    codec: Codec
    width: int
    height: int
    fps_divisor: int
    bitrate_kbps: int
    maxrate_kbps: int
    bufsize_kbits: int
    preset: str = ""
    profile: str = ""
    b_frames: int = 0
    lookahead: int = 0
    is_packaged: bool = True
    """False: for WebRTC viewers alone."""
    cores: float = 0.0
    """Estimated CPU of encoding it."""


def plan_rung(rung: RungConfig, video: Track, width: int, height: int) -> PlannedRung:
    """The rung in that size, of a source; what the configuration leaves open is chosen."""
    codec = _CODECS[rung.codec]
    fps = frame_rate(video) / rung.fps_divisor
    bitrate = rung.bitrate_kbps or _bitrate_kbps(codec, width * height, fps, video.bitrate)
    maxrate = rung.maxrate_kbps or round(bitrate * 1.1)
    planned = PlannedRung(
        name=rung.name,
        codec=codec,
        width=width,
        height=height,
        fps_divisor=rung.fps_divisor,
        bitrate_kbps=min(bitrate, maxrate),
        maxrate_kbps=maxrate,
        bufsize_kbits=rung.bufsize_kbits or maxrate,
        preset=rung.preset,
        profile=rung.profile,
        b_frames=rung.b_frames,
        lookahead=rung.lookahead,
        is_packaged=not rung.webrtc,
    )
    return replace(planned, cores=_encode_cores(planned, fps))


def plan_example(rung: RungConfig) -> PlannedRung:
    """The rung of a source that every encoder can take, to see whether one takes its words."""
    video = Track("example", Codec.H264, VIDEO_TIMESCALE, b"", 640, 360, UNKNOWN_FRAME_RATE)
    return plan_rung(rung, video, video.width, video.height)


def frame_rate(video: Track) -> Fraction:
    """Of a source; a usual one where it says nothing that can be believed."""
    known = 0 < video.frame_rate <= MOST_FRAME_RATE
    return video.frame_rate if known else UNKNOWN_FRAME_RATE


def _bitrate_kbps(codec: Codec, pixels: int, fps: Fraction, source_bitrate: int) -> int:
    share = float(pixels * fps / _ANCHOR_PIXELS_PER_S)
    kbps = _ANCHOR_KBPS * _CODEC_BITS[codec] * float(share**_BITRATE_EXPONENT)
    if source_bitrate >= 100_000:  # less is a placeholder that some encoders announce
        kbps = min(kbps, source_bitrate / 1000)
    return max(32, round(kbps))


def _encode_cores(rung: PlannedRung, fps: Fraction) -> float:
    preset_cost = _PRESET_COST.get(rung.preset, 1.0)
    ms = ENCODE_MS_PER_MPIXEL * _CODEC_COST[rung.codec] * preset_cost
    return float(rung.width * rung.height * fps) / 1e6 * ms / 1000


def ladder_cores(video: Track, rungs: Sequence[PlannedRung]) -> float:
    """Estimated CPU of the whole: decode, scale, encode."""
    fps = frame_rate(video)
    areas = [video.width * video.height, *(rung.width * rung.height for rung in rungs)]
    scaled = sum(area for area, smaller in pairwise(areas) if area != smaller)
    mpixels_ms = areas[0] * DECODE_MS_PER_MPIXEL + scaled * SCALE_MS_PER_MPIXEL
    return float(mpixels_ms * fps) / 1e9 + sum(rung.cores for rung in rungs)


def even_size(pixels: Fraction, source: int) -> int:
    """The nearest even number, as 4:2:0 has half-size chroma; not above an odd `source` by one."""
    even = round(pixels / 2) * 2
    return max(2, even - 2 if even == source + 1 else even)
