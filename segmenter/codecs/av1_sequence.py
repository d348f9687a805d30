"""The AV1 sequence header (AV1 bitstream specification 5.5)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from segmenter.codecs.bitstream import MAX_GOLOMB_ZEROS, BitReader
from segmenter.codecs.picture import Colour, check_size, frame_rate_from
from segmenter.errors import MediaError

_BT709 = 1
_SRGB = 13
_IDENTITY = 0
_SELECT = 2
"""SELECT_SCREEN_CONTENT_TOOLS and SELECT_INTEGER_MV."""


@dataclass(frozen=True, slots=True)
class SequenceHeader:
    """What a sequence header says; sizes are the largest frame of the sequence."""

    profile: int
    """0 Main, 1 High, 2 Professional."""
    level: int
    """seq_level_idx of operating point 0: 8 is level 4.0."""
    high_tier: bool
    bit_depth: int
    monochrome: bool
    subsampling_x: int
    subsampling_y: int
    chroma_sample_position: int
    """0 unknown, 1 vertical, 2 colocated."""
    colour: Colour
    has_colour_description: bool
    width: int
    height: int
    frame_rate: Fraction
    """Frames per second; 0 when unknown or variable."""
    still_picture: bool
    reduced_still_picture: bool


@dataclass(frozen=True, slots=True)
class _Timing:
    frame_rate: Fraction = Fraction(0)
    has_decoder_model: bool = False
    buffer_delay_bits: int = 0


@dataclass(frozen=True, slots=True)
class _ColourConfig:
    bit_depth: int
    monochrome: bool
    subsampling_x: int
    subsampling_y: int
    position: int
    colour: Colour
    described: bool


def parse_sequence_header(payload: bytes | memoryview) -> SequenceHeader:
    """Parse the payload of a sequence header OBU (without OBU header). Raises MediaError."""
    reader = BitReader(payload)
    profile = reader.read_bits(3)
    if profile > 2:
        raise MediaError(f"AV1 profile {profile}")
    still, reduced = reader.read_flag(), reader.read_flag()
    if reduced:
        level, high_tier, rate = reader.read_bits(5), False, Fraction(0)
    else:
        timing = _read_timing(reader) if reader.read_flag() else _Timing()
        level, high_tier = _read_operating_points(reader, timing)
        rate = timing.frame_rate
    width_bits, height_bits = reader.read_bits(4) + 1, reader.read_bits(4) + 1
    width, height = reader.read_bits(width_bits) + 1, reader.read_bits(height_bits) + 1
    check_size(width, height)
    _skip_tools(reader, reduced)
    colours = _read_colour_config(reader, profile)
    reader.skip_bits(1)  # film_grain_params_present
    return SequenceHeader(
        profile=profile,
        level=level,
        high_tier=high_tier,
        bit_depth=colours.bit_depth,
        monochrome=colours.monochrome,
        subsampling_x=colours.subsampling_x,
        subsampling_y=colours.subsampling_y,
        chroma_sample_position=colours.position,
        colour=colours.colour,
        has_colour_description=colours.described,
        width=width,
        height=height,
        frame_rate=rate,
        still_picture=still,
        reduced_still_picture=reduced,
    )


def _read_uvlc(reader: BitReader) -> int:
    """uvlc() (4.10.3), which unlike ue(v) ends with 32 zeros."""
    zeros = 0
    while not reader.read_bits(1):
        zeros += 1
        if zeros > MAX_GOLOMB_ZEROS:
            raise MediaError("AV1 uvlc longer than 32 bits")
    if zeros == MAX_GOLOMB_ZEROS:
        return (1 << 32) - 1
    return reader.read_bits(zeros) + (1 << zeros) - 1


def _read_timing(reader: BitReader) -> _Timing:
    """timing_info and decoder_model_info (5.5.3, 5.5.4)."""
    units_in_tick, time_scale = reader.read_bits(32), reader.read_bits(32)
    rate = Fraction(0)
    if reader.read_flag():  # equal_picture_interval
        rate = frame_rate_from(time_scale, units_in_tick * (_read_uvlc(reader) + 1))
    if not reader.read_flag():
        return _Timing(rate)
    buffer_delay_bits = reader.read_bits(5) + 1
    reader.skip_bits(42)  # num_units_in_decoding_tick and two lengths
    return _Timing(rate, True, buffer_delay_bits)


def _read_operating_points(reader: BitReader, timing: _Timing) -> tuple[int, bool]:
    """Level and tier of the first operating point, the one that decoders choose."""
    initial_delay = reader.read_flag()
    points: list[tuple[int, bool]] = []
    for _ in range(reader.read_bits(5) + 1):
        reader.skip_bits(12)  # operating_point_idc
        level = reader.read_bits(5)
        points.append((level, reader.read_flag() if level > 7 else False))
        if timing.has_decoder_model and reader.read_flag():
            reader.skip_bits(2 * timing.buffer_delay_bits + 1)
        if initial_delay and reader.read_flag():
            reader.skip_bits(4)
    return points[0]


def _skip_tools(reader: BitReader, reduced: bool) -> None:
    if not reduced and reader.read_flag():
        reader.skip_bits(7)  # lengths of frame ids
    reader.skip_bits(3)  # 128x128 superblocks, filter intra, intra edge filter
    if not reduced:
        reader.skip_bits(4)  # interintra, masked compound, warped motion, dual filter
        order_hint = reader.read_flag()
        if order_hint:
            reader.skip_bits(2)  # jnt_comp, ref_frame_mvs
        screen_content = _SELECT if reader.read_flag() else reader.read_bits(1)
        if screen_content and not reader.read_flag():  # seq_choose_integer_mv
            reader.skip_bits(1)
        if order_hint:
            reader.skip_bits(3)  # order_hint_bits_minus_1
    reader.skip_bits(3)  # superres, cdef, restoration


def _read_colour_config(reader: BitReader, profile: int) -> _ColourConfig:
    """color_config (5.5.2)."""
    depth = 10 if reader.read_flag() else 8
    if profile == 2 and depth == 10 and reader.read_flag():
        depth = 12
    monochrome = reader.read_flag() if profile != 1 else False
    described = reader.read_flag()
    primaries, transfer, matrix = 2, 2, 2
    if described:
        primaries, transfer, matrix = (reader.read_bits(8) for _ in range(3))
    if monochrome:
        colour = Colour(primaries, transfer, matrix, reader.read_flag())
        return _ColourConfig(depth, True, 1, 1, 0, colour, described)
    if (primaries, transfer, matrix) == (_BT709, _SRGB, _IDENTITY):
        reader.skip_bits(1)  # separate_uv_delta_q
        return _ColourConfig(depth, False, 0, 0, 0, Colour(1, 13, 0, True), described)
    colour = Colour(primaries, transfer, matrix, reader.read_flag())
    across, down = _read_subsampling(reader, profile, depth)
    position = reader.read_bits(2) if across and down else 0
    reader.skip_bits(1)  # separate_uv_delta_q
    return _ColourConfig(depth, False, across, down, position, colour, described)


def _read_subsampling(reader: BitReader, profile: int, depth: int) -> tuple[int, int]:
    if profile == 0:
        return 1, 1
    if profile == 1:
        return 0, 0
    if depth != 12:
        return 1, 0
    across = reader.read_bits(1)
    return across, reader.read_bits(1) if across else 0
