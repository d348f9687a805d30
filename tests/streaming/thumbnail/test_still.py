"""A small picture out of a key frame, and nothing worse than none out of anything else."""

from __future__ import annotations

import contextlib
import io
import random
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
import pytest
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from segmenter.media import Codec
from streaming.thumbnail.still import NoPictureError, key_frame_jpeg
from tests.streaming.thumbnail.media import first_part
from tests.streaming.transcode.clips import picture


def decoded(jpeg: bytes) -> Any:
    with cast(InputContainer, av.open(io.BytesIO(jpeg), format="mjpeg")) as container:
        return next(container.decode(video=0))


@pytest.mark.parametrize(
    ("codec", "b_frames"), [(Codec.H264, 0), (Codec.H264, 3), (Codec.H265, 0), (Codec.H265, 3)]
)
def test_the_picture_is_the_key_frame_made_small(codec: Codec, b_frames: int) -> None:
    frame = decoded(key_frame_jpeg(b"".join(first_part(codec=codec, b_frames=b_frames))))
    assert (frame.width, frame.height) == (320, 180)
    # JPEG has all 256 levels, the video 219 of them: 16 is black.
    shown = frame.to_ndarray(format="gray").astype(float)
    wanted = picture(0, 640, 360).to_ndarray()[:360].astype(float)[::2, ::2]
    assert np.abs(shown - (wanted - 16) * 255 / 219).mean() < 4


@pytest.mark.parametrize(
    ("size", "aspect", "expected"),
    [
        ((360, 640), 1, (320, 568)),
        ((240, 960), 1, (160, 640)),
        ((720, 576), Fraction(64, 45), (320, 180)),
    ],
    ids=["upright", "a tower", "pixels that are not square"],
)
def test_it_looks_as_the_video_does(
    size: tuple[int, int], aspect: Fraction | int, expected: tuple[int, int]
) -> None:
    media = b"".join(first_part(size=size, sample_aspect_ratio=Fraction(aspect)))
    frame = decoded(key_frame_jpeg(media))
    assert (frame.width, frame.height) == expected


@pytest.mark.parametrize("colour_range", ["MPEG", "JPEG"])
@pytest.mark.parametrize(("lines", "matrix"), [(360, "ITU601"), (720, "ITU709")])
def test_its_colours_are_those_of_the_video(lines: int, matrix: str, colour_range: str) -> None:
    red = (200, 40, 40)

    def draw(index: int, width: int, height: int) -> VideoFrame:
        frame = VideoFrame.from_ndarray(np.full((height, width, 3), red, np.uint8), "rgb24")
        return frame.reformat(
            format="yuv420p", dst_colorspace=matrix, dst_color_range=ColorRange[colour_range]
        )

    media = first_part(size=(640, lines), draw=draw, color_range=ColorRange[colour_range].value)
    shown = decoded(key_frame_jpeg(b"".join(media))).to_ndarray(
        format="rgb24",
        src_colorspace="ITU601",
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG,
    )
    assert abs(shown.mean(axis=(0, 1)) - red).max() < 4


def test_what_has_no_picture_says_so() -> None:
    init, part = first_part()
    for media in (b"", init, part, b"\0" * 1_000):
        with pytest.raises(NoPictureError):
            key_frame_jpeg(media)


def test_damaged_media_give_a_picture_or_none_and_nothing_else() -> None:
    init, part = first_part()
    chance = random.Random(5)
    for _ in range(60):
        media = bytearray(init + part)
        for _ in range(chance.randrange(1, 40)):
            media[chance.randrange(len(media))] = chance.randrange(256)
        with contextlib.suppress(NoPictureError):
            assert key_frame_jpeg(bytes(media))[:2] == b"\xff\xd8"
