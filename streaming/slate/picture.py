"""What a slate shows: the generated card, or an image file fitted into the live picture's size."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from streaming.errors import LocalError
from streaming.ingest.test_font import GLYPH_COLUMNS, GLYPH_ROWS, glyph, text_width

Plane = NDArray[np.uint8]

_BLACK = 16
_TOP, _BOTTOM = 34, 58
"""Luma of the ground, from the upper to the lower edge: dark, so that nobody is dazzled."""
_TINT = (134, 122)
"""Cb and Cr of the ground: a trace of blue."""
_INK = 205
_LINE = 110
_TEXT_SHARE = Fraction(5, 10)
"""Of the picture's width, for the text."""
_LARGEST_SHARE = Fraction(1, 10)
"""Of the picture's height, for a line of text: two words on a phone's portrait must not fill it."""


def card(width: int, height: int, text: str) -> VideoFrame:
    """The generated card, yuv420p, limited range, as good as grey; width and height are even."""
    frame = VideoFrame(width, height, "yuv420p")
    luma, blue, red = (_view(plane) for plane in frame.planes)
    luma[:] = np.linspace(_TOP, _BOTTOM, height).astype(np.uint8)[:, None]
    blue[:], red[:] = _TINT
    scale = _scale(width, height, text)
    top = (height - GLYPH_ROWS * scale) // 2
    left = (width - text_width(text, scale) + scale) // 2
    for index, character in enumerate(text):
        _draw(luma, glyph(character, scale), left + index * GLYPH_COLUMNS * scale, top)
    _rules(luma, top, scale)
    return frame


def image(file: str, width: int, height: int, aspect_ratio: Fraction, *, matrix: int) -> VideoFrame:
    """The first picture of `file` with black bars around what its shape leaves over.

    Pixels have the shape ``aspect_ratio`` and colours are of the ``matrix`` (H.273).
    Raises LocalError when there is none.
    """
    try:
        with av.open(file, timeout=5.0) as container:
            picture = next(container.decode(video=0))
    except (FFmpegError, OSError, IndexError, StopIteration, ValueError) as error:
        raise LocalError(f"{file} is no picture: {error}", value=file) from error
    shape = (picture.width / aspect_ratio, Fraction(picture.height))
    share = min(width / shape[0], height / shape[1])
    inner = [max(2, round(size * share) // 2 * 2) for size in shape]
    scaled = picture.reformat(
        inner[0], inner[1], "yuv420p", dst_colorspace=matrix, dst_color_range="MPEG"
    )
    frame = VideoFrame(width, height, "yuv420p")
    left, top = (
        (outer - size) // 4 * 2 for outer, size in zip((width, height), inner, strict=True)
    )
    for index, (into, plane) in enumerate(zip(frame.planes, scaled.planes, strict=True)):
        half = 1 if index == 0 else 2
        target, source = _view(into), _view(plane)
        target[:] = _BLACK if index == 0 else 128
        rows, columns = source.shape
        target[top // half : top // half + rows, left // half : left // half + columns] = source
    return frame


def _scale(width: int, height: int, text: str) -> int:
    """Pixels to a dot of the font."""
    by_width = int(width * _TEXT_SHARE) // (GLYPH_COLUMNS * max(len(text), 1))
    return max(1, min(by_width, int(height * _LARGEST_SHARE) // GLYPH_ROWS))


def _rules(luma: Plane, top: int, scale: int) -> None:
    """A line above the text and one below: it looks meant, not broken."""
    height, width = luma.shape
    thick = max(2, scale // 3)
    for y in (top - 3 * scale, top + (GLYPH_ROWS + 3) * scale - thick):
        rows = slice(max(0, y), max(0, min(height, y + thick)))
        luma[rows, width * 3 // 8 : width * 5 // 8] = _LINE


def _draw(luma: Plane, ink: NDArray[np.bool_], x: int, y: int) -> None:
    ink = ink[: max(0, luma.shape[0] - y), : max(0, luma.shape[1] - x)]
    rows, columns = ink.shape
    into = luma[y : y + rows, x : x + columns]
    into[ink] = _INK


def _view(plane: av.video.plane.VideoPlane) -> Plane:
    """A writable view of one plane, shape (height, width), without its padding."""
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
    view: Plane = rows[: plane.height, : plane.width]
    return view
