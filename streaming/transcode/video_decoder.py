"""Samples of the source's video in, frames in presentation order out."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from segmenter.media import VIDEO_TIMESCALE, Codec, Sample, Track

MPIXELS_PER_THREAD = 130
"""Pixels per second, in millions: one core decodes about 250, and 1080p60 has 124. Each thread
more adds a frame of delay."""
MOST_PENDING = 64
"""Frames a decoder may hold back; what is remembered of older ones is forgotten."""

_TIME_BASE = Fraction(1, VIDEO_TIMESCALE)
_DECODERS = {
    Codec.H264: "h264",
    Codec.H265: "hevc",
    Codec.AV1: "libdav1d",
    Codec.VP8: "vp8",
    Codec.VP9: "vp9",
}
_WITH_EXTRADATA = frozenset({Codec.H264, Codec.H265, Codec.AV1})


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame and its sample's times; `pts` is media time."""

    frame: VideoFrame
    pts: int
    captured_utc: float


class VideoDecoder:
    """Owns one codec context; used by one thread.

    Broken samples are counted, never raised: the next key frame heals the picture.
    """

    def __init__(self, track: Track) -> None:
        self._track = track
        self.errors = 0
        self._context = self._open()
        self._captured: dict[int, float] = {}
        self._last_pts: int | None = None

    @property
    def sample_aspect_ratio(self) -> Fraction:
        """Of the source's pixels; 1 when it says nothing."""
        return self._context.sample_aspect_ratio or Fraction(1)

    def push(self, sample: Sample) -> list[DecodedFrame]:
        """Decodes one sample; with reordering the frames returned are earlier ones."""
        packet: Packet[Any] = Packet(sample.data)
        packet.pts, packet.dts, packet.time_base = sample.pts, sample.dts, _TIME_BASE
        self._captured[sample.pts] = sample.captured_utc
        if len(self._captured) > MOST_PENDING:
            del self._captured[next(iter(self._captured))]
        return self._decode(packet)

    def flush(self) -> list[DecodedFrame]:
        """The frames still inside; afterwards decoding begins anew at a key frame."""
        frames = self._decode(None)
        self._context = self._open()
        self._captured.clear()
        self._last_pts = None
        return frames

    def _open(self) -> VideoCodecContext:
        track = self._track
        context = cast(VideoCodecContext, CodecContext.create(_DECODERS[track.codec], "r"))
        if track.codec in _WITH_EXTRADATA and track.codec_config:
            context.extradata = track.codec_config
        context.thread_count = decoder_threads(track)
        if context.thread_count == 1:
            context.thread_type = "SLICE"
        return context

    def _decode(self, packet: Packet[Any] | None) -> list[DecodedFrame]:
        try:
            frames = self._context.decode(packet)
        except FFmpegError:
            self.errors += 1
            return []
        return [self._describe(frame) for frame in frames if self._is_next(frame)]

    def _is_next(self, frame: VideoFrame) -> bool:
        """Encoders demand rising pts; a frame that has none or repeats one is damage."""
        if frame.pts is None or (self._last_pts is not None and frame.pts <= self._last_pts):
            self.errors += 1
            return False
        self._last_pts = frame.pts
        return True

    def _describe(self, frame: VideoFrame) -> DecodedFrame:
        assert frame.pts is not None
        return DecodedFrame(frame, frame.pts, self._captured.pop(frame.pts, 0.0))


def decoder_threads(track: Track) -> int:
    """Threads that decode `track` in real time with a margin, one where that suffices."""
    mpixels_per_s = track.width * track.height * float(track.frame_rate or 30) / 1e6
    wanted = math.ceil(mpixels_per_s / MPIXELS_PER_THREAD)
    return max(1, min(wanted, os.cpu_count() or 1, 8))
