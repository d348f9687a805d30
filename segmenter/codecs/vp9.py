"""VP9: vpcC (VP Codec ISO Media File Format Binding 1.0) and the uncompressed frame header.

Canonical samples are frames or superframes. All functions take a peer's bytes and raise
MediaError, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from segmenter.codecs.bitstream import BitReader
from segmenter.codecs.picture import UNSPECIFIED, Colour, check_size
from segmenter.errors import MediaError

FULL_BOX_HEAD = b"\x01\x00\x00\x00"
"""Version 1 and flags 0, with which the content of vpcC starts."""

_RECORD_BYTES = 8
_FRAME_MARKER = 2
_SYNC_CODE = 0x498342
_SRGB = 7

_BITSTREAM_COLOURS = {1: (5, 6, 5), 2: (1, 1, 1), 3: (6, 6, 6), 4: (7, 7, 7), 5: (9, 2, 9)}
"""color_space of the frame header (7.2.2) as code points of ISO/IEC 23091-2. BT.2020 goes with
several transfers, and only the container can say which."""

_SUBSAMPLING_420_COLOCATED = 1
_CHROMA = {(1, 0): 2, (0, 0): 3, (0, 1): 3, (1, 1): _SUBSAMPLING_420_COLOCATED}
"""chromaSubsampling of vpcC by subsampling in x and y; 4:4:0 has no value of its own."""

_LEVELS = (
    (10, 829_440, 36_864),
    (11, 2_764_800, 73_728),
    (20, 4_608_000, 122_880),
    (21, 9_216_000, 245_760),
    (30, 20_736_000, 552_960),
    (31, 36_864_000, 983_040),
    (40, 83_558_400, 2_228_224),
    (41, 160_432_128, 2_228_224),
    (50, 311_951_360, 8_912_896),
    (51, 588_251_136, 8_912_896),
    (52, 1_176_502_272, 8_912_896),
    (60, 1_176_502_272, 35_651_584),
    (61, 2_353_004_544, 35_651_584),
    (62, 4_706_009_088, 35_651_584),
)
"""Level, luma samples a second, luma samples a picture (VP9 levels, webmproject.org)."""

_ASSUMED_RATE = 30
"""Frames per second for the level when the rate is unknown, as live sources mostly have it."""


@dataclass(frozen=True, slots=True)
class Vp9Config:
    """VPCodecConfigurationRecord."""

    profile: int
    level: int
    """Ten times the level: 31 is level 3.1."""
    bit_depth: int
    chroma_subsampling: int
    """0 4:2:0 vertical, 1 4:2:0 colocated, 2 4:2:2, 3 4:4:4."""
    colour: Colour


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The start of uncompressed_header; all but the first four fields only in key frames."""

    profile: int
    is_key: bool
    show_frame: bool
    show_existing_frame: bool
    bit_depth: int = 0
    subsampling_x: int = 0
    subsampling_y: int = 0
    colour: Colour | None = None
    width: int = 0
    height: int = 0


def parse_decoder_configuration(config: bytes) -> Vp9Config:
    """Parse the content of vpcC, with or without the version and flags of its full box.

    FLV and WebM carry the bare record. Raises MediaError.
    """
    record = config[4:] if config[:4] == FULL_BOX_HEAD else config
    if len(record) < _RECORD_BYTES or record[0] > 3:
        raise MediaError(f"not a VP9 configuration: {bytes(config[:12]).hex()}")
    bit_depth = record[2] >> 4
    if bit_depth not in (8, 10, 12):
        raise MediaError(f"VP9 configuration with {bit_depth} bits per sample")
    return Vp9Config(
        profile=record[0],
        level=record[1],
        bit_depth=bit_depth,
        chroma_subsampling=(record[2] >> 1) & 7,
        colour=Colour(record[3], record[4], record[5], bool(record[2] & 1)),
    )


def write_decoder_configuration(config: Vp9Config) -> bytes:
    """The content of vpcC, version and flags included."""
    colour = config.colour
    packed = config.bit_depth << 4 | config.chroma_subsampling << 1 | colour.full_range
    record = (config.profile, config.level, packed, colour.primaries, colour.transfer)
    return FULL_BOX_HEAD + bytes((*record, colour.matrix, 0, 0))


def decoder_configuration_from_frame(
    frame: bytes | memoryview, frame_rate: Fraction = Fraction(0)
) -> bytes:
    """The content of vpcC from a key frame. Raises MediaError when it is not a key frame.

    The level is the lowest that holds the picture at ``frame_rate`` (0 when unknown).
    """
    header = parse_frame_header(frame)
    if not header.is_key or header.colour is None:
        raise MediaError("VP9 configuration needs a key frame")
    return write_decoder_configuration(
        Vp9Config(
            profile=header.profile,
            level=level_of(header.width, header.height, frame_rate),
            bit_depth=header.bit_depth,
            chroma_subsampling=_CHROMA[header.subsampling_x, header.subsampling_y],
            colour=header.colour,
        )
    )


def level_of(width: int, height: int, frame_rate: Fraction = Fraction(0)) -> int:
    """Ten times the lowest level for a picture; 62, the highest, when none is enough."""
    samples = width * height
    rate = samples * (frame_rate or _ASSUMED_RATE)
    for level, max_rate, max_samples in _LEVELS:
        if samples <= max_samples and rate <= max_rate:
            return level
    return _LEVELS[-1][0]


def is_sync(data: bytes) -> bool:
    """Whether a frame, or the first of a superframe, is a key frame.

    Raises MediaError when the data are empty or no VP9 frame.
    """
    if not data or data[0] >> 6 != _FRAME_MARKER:
        raise MediaError(f"not a VP9 frame: {data[:4].hex()}")
    # show_existing_frame and frame_type are both 0; profile 3 has a reserved bit before them.
    mask = 0x06 if data[0] & 0x30 == 0x30 else 0x0C
    return not data[0] & mask


def parse_frame_header(frame: bytes | memoryview) -> FrameHeader:
    """Parse uncompressed_header (VP9 bitstream specification 6.2) up to the frame size.

    Of a superframe the first frame's header is read. Raises MediaError.
    """
    reader = BitReader(frame)
    if reader.read_bits(2) != _FRAME_MARKER:
        raise MediaError(f"not a VP9 frame: {bytes(frame[:4]).hex()}")
    profile = reader.read_bits(1) | reader.read_bits(1) << 1
    if profile == 3 and reader.read_flag():
        raise MediaError("VP9 frame of a reserved profile")
    if reader.read_flag():
        return FrameHeader(profile, False, True, True)
    is_key, show_frame = not reader.read_flag(), reader.read_flag()
    reader.skip_bits(1)  # error_resilient_mode
    if not is_key:
        return FrameHeader(profile, False, show_frame, False)
    if reader.read_bits(24) != _SYNC_CODE:
        raise MediaError("VP9 key frame without its sync code")
    depth, across, down, colour = _read_colour_config(reader, profile)
    width, height = reader.read_bits(16) + 1, reader.read_bits(16) + 1
    check_size(width, height)
    return FrameHeader(profile, True, show_frame, False, depth, across, down, colour, width, height)


def _read_colour_config(reader: BitReader, profile: int) -> tuple[int, int, int, Colour]:
    """Bit depth, subsampling in x and y, colour (7.2.2)."""
    depth = 8
    if profile >= 2:
        depth = 12 if reader.read_flag() else 10
    space = reader.read_bits(3)
    if space == _SRGB:
        if profile in (0, 2):
            raise MediaError(f"RGB in VP9 profile {profile}")
        reader.skip_bits(1)  # reserved_zero
        return depth, 0, 0, Colour(1, 13, 0, True)
    code_points = _BITSTREAM_COLOURS.get(space, (UNSPECIFIED,) * 3)
    colour = Colour(*code_points, full_range=reader.read_flag())
    across = down = 1
    if profile in (1, 3):
        across, down = reader.read_bits(1), reader.read_bits(1)
        reader.skip_bits(1)  # reserved_zero
    return depth, across, down, colour
