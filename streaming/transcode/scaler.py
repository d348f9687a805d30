"""One decoded frame scaled to every rung, each from the next larger one.

All of it happens in one thread, without swscale's own, which cost 5 to 14 % more CPU and saved no
time at 360, 1080 or 2160 lines, before any encoder sees a frame: scaling writes the colour fields
of its source for a moment, which another thread must not read. The cascade costs about 6 % less
than scaling each rung from the source.
"""

from __future__ import annotations

from collections.abc import Sequence

from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from streaming.transcode.rung_encoder import matrix_of

PIXEL_FORMAT = "yuv420p"


class Cascade:
    """Owns the scalers of one ladder; `sizes` go from the largest to the smallest."""

    def __init__(self, sizes: Sequence[tuple[int, int]]) -> None:
        self._sizes = tuple(sizes)
        self._scalers = [VideoReformatter() for _ in sizes]

    def scale(self, frame: VideoFrame, wanted: Sequence[bool]) -> list[VideoFrame | None]:
        """8-bit 4:2:0 frames of limited range, None where not `wanted`."""
        scaled: list[VideoFrame | None] = []
        source = frame
        for size, scaler, want in zip(self._sizes, self._scalers, wanted, strict=True):
            if want:
                source = _reformat(scaler, source, size)
            scaled.append(source if want else None)
        return scaled


def _reformat(scaler: VideoReformatter, frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
    width, height = size
    if frame.format.is_rgb:
        return scaler.reformat(
            frame,
            width,
            height,
            PIXEL_FORMAT,
            dst_colorspace=matrix_of(frame),
            interpolation=Interpolation.BICUBIC,
            threads=1,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
        )
    if frame.color_range == ColorRange.JPEG:
        return scaler.reformat(
            frame,
            width,
            height,
            PIXEL_FORMAT,
            interpolation=Interpolation.BICUBIC,
            threads=1,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
        )
    return scaler.reformat(
        frame, width, height, PIXEL_FORMAT, interpolation=Interpolation.BICUBIC, threads=1
    )
