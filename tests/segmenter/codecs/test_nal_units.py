from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.codecs import nal_units
from segmenter.codecs.nal_units import (
    join_length_prefixed,
    split_annex_b,
    split_length_prefixed,
)
from segmenter.errors import MediaError

NALS = st.lists(st.binary(min_size=1, max_size=30), max_size=8)


@given(NALS)
def test_length_prefixed_units_survive_a_round_trip(nals: list[bytes]) -> None:
    assert [bytes(n) for n in split_length_prefixed(join_length_prefixed(nals))] == nals


def test_annex_b_takes_long_and_short_start_codes_and_drops_trailing_zeros() -> None:
    data = b"\0\0\0\x01\x09\xf0\0\0\x01\x65\x80\0\0\0\0\0\x01\x41\x9a\0\0"

    assert split_annex_b(data) == [b"\x09\xf0", b"\x65\x80", b"\x41\x9a"]


def test_annex_b_ignores_what_stands_before_the_first_start_code() -> None:
    assert split_annex_b(b"\xff\xff\0\0\x01\x65\x88") == [b"\x65\x88"]


def test_bytes_without_a_start_code_are_not_annex_b() -> None:
    with pytest.raises(MediaError, match="start code"):
        split_annex_b(b"\x00\x00\x00\x02\x65\x88")


@pytest.mark.parametrize(("size", "data"), [(1, b"\x02\x65\x88"), (2, b"\x00\x02\x65\x88")])
def test_shorter_length_fields_are_understood(size: int, data: bytes) -> None:
    assert [bytes(n) for n in split_length_prefixed(data, size)] == [b"\x65\x88"]


def test_empty_units_are_left_out() -> None:
    data = bytes(4) + b"\x00\x00\x00\x01\x65" + bytes(4)

    assert [bytes(n) for n in split_length_prefixed(data)] == [b"\x65"]


@pytest.mark.parametrize("data", [b"\x00\x00\x00\x03\x65\x88", b"\x00\x00\x00\x01\x65\x00\x00"])
def test_a_length_past_the_end_is_a_media_error(data: bytes) -> None:
    with pytest.raises(MediaError):
        split_length_prefixed(data)


def test_a_flood_of_tiny_units_is_a_media_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nal_units, "MAX_NAL_UNITS", 3)

    for split, data in (
        (split_length_prefixed, b"\x00\x00\x00\x01\x65" * 4),
        (split_annex_b, b"\x00\x00\x01\x65" * 4),
    ):
        with pytest.raises(MediaError, match="more than 3"):
            split(data)
