"""Video usability information of H.265 (ITU-T H.265 Annex E): colour, timing, segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from segmenter.codecs.bitstream import BitReader
from segmenter.codecs.picture import VuiPicture, frame_rate_from, read_vui_picture


@dataclass(frozen=True, slots=True)
class Vui:
    """What packaging needs of vui_parameters."""

    picture: VuiPicture
    frame_rate: Fraction = Fraction(0)
    """Frames per second (fields, when fields are coded); 0 when unknown."""
    min_spatial_segmentation_idc: int = 0


def read_vui(reader: BitReader, sub_layers: int) -> Vui:
    """vui_parameters (E.2.1). Raises MediaError."""
    picture = read_vui_picture(reader)
    reader.skip_bits(3)  # neutral_chroma, field_seq, frame_field_info_present
    if reader.read_flag():
        for _ in range(4):  # default display window: a hint for cropping that players ignore
            reader.read_ue()
    rate = Fraction(0)
    if reader.read_flag():
        units_in_tick, time_scale = reader.read_bits(32), reader.read_bits(32)
        rate = frame_rate_from(time_scale, units_in_tick)
        if reader.read_flag():
            reader.read_ue()  # vui_num_ticks_poc_diff_one_minus1
        if reader.read_flag():
            _skip_hrd(reader, sub_layers)
    segmentation = _read_bitstream_restriction(reader) if reader.read_flag() else 0
    return Vui(picture, rate, segmentation)


def _read_bitstream_restriction(reader: BitReader) -> int:
    """min_spatial_segmentation_idc."""
    reader.skip_bits(3)
    segmentation = reader.read_ue(4095, "min_spatial_segmentation_idc")
    for _ in range(4):  # bytes and bits per picture, vector lengths
        reader.read_ue()
    return segmentation


def _skip_hrd(reader: BitReader, sub_layers: int) -> None:
    """hrd_parameters with common information (E.2.2)."""
    has_nal, has_vcl = reader.read_flag(), reader.read_flag()
    sub_pictures = False
    if has_nal or has_vcl:
        sub_pictures = reader.read_flag()
        reader.skip_bits(19 if sub_pictures else 0)
        reader.skip_bits(8)  # bit_rate_scale, cpb_size_scale
        reader.skip_bits(4 if sub_pictures else 0)
        reader.skip_bits(15)  # three lengths of 5 bits
    for _ in range(sub_layers):
        buffers = _read_buffer_count(reader)
        for _ in range(has_nal + has_vcl):
            _skip_sub_layer_hrd(reader, buffers, sub_pictures)


def _read_buffer_count(reader: BitReader) -> int:
    fixed_general = reader.read_flag()
    fixed_within_sequence = True if fixed_general else reader.read_flag()
    low_delay = False
    if fixed_within_sequence:
        reader.read_ue(2047, "elemental_duration_in_tc_minus1")
    else:
        low_delay = reader.read_flag()
    return 1 if low_delay else reader.read_ue(31, "cpb_cnt_minus1") + 1


def _skip_sub_layer_hrd(reader: BitReader, buffers: int, sub_pictures: bool) -> None:
    for _ in range(buffers):
        for _ in range(4 if sub_pictures else 2):  # rate and size, for the picture and its units
            reader.read_ue()
        reader.skip_bits(1)  # cbr_flag
