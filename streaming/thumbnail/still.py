"""From a key frame to a small JPEG."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Final

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from streaming.errors import RemoteError
from streaming.transcode.rung_encoder import matrix_of

WIDTH: Final = 320
"""Pixels; twice what the smallest card of the dashboard shows, for screens with twice as many."""
MOST_HEIGHT: Final = 640
"""Of a picture that stands upright."""
MOST_PIXELS: Final = 8_192 * 4_320
"""8K; more is an attempt to have memory filled."""
QUALITY: Final = 5
"""mjpeg's scale from 2, the best, to 31: about 15 kB."""


class NoPictureError(RemoteError):
    """There is no picture in these media."""


def key_frame_jpeg(media: bytes) -> bytes:
    """The first picture of `media` (fMP4), small, as JPEG. Raises NoPictureError."""
    try:
        with av.open(io.BytesIO(media), "r", format="mov") as container:
            context = container.streams.video[0].codec_context
            if context.width * context.height > MOST_PIXELS:
                raise NoPictureError(f"{context.width}x{context.height} is too large")
            frame = _first_picture(container, context)
            return _encode(frame, _size(frame, context.sample_aspect_ratio or Fraction(1)))
    except (FFmpegError, ValueError, IndexError, MemoryError) as error:
        raise NoPictureError(str(error)) from error


def _first_picture(container: InputContainer, context: VideoCodecContext) -> VideoFrame:
    context.thread_count = 1
    packet = next(container.demux(video=0))
    # A decoder that waits for more to come, to put pictures in order, gives it at the end.
    for frame in (*context.decode(packet), *context.decode(None)):
        return frame
    raise NoPictureError("no picture can be decoded")


def _encode(frame: VideoFrame, size: tuple[int, int]) -> bytes:
    """JPEG has the full range and the matrix of BT.601 (ITU-T T.871), whatever the video has."""
    is_full = frame.format.is_rgb or frame.color_range == ColorRange.JPEG
    small = frame.reformat(
        *size,
        "yuvj420p",
        src_colorspace=matrix_of(frame),
        dst_colorspace=Colorspace.ITU601,
        src_color_range=ColorRange.JPEG if is_full else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    small.pts = None
    context = VideoCodecContext.create("mjpeg", "w")
    context.width, context.height = size
    context.pix_fmt, context.color_range = "yuvj420p", ColorRange.JPEG
    context.time_base = Fraction(1, 25)
    context.thread_count = 1
    context.qmin = context.qmax = QUALITY
    return b"".join(bytes(packet) for packet in (*context.encode(small), *context.encode(None)))


def _size(frame: VideoFrame, pixel_aspect: Fraction) -> tuple[int, int]:
    """Width and height to show it with, both even; pixels need not be square."""
    height = WIDTH * frame.height / (frame.width * pixel_aspect)
    shrink = min(Fraction(1), MOST_HEIGHT / height)
    return _even(WIDTH * shrink), _even(height * shrink)


def _even(pixels: Fraction) -> int:
    return max(2, 2 * round(pixels / 2))
