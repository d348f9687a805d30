"""onMetaData: which tracks a publisher announces, and hints that its bitstreams do not carry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from segmenter.media import MediaType, Track
from streaming.ingest.rtmp.amf0 import AmfValue

MAX_FRAME_RATE = 1_000
"""A hint above this is nonsense; the fastest cameras that stream live give 240."""

MAX_BITRATE = 1_000_000_000
"""Bits per second, likewise."""

_NTSC_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class Metadata:
    """What we use of onMetaData."""

    announced: frozenset[MediaType]
    """Kinds of tracks to wait for; empty when the publisher did not say."""
    frame_rate: Fraction = Fraction(0)
    """0 when unknown."""
    video_bitrate: int = 0
    audio_bitrate: int = 0

    def complete(self, track: Track) -> Track:
        """``track`` with hints where its bitstream was silent."""
        is_video = track.media_type is MediaType.VIDEO
        bitrate = track.bitrate or (self.video_bitrate if is_video else self.audio_bitrate)
        frame_rate = track.frame_rate
        if is_video and not frame_rate:
            frame_rate = self.frame_rate
        if bitrate == track.bitrate and frame_rate == track.frame_rate:
            return track
        return replace(track, frame_rate=frame_rate, bitrate=bitrate)


def read_metadata(values: list[AmfValue]) -> Metadata | None:
    """Metadata in the values of a data message; None when it is another one (cue points, text)."""
    if values and values[0] == "@setDataFrame":
        values = values[1:]
    if len(values) < 2 or values[0] != "onMetaData" or not isinstance(values[1], dict):
        return None
    properties = values[1]
    announced = set()
    if properties.get("videocodecid"):  # 0 is what some write for "none"
        announced.add(MediaType.VIDEO)
    if properties.get("audiocodecid"):
        announced.add(MediaType.AUDIO)
    return Metadata(
        announced=frozenset(announced),
        frame_rate=_frame_rate(properties.get("framerate") or properties.get("fps")),
        video_bitrate=_bitrate(properties.get("videodatarate")),
        audio_bitrate=_bitrate(properties.get("audiodatarate")),
    )


def _number(value: AmfValue, limit: float) -> float:
    """A number between 0 and ``limit``, else 0; NaN and infinity are such others."""
    if isinstance(value, float) and 0 < value <= limit:
        return value
    return 0.0


def _frame_rate(value: AmfValue) -> Fraction:
    rate = _number(value, MAX_FRAME_RATE)
    whole = round(rate)
    if abs(rate - whole) < 1e-6:
        return Fraction(whole)
    ntsc = round(rate * 1.001)
    if abs(rate - ntsc / 1.001) < _NTSC_TOLERANCE:
        return Fraction(ntsc * 1000, 1001)
    return Fraction(rate).limit_denominator(1000)


def _bitrate(value: AmfValue) -> int:
    return round(_number(value, MAX_BITRATE / 1000) * 1000)
