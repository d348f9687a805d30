"""What all video codecs say about a picture: size, shape, rate, colour; and the sane bounds."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from segmenter.codecs.bitstream import BitReader
from segmenter.errors import MediaError

MAX_DIMENSION = 16_888
"""Widest or tallest picture of H.264 and H.265 level 6.2 (square root of 8 x MaxLumaPs); the
largest AV1 level (6.3) says 16,384. Sample entries end at 65,535."""

MAX_FRAME_RATE = 1000
"""Frames per second; no level of any codec has more than 300. Above it a header's timing is
taken as unknown rather than wrong, as encoders put 90,000 there for variable frame rate."""

UNSPECIFIED = 2
"""Colour code point of ISO/IEC 23091-2: not known."""

_EXTENDED_SAR = 255
_SAMPLE_ASPECT_RATIOS = (
    (0, 1), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11),
    (80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Colour:
    """Code points of ISO/IEC 23091-2; 2 is unspecified."""

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    """16 is PQ and 18 is HLG, what HLS calls VIDEO-RANGE."""
    matrix: int = UNSPECIFIED
    full_range: bool = False


UNSPECIFIED_COLOUR = Colour()


@dataclass(frozen=True, slots=True)
class VuiPicture:
    """The first half of video usability information, equal in H.264 E.1.1 and H.265 E.2.1."""

    sample_aspect_ratio: Fraction = Fraction(0)
    """Width to height of one sample; 0 when unknown."""
    colour: Colour = UNSPECIFIED_COLOUR


NO_VUI_PICTURE = VuiPicture()


def check_size(width: int, height: int) -> None:
    """MediaError when a picture is empty or larger than any level allows (luma samples)."""
    if not (0 < width <= MAX_DIMENSION and 0 < height <= MAX_DIMENSION):
        raise MediaError(f"picture of {width}x{height}, 1 to {MAX_DIMENSION} is allowed")


def frame_rate_from(ticks_per_s: int, ticks_per_frame: int) -> Fraction:
    """Frames per second; 0 (unknown) when the header's numbers make no sense."""
    if not ticks_per_s or not ticks_per_frame:
        return Fraction(0)
    rate = Fraction(ticks_per_s, ticks_per_frame)
    return rate if rate <= MAX_FRAME_RATE else Fraction(0)


def read_vui_picture(reader: BitReader) -> VuiPicture:
    """From aspect_ratio_info_present_flag to chroma_sample_loc_type_bottom_field."""
    ratio = _read_aspect_ratio(reader) if reader.read_flag() else Fraction(0)
    if reader.read_flag():
        reader.skip_bits(1)  # overscan_appropriate_flag
    colour = _read_colour(reader) if reader.read_flag() else UNSPECIFIED_COLOUR
    if reader.read_flag():
        reader.read_ue(5, "chroma_sample_loc_type_top_field")
        reader.read_ue(5, "chroma_sample_loc_type_bottom_field")
    return VuiPicture(ratio, colour)


def _read_aspect_ratio(reader: BitReader) -> Fraction:
    idc = reader.read_bits(8)
    if idc == _EXTENDED_SAR:
        width, height = reader.read_bits(16), reader.read_bits(16)
        return Fraction(width, height) if height else Fraction(0)
    if idc < len(_SAMPLE_ASPECT_RATIOS):
        return Fraction(*_SAMPLE_ASPECT_RATIOS[idc])
    return Fraction(0)


def _read_colour(reader: BitReader) -> Colour:
    reader.skip_bits(3)  # video_format
    full_range = reader.read_flag()
    if not reader.read_flag():
        return Colour(full_range=full_range)
    primaries, transfer, matrix = (reader.read_bits(8) for _ in range(3))
    return Colour(primaries, transfer, matrix, full_range)
