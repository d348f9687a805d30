"""The picture of the built-in test source: what stands still is painted once, the rest per frame.

From top to bottom, in parts of the height: the cells of the time code (test_time_code.py), colour
bars with a box for the clock that people read, a lane in which a square swings once in four
seconds, a texture that scrolls. The flash is a patch at the lower right of the bars, FLASH_BOX in
parts of width and height: white while the tone of each UTC second sounds, else black.
"""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from streaming.ingest.test_font import GLYPH_COLUMNS, GLYPH_ROWS, glyph, text_width
from streaming.ingest.test_time_code import LUMA_BLACK, LUMA_WHITE, TimeCodeRow

FLASH_S = Fraction(1, 10)
"""The flash and the tone last so long from the start of each UTC second."""
FLASH_BOX = (Fraction(7, 8), Fraction(1, 2), Fraction(1, 1), Fraction(2, 3))
"""Left, top, right, bottom in parts of width and height."""
_CLOCK_CHARACTERS = 12
_SWING_S = 4
_SCROLL_PER_S = Fraction(1, 8)
"""Picture widths the texture moves in a second: a pan that encoders find realistic."""
_BARS = (
    (180, 128, 128),
    (162, 44, 142),
    (131, 156, 44),
    (112, 72, 58),
    (84, 184, 198),
    (65, 100, 212),
    (35, 212, 114),
    (60, 128, 128),
)
"""75 % colour bars, BT.709 limited range (Y, Cb, Cr), and grey last for the flash to sit on."""

Plane = NDArray[np.uint8]


class TestPicture:
    """Owns the three planes of one yuv420p picture; the test source's loop repaints them.

    The planes are views given by the caller, shapes (height, width) and twice
    (height / 2, width / 2); `paint` changes only what moved since the last call.
    """

    __test__ = False

    def __init__(self, luma: Plane, blue: Plane, red: Plane, text: str) -> None:
        self._luma = luma
        self._height: int = luma.shape[0]
        self._width: int = luma.shape[1]
        self._row = TimeCodeRow(self._width, self._height)
        self._scale = max(1, self._width * 6 // 10 // (_CLOCK_CHARACTERS * GLYPH_COLUMNS))
        self._small = max(1, self._scale // 3)
        self._clock_y = self._height // 4
        self._title_y = self._clock_y - 2 * GLYPH_ROWS * self._small
        self._lane = (self._height * 2 // 3, self._height * 3 // 4)
        self._shown = " " * _CLOCK_CHARACTERS
        self._date = ""
        self._paint_still(blue, red, text)
        self._texture = _texture(self._height - self._lane[1], self._width)

    def paint(self, at: Fraction) -> None:
        """Paints the moment `at`, UTC seconds."""
        utc_ms = int(at * 1000)
        self._row.draw(self._luma, utc_ms)
        self._paint_clock(utc_ms)
        self._paint_flash(at % 1 < FLASH_S)
        self._paint_swing(at)
        offset = int(at * _SCROLL_PER_S * self._width) % self._width
        self._luma[self._lane[1] :] = self._texture[:, offset : offset + self._width]

    def _paint_still(self, blue: Plane, red: Plane, text: str) -> None:
        self._luma[:], blue[:], red[:] = LUMA_BLACK, 128, 128
        top, bottom = self._row.height, self._lane[0]
        for bar, (y, cb, cr) in enumerate(_BARS):
            left, right = (round(i * self._width / len(_BARS)) for i in (bar, bar + 1))
            self._luma[top:bottom, left:right] = y
            for plane, value in ((blue, cb), (red, cr)):
                plane[(top + 1) // 2 : bottom // 2, left // 2 : right // 2] = value
        scroll = self._lane[1] // 2
        blue[scroll:] = np.linspace(108, 148, blue.shape[1], dtype=np.uint8)
        red[scroll:] = np.linspace(148, 108, red.shape[1], dtype=np.uint8)
        self._paint_box(blue, red)
        self._write(text[:32], self._title_y, self._small)

    def _paint_box(self, blue: Plane, red: Plane) -> None:
        """A dark box on which text is written."""
        half = text_width(" " * (_CLOCK_CHARACTERS + 1), self._scale) // 2
        left, right = (max(0, self._width // 2 + side * half) // 2 * 2 for side in (-1, 1))
        top = max(self._row.height, self._title_y - GLYPH_ROWS * self._small) // 2 * 2
        bottom = (self._clock_y + (GLYPH_ROWS + 6) * self._scale) // 2 * 2
        self._luma[top:bottom, left:right] = LUMA_BLACK
        for plane in (blue, red):
            plane[top // 2 : bottom // 2, left // 2 : right // 2] = 128

    def _paint_clock(self, utc_ms: int) -> None:
        fields = time.gmtime(utc_ms // 1000)
        shown = f"{time.strftime('%H:%M:%S', fields)}.{utc_ms % 1000:03}"
        left = (self._width - text_width(shown, self._scale)) // 2
        for index, (old, new) in enumerate(zip(self._shown, shown, strict=True)):
            if old != new:
                x = left + text_width(" ", self._scale) * index
                self._write_glyph(new, x, self._clock_y, self._scale)
        self._shown = shown
        date = time.strftime("%Y-%m-%d UTC", fields)
        if date != self._date:
            self._date = date
            self._write(date, self._clock_y + (GLYPH_ROWS + 2) * self._scale, self._small)

    def _write(self, text: str, y: int, scale: int) -> None:
        """Writes `text` in the middle of the row at `y`."""
        left = max(0, (self._width - text_width(text, scale)) // 2)
        for index, character in enumerate(text):
            self._write_glyph(character, left + text_width(" ", scale) * index, y, scale)

    def _write_glyph(self, character: str, x: int, y: int, scale: int) -> None:
        ink = glyph(character, scale)[: max(0, self._height - y), : max(0, self._width - x)]
        height, width = ink.shape
        self._luma[y : y + height, x : x + width] = np.where(ink, LUMA_WHITE, LUMA_BLACK)

    def _paint_flash(self, on: bool) -> None:
        left, top, right, bottom = FLASH_BOX
        rows = slice(int(top * self._height), int(bottom * self._height))
        columns = slice(int(left * self._width), int(right * self._width))
        self._luma[rows, columns] = LUMA_WHITE if on else LUMA_BLACK

    def _paint_swing(self, at: Fraction) -> None:
        top, bottom = self._lane
        size = bottom - top
        phase = float(at % _SWING_S) / _SWING_S
        x = round((self._width - size) * abs(1 - 2 * phase))
        self._luma[top:bottom] = LUMA_BLACK
        self._luma[top:bottom, x : x + size] = 200


def _texture(height: int, width: int) -> Plane:
    """Two widths of waves and grain, the second a repeat of the first so that it can scroll."""
    y, x = np.mgrid[0:height, 0:width]
    turns = 2 * np.pi * x / width
    waves = 40 * np.sin(9 * turns + y / 17) + 30 * np.sin(23 * turns - y / 7)
    grain = np.random.default_rng(seed=1).normal(0, 6, (height, width))
    tile = np.clip(126 + waves + grain, LUMA_BLACK, LUMA_WHITE).astype(np.uint8)
    return np.concatenate([tile, tile], axis=1)
