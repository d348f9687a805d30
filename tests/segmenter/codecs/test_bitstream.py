from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.codecs.bitstream import BitReader, remove_emulation_prevention
from segmenter.errors import MediaError
from tests.segmenter.codecs.bits import BitWriter, escape


def test_fields_come_out_most_significant_bit_first() -> None:
    reader = BitReader(b"\xa5\x0f")

    assert [reader.read_bits(n) for n in (1, 3, 8, 4)] == [1, 2, 0x50, 0xF]


def test_reading_past_the_end_is_a_media_error() -> None:
    reader = BitReader(b"\xff")
    reader.read_bits(5)

    with pytest.raises(MediaError, match="1 bits too early"):
        reader.read_bits(4)


def test_skipping_past_the_end_is_a_media_error() -> None:
    with pytest.raises(MediaError):
        BitReader(b"\xff").skip_bits(9)


def test_align_goes_to_the_next_byte_and_stays_on_a_boundary() -> None:
    reader = BitReader(b"\x80\x01")
    reader.read_bits(1)
    reader.align()
    reader.align()

    assert reader.read_bits(8) == 1


def test_a_golomb_number_over_32_bits_is_a_media_error() -> None:
    with pytest.raises(MediaError, match="longer than 32 bits"):
        BitReader(bytes(5) + b"\xff" * 8).read_ue()


def test_a_golomb_number_over_its_limit_names_the_field() -> None:
    with pytest.raises(MediaError, match="cpb_cnt_minus1 is 32, at most 31"):
        BitReader(BitWriter().ue(32).rbsp()).read_ue(31, "cpb_cnt_minus1")


@given(st.lists(st.integers(0, 2**32 - 2)))
def test_unsigned_golomb_numbers_survive_a_round_trip(values: list[int]) -> None:
    reader = BitReader(BitWriter().ue(*values).rbsp())

    assert [reader.read_ue() for _ in values] == values


@given(st.lists(st.integers(-(2**31) + 1, 2**31 - 1)))
def test_signed_golomb_numbers_survive_a_round_trip(values: list[int]) -> None:
    reader = BitReader(BitWriter().se(*values).rbsp())

    assert [reader.read_se() for _ in values] == values


@given(st.lists(st.sampled_from((0, 0, 0, 1, 2, 3, 255))).map(bytes))
def test_emulation_prevention_is_undone(rbsp: bytes) -> None:
    assert remove_emulation_prevention(escape(rbsp)) == rbsp
