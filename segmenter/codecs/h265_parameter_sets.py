"""H.265 parameter sets (ITU-T H.265 7.3.2 and 7.3.3): what packaging needs of VPS, SPS and PPS."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from segmenter.codecs.bitstream import BitReader, remove_emulation_prevention
from segmenter.codecs.h265_vui import Vui, read_vui
from segmenter.codecs.picture import NO_VUI_PICTURE, Colour, check_size, frame_rate_from
from segmenter.errors import MediaError

NAL_VPS = 32
NAL_SPS = 33
NAL_PPS = 34

MAX_PARAMETER_SET_BYTES = 65_535
"""What the 16-bit length in hvcC can say."""

_MAX_SHORT_TERM_SETS = 64
_MAX_LONG_TERM_PICTURES = 32
_MAX_DPB_SIZE = 16
_MAX_LAYER_SETS = 1023


@dataclass(frozen=True, slots=True)
class ProfileTierLevel:
    """The general part of profile_tier_level (7.3.3), what hvcC and codec strings repeat."""

    profile_space: int
    high_tier: bool
    profile_idc: int
    compatibility_flags: int
    """32 bits, general_profile_compatibility_flag[0] on top."""
    constraint_flags: int
    """48 bits, general_progressive_source_flag on top."""
    level_idc: int
    """Thirty times the level: 93 is level 3.1."""


@dataclass(frozen=True, slots=True)
class VpsInfo:
    """What a VPS says about the whole stream."""

    vps_id: int
    max_sub_layers: int
    temporal_id_nesting: bool
    profile: ProfileTierLevel
    frame_rate: Fraction
    """Frames per second; 0 when unknown."""


@dataclass(frozen=True, slots=True)
class SpsInfo:
    """What an SPS says about its pictures; sizes are luma samples in the conformance window."""

    sps_id: int
    vps_id: int
    max_sub_layers: int
    temporal_id_nesting: bool
    profile: ProfileTierLevel
    chroma_format_idc: int
    """0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4."""
    bit_depth_luma: int
    bit_depth_chroma: int
    width: int
    height: int
    frame_rate: Fraction
    """Frames per second from the VUI; 0 when unknown (the VPS may know it)."""
    max_num_reorder_frames: int
    min_spatial_segmentation_idc: int
    sample_aspect_ratio: Fraction
    colour: Colour


@dataclass(frozen=True, slots=True)
class PpsInfo:
    """What a PPS says about parallel decoding (hvcC's parallelismType)."""

    pps_id: int
    sps_id: int
    tiles: bool
    wavefronts: bool
    """entropy_coding_sync_enabled_flag."""


def _reader_of(nal: bytes | memoryview, nal_type: int) -> BitReader:
    if len(nal) < 3 or (nal[0] >> 1) & 0x3F != nal_type:
        raise MediaError(f"not an H.265 NAL unit of type {nal_type}: {bytes(nal[:4]).hex()}")
    if len(nal) > MAX_PARAMETER_SET_BYTES:
        raise MediaError(f"parameter set of {len(nal)} bytes")
    if nal[0] & 1 or nal[1] >> 3:
        raise MediaError("parameter set of an enhancement layer")
    return BitReader(remove_emulation_prevention(nal[2:]))


def parse_vps(vps: bytes | memoryview) -> VpsInfo:
    """Parse one VPS NAL unit up to its timing. Raises MediaError."""
    reader = _reader_of(vps, NAL_VPS)
    vps_id = reader.read_bits(4)
    reader.skip_bits(8)  # base layer flags, vps_max_layers_minus1
    sub_layers = _read_sub_layers(reader)
    nesting = reader.read_flag()
    reader.skip_bits(16)  # vps_reserved_0xffff_16bits
    profile = _read_profile_tier_level(reader, sub_layers)
    _read_reordering(reader, sub_layers)
    layer_ids = reader.read_bits(6) + 1  # vps_max_layer_id
    layer_sets = reader.read_ue(_MAX_LAYER_SETS, "vps_num_layer_sets_minus1")
    reader.skip_bits(layer_sets * layer_ids)
    rate = Fraction(0)
    if reader.read_flag():
        units_in_tick, time_scale = reader.read_bits(32), reader.read_bits(32)
        rate = frame_rate_from(time_scale, units_in_tick)
    return VpsInfo(vps_id, sub_layers, nesting, profile, rate)


def parse_sps(sps: bytes | memoryview) -> SpsInfo:
    """Parse one SPS NAL unit of the base layer up to its VUI. Raises MediaError."""
    reader = _reader_of(sps, NAL_SPS)
    vps_id = reader.read_bits(4)
    sub_layers = _read_sub_layers(reader)
    nesting = reader.read_flag()
    profile = _read_profile_tier_level(reader, sub_layers)
    sps_id = reader.read_ue(15, "sps_seq_parameter_set_id")
    chroma_format = reader.read_ue(3, "chroma_format_idc")
    separate_planes = reader.read_flag() if chroma_format == 3 else False
    width, height = _read_size(reader, 0 if separate_planes else chroma_format)
    depth_luma = reader.read_ue(8, "bit_depth_luma_minus8") + 8
    depth_chroma = reader.read_ue(8, "bit_depth_chroma_minus8") + 8
    order_count_bits = reader.read_ue(12, "log2_max_pic_order_cnt_lsb_minus4") + 4
    reorder = _read_reordering(reader, sub_layers)
    _skip_coding_tools(reader)
    _skip_reference_pictures(reader, order_count_bits)
    reader.skip_bits(2)  # sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    vui = read_vui(reader, sub_layers) if reader.read_flag() else Vui(NO_VUI_PICTURE)
    return SpsInfo(
        sps_id=sps_id,
        vps_id=vps_id,
        max_sub_layers=sub_layers,
        temporal_id_nesting=nesting,
        profile=profile,
        chroma_format_idc=chroma_format,
        bit_depth_luma=depth_luma,
        bit_depth_chroma=depth_chroma,
        width=width,
        height=height,
        frame_rate=vui.frame_rate,
        max_num_reorder_frames=reorder,
        min_spatial_segmentation_idc=vui.min_spatial_segmentation_idc,
        sample_aspect_ratio=vui.picture.sample_aspect_ratio,
        colour=vui.picture.colour,
    )


def parse_pps(pps: bytes | memoryview) -> PpsInfo:
    """Parse one PPS NAL unit up to entropy_coding_sync_enabled_flag. Raises MediaError."""
    reader = _reader_of(pps, NAL_PPS)
    pps_id = reader.read_ue(63, "pps_pic_parameter_set_id")
    sps_id = reader.read_ue(15, "pps_seq_parameter_set_id")
    reader.skip_bits(7)  # dependent slices to cabac_init_present_flag
    reader.read_ue(14, "num_ref_idx_l0_default_active_minus1")
    reader.read_ue(14, "num_ref_idx_l1_default_active_minus1")
    reader.read_se()  # init_qp_minus26
    reader.skip_bits(2)  # constrained_intra_pred_flag, transform_skip_enabled_flag
    if reader.read_flag():
        reader.read_ue(3, "diff_cu_qp_delta_depth")
    reader.read_se()  # pps_cb_qp_offset
    reader.read_se()  # pps_cr_qp_offset
    reader.skip_bits(4)  # slice chroma offsets to transquant_bypass_enabled_flag
    return PpsInfo(pps_id, sps_id, reader.read_flag(), reader.read_flag())


def _read_sub_layers(reader: BitReader) -> int:
    sub_layers = reader.read_bits(3) + 1
    if sub_layers > 7:
        raise MediaError("H.265 stream with 8 temporal sub-layers")
    return sub_layers


def _read_profile_tier_level(reader: BitReader, sub_layers: int) -> ProfileTierLevel:
    space, high_tier, profile = reader.read_bits(2), reader.read_flag(), reader.read_bits(5)
    compatibility, constraints = reader.read_bits(32), reader.read_bits(48)
    level = reader.read_bits(8)
    present = [(reader.read_flag(), reader.read_flag()) for _ in range(sub_layers - 1)]
    if present:
        reader.skip_bits(2 * (9 - sub_layers))  # reserved_zero_2bits
    for has_profile, has_level in present:
        reader.skip_bits((88 if has_profile else 0) + (8 if has_level else 0))
    return ProfileTierLevel(space, high_tier, profile, compatibility, constraints, level)


def _read_size(reader: BitReader, chroma_array_type: int) -> tuple[int, int]:
    width = reader.read_ue(name="pic_width_in_luma_samples")
    height = reader.read_ue(name="pic_height_in_luma_samples")
    check_size(width, height)
    if reader.read_flag():
        left, right, top, bottom = (reader.read_ue() for _ in range(4))
        width -= (left + right) * (2 if chroma_array_type in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma_array_type == 1 else 1)
        check_size(width, height)
    return width, height


def _read_reordering(reader: BitReader, sub_layers: int) -> int:
    """max_num_reorder_pics of the highest sub-layer."""
    reorder = 0
    for _ in range(sub_layers if reader.read_flag() else 1):
        reader.read_ue(_MAX_DPB_SIZE - 1, "max_dec_pic_buffering_minus1")
        reorder = reader.read_ue(_MAX_DPB_SIZE - 1, "max_num_reorder_pics")
        reader.read_ue()  # max_latency_increase_plus1
    return reorder


def _skip_coding_tools(reader: BitReader) -> None:
    for _ in range(6):  # coding block, transform block and hierarchy sizes
        reader.read_ue(16, "log2 of a block size")
    if reader.read_flag() and reader.read_flag():
        _skip_scaling_lists(reader)
    reader.skip_bits(2)  # amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if reader.read_flag():
        reader.skip_bits(8)  # PCM bit depths
        reader.read_ue(3, "log2_min_pcm_luma_coding_block_size_minus3")
        reader.read_ue(3, "log2_diff_max_min_pcm_luma_coding_block_size")
        reader.skip_bits(1)  # pcm_loop_filter_disabled_flag


def _skip_scaling_lists(reader: BitReader) -> None:
    for size_id in range(4):
        coefficients = min(64, 1 << (4 + 2 * size_id))
        for _ in range(0, 6, 3 if size_id == 3 else 1):
            if not reader.read_flag():
                reader.read_ue(5, "scaling_list_pred_matrix_id_delta")
                continue
            for _ in range(coefficients + (1 if size_id > 1 else 0)):
                reader.read_se()


def _skip_reference_pictures(reader: BitReader, order_count_bits: int) -> None:
    count = reader.read_ue(_MAX_SHORT_TERM_SETS, "num_short_term_ref_pic_sets")
    previous: list[int] = []
    for index in range(count):
        if index and reader.read_flag():
            previous = _read_predicted_set(reader, previous)
        else:
            previous = _read_explicit_set(reader)
    if reader.read_flag():
        pictures = reader.read_ue(_MAX_LONG_TERM_PICTURES, "num_long_term_ref_pics_sps")
        reader.skip_bits(pictures * (order_count_bits + 1))


def _read_explicit_set(reader: BitReader) -> list[int]:
    """Picture order count deltas: the negative ones nearest first, then the positive ones."""
    negative = reader.read_ue(_MAX_DPB_SIZE, "num_negative_pics")
    positive = reader.read_ue(_MAX_DPB_SIZE - negative, "num_positive_pics")
    deltas: list[int] = []
    for count, sign in ((negative, -1), (positive, 1)):
        delta = 0
        for _ in range(count):
            delta += sign * (reader.read_ue(0x7FFF, "delta_poc_minus1") + 1)
            reader.skip_bits(1)  # used_by_curr_pic_flag
            deltas.append(delta)
    return deltas


def _read_predicted_set(reader: BitReader, reference: list[int]) -> list[int]:
    """A set coded as another one shifted (7-61, 7-62); the result's order is the standard's."""
    negative = reader.read_flag()
    shift = reader.read_ue(0x7FFF, "abs_delta_rps_minus1") + 1
    shift = -shift if negative else shift
    kept = [
        delta + shift
        for delta in (*reference, 0)
        if reader.read_flag() or reader.read_flag()  # used_by_curr_pic_flag or use_delta_flag
    ]
    # Sorting by distance gives the order of the two equations; a delta of 0 is the picture itself.
    before = sorted((delta for delta in kept if delta < 0), reverse=True)
    after = sorted(delta for delta in kept if delta > 0)
    if len(before) + len(after) > _MAX_DPB_SIZE:
        raise MediaError(f"reference picture set of {len(before) + len(after)} pictures")
    return before + after
