"""Scaled frames in, samples of one encoded rung out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from segmenter.media import VIDEO_TIMESCALE, Codec, Sample, Track
from streaming.transcode.canonical import canonical_sample, codec_config_of
from streaming.transcode.encoders import EncoderChoice, open_encoder
from streaming.transcode.planned_rung import PlannedRung

RGB_MATRIX = 0
"""H.273's word for "there is none": the planes are green, blue and red."""
_UNSPECIFIED = 2
_BT709 = 1
_BT601 = 6
_LIMITED = 1
SLOWEST_SAID = 1
"""Frames per second. A slide that stands for seconds may end in another segment than it began in:
what lasts as long as was said would make one beyond its target duration."""
HD_LINES = 720
"""Players take untagged video of this height for BT.709 and smaller for BT.601; a small rung of
an untagged HD source must therefore say what it is."""


def assumed_matrix(height: int) -> int:
    """What players take untagged video of so many lines for."""
    return _BT709 if height >= HD_LINES else _BT601


def matrix_of(frame: VideoFrame) -> int:
    """That of 4:2:0 made of the frame: its own, and what players assume where it says none; RGB,
    whose "matrix" is that there is none, needs one."""
    if frame.colorspace in (_UNSPECIFIED, RGB_MATRIX):
        return assumed_matrix(frame.height)
    return frame.colorspace


def keep_colours(source: VideoFrame, made: VideoFrame) -> None:
    """What a filter made of a frame has its colours, which filters do not always tell."""
    made.color_range, made.colorspace = source.color_range, source.colorspace
    made.color_primaries, made.color_trc = source.color_primaries, source.color_trc


@dataclass(frozen=True, slots=True)
class Look:
    """What a source says of its pixels, beyond their number (ITU-T H.273 code points)."""

    aspect_ratio: Fraction
    matrix: int
    primaries: int
    transfer: int

    @classmethod
    def of(cls, frame: VideoFrame, aspect_ratio: Fraction) -> Look:
        """The look of a decoded frame; untagged ones get what players assume for their size."""
        assumed = assumed_matrix(frame.height)
        return cls(
            aspect_ratio,
            matrix_of(frame),
            assumed if frame.color_primaries == _UNSPECIFIED else frame.color_primaries,
            assumed if frame.color_trc == _UNSPECIFIED else frame.color_trc,
        )

    def apply_to(self, context: VideoCodecContext) -> None:
        """Tags what `context` will encode."""
        context.sample_aspect_ratio = self.aspect_ratio
        context.colorspace = self.matrix
        context.color_primaries = self.primaries
        context.color_trc = self.transfer
        context.color_range = _LIMITED


@dataclass(frozen=True, slots=True)
class ScaledFrame:
    """A frame of the rung's size whose pts, time base and picture type are set."""

    frame: VideoFrame
    pts: int
    is_key: bool
    captured_utc: float
    discontinuity: bool
    lasts: bool = True
    """Until the next one of this rung: no segment will begin with a picture of the source between
    them, of which there are some where the rung is at a fraction of its rate."""


class RungEncoder:
    """Owns one rung's codec context; opened by its creator, then used by one thread.

    Output has the input's pts. The n-th access unit's dts is the n-th frame's pts: equal for a
    key frame, rising always, and the same on every rung whatever its B-frames.
    """

    def __init__(
        self, rung: PlannedRung, choice: EncoderChoice, frame_rate: Fraction, look: Look
    ) -> None:
        self.rung = rung
        self.choice = choice
        self._frame_rate = frame_rate
        self._look = look
        self.ticks = _whole_ticks(frame_rate)
        """How long a frame lasts; 0 where that is not to be said."""
        self._context: VideoCodecContext | None = None
        self._waiting: deque[ScaledFrame] = deque()
        self._last_pts: int | None = None
        self.track = self._learn_track()

    def with_choice(self, choice: EncoderChoice) -> RungEncoder:
        """A new encoder of the same rung."""
        return RungEncoder(self.rung, choice, self._frame_rate, self._look)

    def push(self, frame: ScaledFrame) -> list[Sample]:
        """Encodes one frame; after `flush` the first one must be a key frame.

        Raises FFmpegError when the encoder fails.
        """
        if self._context is None:
            self._context = self._open()
        self._waiting.append(frame)
        packets = self._context.encode(frame.frame)
        return [self._sample(bytes(p), p.pts, p.is_keyframe) for p in packets]

    def flush(self) -> list[Sample]:
        """The samples still inside; a new context is opened for the next frame."""
        if self._context is None:
            return []
        packets = self._context.encode(None)
        samples = [self._sample(bytes(p), p.pts, p.is_keyframe) for p in packets]
        self._context = None
        self._waiting.clear()
        return samples

    def _open(self) -> VideoCodecContext:
        return open_encoder(self.choice.name, self.rung, self._frame_rate, self._look.apply_to)

    def _sample(self, data: bytes, pts: int | None, is_key: bool) -> Sample:
        source = self._waiting.popleft()
        rung = self.rung
        return Sample(
            rung.name,
            dts=source.pts,
            pts=source.pts if pts is None else pts,
            data=canonical_sample(rung.codec, self.choice.name, data),
            is_sync=is_key,
            duration=self._duration(source),
            discontinuity=source.discontinuity,
            captured_utc=source.captured_utc,
        )

    def _duration(self, frame: ScaledFrame) -> int:
        """Said only where the source keeps to a grid of whole ticks, so that it is always true."""
        last, self._last_pts = self._last_pts, frame.pts
        is_even = last is not None and frame.pts - last == self.ticks
        return self.ticks if is_even and frame.lasts else 0

    def _learn_track(self) -> Track:
        """Opens the encoder, or where that does not tell, encodes a frame with another one."""
        rung = self.rung
        context = self._open()
        first = b""
        if rung.codec in (Codec.AV1, Codec.VP9):
            first = _first_access_unit(context, rung)
        else:
            self._context = context
        config = codec_config_of(rung.codec, context.extradata or b"", first, self._frame_rate)
        return Track(
            rung.name,
            rung.codec,
            VIDEO_TIMESCALE,
            config,
            rung.width,
            rung.height,
            self._frame_rate,
            bitrate=rung.bitrate_kbps * 1000,
        )


def _first_access_unit(context: VideoCodecContext, rung: PlannedRung) -> bytes:
    frame = VideoFrame(rung.width, rung.height, "yuv420p")
    frame.pts, frame.time_base = 0, context.time_base
    packets = [*context.encode(frame), *context.encode(None)]
    return bytes(packets[0])


def _whole_ticks(frame_rate: Fraction) -> int:
    """A frame's duration, 0 where it is not to be said."""
    if frame_rate < SLOWEST_SAID:
        return 0
    ticks = VIDEO_TIMESCALE / frame_rate
    return int(ticks) if ticks.denominator == 1 else 0
