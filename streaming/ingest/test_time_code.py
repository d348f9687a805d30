"""A UTC time code burned into a picture as black and white cells, for programs to read.

The layout, in parts of the picture's width W and height H, so that it survives scaling:

* The cells fill the top of the picture: y from 0 to H/18, x from 0 to W.
* There are 48 cells side by side; cell i is x from i*W/48 to (i+1)*W/48. White is 1, black is 0.
* Cells 0 and 1 are the mark "1 0".
* Cells 2 to 45 are a 44-bit integer, the most significant bit first: milliseconds since
  1970-01-01T00:00:00Z.
* Cells 46 and 47 are parity: 46 is the exclusive or of the bits in even cells 2, 4 … 44 and 47
  that of the bits in odd cells 3, 5 … 45, both inverted, so that a uniform row is never valid.

To read it elsewhere (a browser's canvas, say) take for each cell the pixel at
x = (i + 0.5) * W / 48, y = H / 36: at least 160 of 255 is white, at most 96 is black, anything
between means "unreadable". JavaScript's bitwise operators stop at 32 bits: add up powers of two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CELLS = 48
ROW_HEIGHTS = 18
"""The row of cells is one such part of the picture's height."""
_TIME_BITS = 44
_WHITE_FROM = 160
_BLACK_TO = 96
LUMA_BLACK = 16
LUMA_WHITE = 235

Luma = NDArray[np.uint8]


def time_code_cells(utc_ms: int) -> list[int]:
    """The 48 cells (1 white, 0 black) that say `utc_ms`."""
    bits = [utc_ms >> shift & 1 for shift in range(_TIME_BITS - 1, -1, -1)]
    return [1, 0, *bits, 1 - sum(bits[0::2]) % 2, 1 - sum(bits[1::2]) % 2]


class TimeCodeRow:
    """Owns the geometry of the row for one picture size; whoever paints the picture calls it."""

    def __init__(self, width: int, height: int) -> None:
        edges = [round(i * width / CELLS) for i in range(CELLS + 1)]
        self._cell_widths = np.diff(edges)
        self.height = max(2, height // ROW_HEIGHTS)

    def draw(self, luma: Luma, utc_ms: int) -> None:
        """Draws over the top rows of `luma`, shape (height, width), limited range."""
        levels = np.array([LUMA_BLACK, LUMA_WHITE], np.uint8)[time_code_cells(utc_ms)]
        luma[: self.height] = np.repeat(levels, self._cell_widths)


def read_luma_time_code(luma: bytes, line_size: int, width: int, height: int) -> float | None:
    """The same of a decoded picture's luma plane, limited range, lines of `line_size` bytes."""
    line = height // (2 * ROW_HEIGHTS) * line_size
    row = np.frombuffer(luma, np.uint8, width, line).astype(np.int32)
    return _read_cells((row[_cell_columns(width)] - LUMA_BLACK) * 255 / (LUMA_WHITE - LUMA_BLACK))


def read_time_code(rgb: NDArray[Any]) -> float | None:
    """UTC seconds of a picture, shape (height, width, 3) in full range; None when unreadable."""
    height, width = rgb.shape[:2]
    return _read_cells(rgb[height // (2 * ROW_HEIGHTS), _cell_columns(width)].mean(axis=1))


def _cell_columns(width: int) -> list[int]:
    return [int((i + 0.5) * width / CELLS) for i in range(CELLS)]


def _read_cells(brightness: NDArray[Any]) -> float | None:
    if np.any((brightness > _BLACK_TO) & (brightness < _WHITE_FROM)):
        return None
    cells = [int(level >= _WHITE_FROM) for level in brightness]
    utc_ms = int("".join(map(str, cells[2 : 2 + _TIME_BITS])), 2)
    return utc_ms / 1000 if cells == time_code_cells(utc_ms) else None
