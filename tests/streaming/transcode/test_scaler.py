"""Each rung is scaled from the next larger one that is wanted."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from streaming.transcode import scaler
from streaming.transcode.rung_encoder import Look
from streaming.transcode.scaler import Cascade
from tests.streaming.transcode.clips import picture, psnr

SIZES = ((96, 72), (48, 36), (24, 18))


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Widths of what was scaled, in order."""
    seen: list[int] = []
    scale = scaler._reformat

    def watched(by: object, frame: VideoFrame, size: tuple[int, int]) -> VideoFrame:
        seen.append(frame.width)
        return scale(by, frame, size)  # type: ignore[arg-type]

    monkeypatch.setattr(scaler, "_reformat", watched)
    return seen


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ((True, True, True), [160, 96, 48]),
        ((True, False, True), [160, 96]),
        ((False, False, True), [160]),
        ((False, False, False), []),
    ],
)
def test_a_rung_is_made_of_the_next_larger_one(
    sources: list[int], wanted: tuple[bool, ...], expected: list[int]
) -> None:
    made = Cascade(SIZES).scale(picture(0, 160, 120), wanted)
    assert sources == expected
    assert [image is not None for image in made] == list(wanted)
    for image, size in zip(made, SIZES, strict=True):
        assert image is None or (image.width, image.height) == size


def test_what_went_through_all_steps_looks_as_if_it_had_been_one() -> None:
    frame = picture(3, 160, 120)
    frame.pts, frame.time_base = 0, Fraction(1, 90_000)
    last = Cascade(SIZES).scale(frame, (True, True, True))[-1]
    assert last is not None
    assert psnr(last, frame.reformat(24, 18, interpolation="BICUBIC")) > 35


@pytest.mark.parametrize(("lines", "matrix"), [(360, "ITU601"), (720, "ITU709")])
def test_rgb_becomes_what_players_take_its_size_for(lines: int, matrix: str) -> None:
    """H.264 in 4:4:4 can be RGB: its "matrix" says that there is none."""
    red = VideoFrame.from_ndarray(np.full((lines, 640, 3), (200, 40, 40), np.uint8), "rgb24")
    rgb = red.reformat(format="gbrp")
    rgb.colorspace, rgb.color_range = 0, ColorRange.JPEG
    assert Look.of(rgb, Fraction(1)).matrix == {"ITU601": 6, "ITU709": 1}[matrix]
    (scaled,) = Cascade([(320, lines // 2)]).scale(rgb, [True])
    assert scaled is not None
    back = scaled.to_ndarray(
        format="rgb24",
        src_colorspace=matrix,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    assert abs(back.mean(axis=(0, 1)) - (200, 40, 40)).max() < 3
