"""The H.264 sequence parameter set (ITU-T H.264 7.3.2.1.1 and Annex E)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from segmenter.codecs.bitstream import BitReader, remove_emulation_prevention
from segmenter.codecs.picture import (
    NO_VUI_PICTURE,
    Colour,
    VuiPicture,
    check_size,
    frame_rate_from,
    read_vui_picture,
)
from segmenter.errors import MediaError

NAL_SPS = 7

MAX_SPS_BYTES = 65_535
"""What the 16-bit length in avcC can say."""

_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_INTRA_PROFILES = frozenset({44, 86, 100, 110, 122, 244})
_BASELINE = 66
_CONSTRAINT_SET3 = 0x10

_MAX_DPB_MBS = {
    9: 396, 10: 396, 11: 900, 12: 2376, 13: 2376, 20: 2376, 21: 4752, 22: 8100, 30: 8100,
    31: 18000, 32: 20480, 40: 32768, 41: 32768, 42: 34816, 50: 110400, 51: 184320, 52: 184320,
    60: 696320, 61: 696320, 62: 696320,
}  # fmt: skip
"""Table A-1, MaxDpbMbs by level_idc."""

_MAX_DPB_FRAMES = 16
_MAX_MBS_ACROSS = 4096
"""pic_width_in_mbs_minus1 and its like; far over every level, so that products stay small."""


@dataclass(frozen=True, slots=True)
class SpsInfo:
    """What an H.264 SPS says about its pictures; sizes are luma samples after cropping."""

    profile_idc: int
    constraint_flags: int
    """The byte after profile_idc: constraint_set0_flag is its top bit."""
    level_idc: int
    """Ten times the level: 31 is level 3.1."""
    sps_id: int
    chroma_format_idc: int
    """0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4."""
    bit_depth_luma: int
    bit_depth_chroma: int
    width: int
    height: int
    frame_rate: Fraction
    """Frames per second; 0 when unknown."""
    max_num_ref_frames: int
    max_num_reorder_frames: int
    """Frames that may precede another in decoding order and follow it in output order; without
    bitstream_restriction the value that E.2.1 tells decoders to infer."""
    interlaced: bool
    """Fields or MBAFF may occur (frame_mbs_only_flag is 0)."""
    sample_aspect_ratio: Fraction
    colour: Colour


@dataclass(frozen=True, slots=True)
class _Chroma:
    format_idc: int = 1
    separate_planes: bool = False
    bit_depth_luma: int = 8
    bit_depth_chroma: int = 8


@dataclass(frozen=True, slots=True)
class _Size:
    width: int
    height: int
    macroblocks: int
    interlaced: bool


@dataclass(frozen=True, slots=True)
class _Vui:
    picture: VuiPicture = NO_VUI_PICTURE
    frame_rate: Fraction = Fraction(0)
    max_num_reorder_frames: int | None = None


def parse_sps(sps: bytes | memoryview) -> SpsInfo:
    """Parse one SPS NAL unit, header byte included. Raises MediaError."""
    if len(sps) < 4 or sps[0] & 0x1F != NAL_SPS:
        raise MediaError(f"not an H.264 SPS: {bytes(sps[:4]).hex()}")
    if len(sps) > MAX_SPS_BYTES:
        raise MediaError(f"SPS of {len(sps)} bytes")
    reader = BitReader(remove_emulation_prevention(sps[1:]))
    profile, flags, level = (reader.read_bits(8) for _ in range(3))
    sps_id = reader.read_ue(31, "seq_parameter_set_id")
    chroma = _read_chroma(reader) if profile in _HIGH_PROFILES else _Chroma()
    reader.read_ue(12, "log2_max_frame_num_minus4")
    output_is_decode_order = _read_picture_order(reader)
    max_ref_frames = reader.read_ue(_MAX_DPB_FRAMES, "max_num_ref_frames")
    reader.skip_bits(1)  # gaps_in_frame_num_value_allowed_flag
    size = _read_size(reader, chroma)
    vui = _read_vui(reader) if reader.read_flag() else _Vui()
    reorder = vui.max_num_reorder_frames
    if reorder is None:
        never = profile == _BASELINE or output_is_decode_order or _is_intra(profile, flags)
        reorder = 0 if never else _max_dpb_frames(level, size.macroblocks)
    return SpsInfo(
        profile_idc=profile,
        constraint_flags=flags,
        level_idc=level,
        sps_id=sps_id,
        chroma_format_idc=chroma.format_idc,
        bit_depth_luma=chroma.bit_depth_luma,
        bit_depth_chroma=chroma.bit_depth_chroma,
        width=size.width,
        height=size.height,
        frame_rate=vui.frame_rate,
        max_num_ref_frames=max_ref_frames,
        max_num_reorder_frames=reorder,
        interlaced=size.interlaced,
        sample_aspect_ratio=vui.picture.sample_aspect_ratio,
        colour=vui.picture.colour,
    )


def _read_size(reader: BitReader, chroma: _Chroma) -> _Size:
    across = reader.read_ue(_MAX_MBS_ACROSS, "pic_width_in_mbs_minus1") + 1
    down = reader.read_ue(_MAX_MBS_ACROSS, "pic_height_in_map_units_minus1") + 1
    progressive = reader.read_flag()
    if not progressive:
        reader.skip_bits(1)  # mb_adaptive_frame_field_flag
        down *= 2
    reader.skip_bits(1)  # direct_8x8_inference_flag
    crop_x, crop_y = _read_cropping(reader, chroma, progressive)
    width, height = across * 16 - crop_x, down * 16 - crop_y
    check_size(width, height)
    return _Size(width, height, across * down, not progressive)


def _is_intra(profile: int, flags: int) -> bool:
    return profile in _INTRA_PROFILES and bool(flags & _CONSTRAINT_SET3)


def _max_dpb_frames(level: int, macroblocks: int) -> int:
    return min(_MAX_DPB_MBS.get(level, _MAX_DPB_MBS[62]) // macroblocks, _MAX_DPB_FRAMES)


def _read_chroma(reader: BitReader) -> _Chroma:
    format_idc = reader.read_ue(3, "chroma_format_idc")
    separate = reader.read_flag() if format_idc == 3 else False
    luma = reader.read_ue(6, "bit_depth_luma_minus8") + 8
    chroma = reader.read_ue(6, "bit_depth_chroma_minus8") + 8
    reader.skip_bits(1)  # qpprime_y_zero_transform_bypass_flag
    if reader.read_flag():
        for index in range(12 if format_idc == 3 else 8):
            if reader.read_flag():
                _skip_scaling_list(reader, 16 if index < 6 else 64)
    return _Chroma(format_idc, separate, luma, chroma)


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        following = (last + reader.read_se()) & 0xFF
        if following == 0:  # the rest of the list repeats the last value, nothing is coded
            return
        last = following


def _read_picture_order(reader: BitReader) -> bool:
    """True when output order is decoding order (pic_order_cnt_type 2)."""
    order_type = reader.read_ue(2, "pic_order_cnt_type")
    if order_type == 0:
        reader.read_ue(12, "log2_max_pic_order_cnt_lsb_minus4")
    elif order_type == 1:
        reader.skip_bits(1)  # delta_pic_order_always_zero_flag
        reader.read_se()  # offset_for_non_ref_pic
        reader.read_se()  # offset_for_top_to_bottom_field
        for _ in range(reader.read_ue(255, "num_ref_frames_in_pic_order_cnt_cycle")):
            reader.read_se()
    return order_type == 2


def _read_cropping(reader: BitReader, chroma: _Chroma, progressive: bool) -> tuple[int, int]:
    """Luma samples cut off in width and height (7-19 to 7-22)."""
    if not reader.read_flag():
        return 0, 0
    left, right, top, bottom = (reader.read_ue() for _ in range(4))
    subsampled = not chroma.separate_planes
    unit_x = 2 if subsampled and chroma.format_idc in (1, 2) else 1
    unit_y = 2 if subsampled and chroma.format_idc == 1 else 1
    return (left + right) * unit_x, (top + bottom) * unit_y * (1 if progressive else 2)


def _read_vui(reader: BitReader) -> _Vui:
    picture = read_vui_picture(reader)
    frame_rate = Fraction(0)
    if reader.read_flag():
        units_in_tick, time_scale = reader.read_bits(32), reader.read_bits(32)
        frame_rate = frame_rate_from(time_scale, 2 * units_in_tick)  # a tick is a field (E-59)
        reader.skip_bits(1)  # fixed_frame_rate_flag
    has_nal_hrd = reader.read_flag()
    if has_nal_hrd:
        _skip_hrd(reader)
    has_vcl_hrd = reader.read_flag()
    if has_vcl_hrd:
        _skip_hrd(reader)
    if has_nal_hrd or has_vcl_hrd:
        reader.skip_bits(1)  # low_delay_hrd_flag
    reader.skip_bits(1)  # pic_struct_present_flag
    reorder = _read_bitstream_restriction(reader) if reader.read_flag() else None
    return _Vui(picture, frame_rate, reorder)


def _skip_hrd(reader: BitReader) -> None:
    count = reader.read_ue(31, "cpb_cnt_minus1") + 1
    reader.skip_bits(8)  # bit_rate_scale, cpb_size_scale
    for _ in range(count):
        reader.read_ue()
        reader.read_ue()
        reader.skip_bits(1)
    reader.skip_bits(20)  # four lengths of 5 bits


def _read_bitstream_restriction(reader: BitReader) -> int:
    """max_num_reorder_frames."""
    reader.skip_bits(1)  # motion_vectors_over_pic_boundaries_flag
    for _ in range(4):  # bytes and bits per picture, vector lengths
        reader.read_ue()
    reorder = reader.read_ue(_MAX_DPB_FRAMES, "max_num_reorder_frames")
    reader.read_ue(_MAX_DPB_FRAMES, "max_dec_frame_buffering")
    return reorder
