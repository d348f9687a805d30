"""A frame hook that draws a score board: two team colours, two numbers and the running time.

    [paths."match/*"]
    frame_hook = "scoreboard:draw"

The score is read from the file named by SCOREBOARD_FILE, such as "2:1", at most once a second;
whoever keeps the score just writes that file. The frame is YUV, which costs a tenth of RGB here.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

# Seven-segment digits, as rows of five characters; a cell becomes a square of pixels.
_GLYPHS = {
    "0": ("#####", "#...#", "#...#", "#...#", "#...#", "#...#", "#####"),
    "1": ("..#..", ".##..", "..#..", "..#..", "..#..", "..#..", ".###."),
    "2": ("#####", "....#", "....#", "#####", "#....", "#....", "#####"),
    "3": ("#####", "....#", "....#", "#####", "....#", "....#", "#####"),
    "4": ("#...#", "#...#", "#...#", "#####", "....#", "....#", "....#"),
    "5": ("#####", "#....", "#....", "#####", "....#", "....#", "#####"),
    "6": ("#####", "#....", "#....", "#####", "#...#", "#...#", "#####"),
    "7": ("#####", "....#", "....#", "...#.", "..#..", "..#..", "..#.."),
    "8": ("#####", "#...#", "#...#", "#####", "#...#", "#...#", "#####"),
    "9": ("#####", "#...#", "#...#", "#####", "....#", "....#", "#####"),
    ":": (".....", "..#..", "..#..", ".....", "..#..", "..#..", "....."),
    " ": (".....",) * 7,
}
_DARK, _BRIGHT, _NEUTRAL = 24, 235, 128
_HOME_CHROMA, _AWAY_CHROMA = (100, 212), (212, 100)


def draw(image: Image, pts_s: float) -> Image:
    """Draws onto a yuv420p frame: `image` has 3/2 of the frame's height, luma first."""
    height, width = image.shape[0] * 2 // 3, image.shape[1]
    cell = max(2, height // 180)
    seconds = int(pts_s)
    text = f" {_score(seconds)}  {seconds // 60 % 60:02}:{seconds % 60:02} "
    label = _label(text, cell)
    rows, columns = (size // 2 * 2 for size in label.shape)
    top, left = height // 24 * 2, width // 48 * 2
    if top + rows > height or left + columns > width:
        return image
    image[top : top + rows, left : left + columns] = label[:rows, :columns]
    _tint(image, height, (top, left, rows, columns))
    return image


draw.frame_format = "yuv420p"  # type: ignore[attr-defined]


def _label(text: str, cell: int) -> Image:
    """Luma of `text`, each character six cells wide and eleven high with its margin."""
    cells = np.zeros((11, 6 * len(text)), np.bool_)
    for index, character in enumerate(text):
        for row, line in enumerate(_GLYPHS.get(character, _GLYPHS[" "])):
            for column, mark in enumerate(line):
                cells[row + 2, 6 * index + column] = mark == "#"
    luma = np.where(cells, _BRIGHT, _DARK).astype(np.uint8)
    return luma.repeat(cell, 0).repeat(cell, 1)


def _tint(image: Image, height: int, box: tuple[int, int, int, int]) -> None:
    """Colourless behind the text, the teams' colours as bands at both ends."""
    top, left, rows, columns = (size // 2 for size in box)
    width = image.shape[1] // 2
    planes = image[height:].reshape(2, height // 2, width)
    for plane, home, away in zip(planes, _HOME_CHROMA, _AWAY_CHROMA, strict=True):
        band = plane[top : top + rows, left : left + columns]
        band[:] = _NEUTRAL
        band[:, : rows // 3] = home
        band[:, -(rows // 3) :] = away


_read_at = -1
_read_score = "0:0"


def _score(seconds: int) -> str:
    """The score, from a file that is read again when media time has moved by a second."""
    global _read_at, _read_score
    if seconds != _read_at:
        _read_at = seconds
        name = os.environ.get("SCOREBOARD_FILE", "")
        if name and Path(name).is_file():
            _read_score = Path(name).read_text("utf-8").strip()[:7] or _read_score
    return _read_score
