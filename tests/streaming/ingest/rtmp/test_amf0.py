from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import RtmpError
from streaming.ingest.rtmp.amf0 import MAX_DEPTH, MAX_VALUES, AmfValue, read_values, write_values


def number(value: float) -> bytes:
    return b"\x00" + struct.pack(">d", value)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (number(1.5), 1.5),
        (b"\x01\x00", False),
        (b"\x01\x02", True),
        (b"\x02\x00\x03foo", "foo"),
        (b"\x02\x00\x00", ""),
        (b"\x02\x00\x02\xc3\x28", "\ufffd("),
        (b"\x05", None),
        (b"\x06", None),
        (b"\x0d", None),
        (b"\x03\x00\x01a\x01\x01\x00\x00\x09", {"a": True}),
        (b"\x08\x00\x00\x00\x07\x00\x01a\x05\x00\x00\x09", {"a": None}),
        (b"\x0a\x00\x00\x00\x02\x05\x01\x01", [None, True]),
        (b"\x0b" + struct.pack(">d", 86_400_000.0) + b"\xff\x88", 86_400_000.0),
        (b"\x0c\x00\x00\x00\x03foo", "foo"),
        (b"\x0f\x00\x00\x00\x04<a/>", "<a/>"),
        (b"\x10\x00\x01T\x00\x01a\x01\x00\x00\x00\x09", {"a": False}),
    ],
)
def test_each_marker_reads_as_its_value(data: bytes, value: AmfValue) -> None:
    assert read_values(data) == [value]
    assert read_values(data + data) == [value, value]


def test_an_object_without_its_end_marker_ends_with_the_message() -> None:
    assert read_values(b"\x03\x00\x01a" + number(1)) == [{"a": 1.0}]


def test_an_array_whose_count_is_wrong_is_read_to_its_end_marker() -> None:
    data = b"\x08\xff\xff\xff\xff\x00\x01a\x05\x00\x00\x09" + number(2)
    assert read_values(data) == [{"a": None}, 2.0]


def test_an_empty_name_is_no_end_marker() -> None:
    assert read_values(b"\x03\x00\x00\x05\x00\x00\x09") == [{"": None}]


@pytest.mark.parametrize("marker", [0x04, 0x07, 0x09, 0x0E, 0x11, 0x12, 0xFF])
def test_references_amf3_and_unknown_markers_are_refused(marker: int) -> None:
    with pytest.raises(RtmpError, match=f"0x{marker:02x}"):
        read_values(bytes((marker,)) + bytes(8))


@pytest.mark.parametrize(
    "whole",
    [
        number(1),
        b"\x01\x01",
        b"\x02\x00\x03foo",
        b"\x0c\x00\x00\x00\x03foo",
        b"\x0a\x00\x00\x00\x02\x05\x05",
        b"\x0b" + bytes(10),
    ],
)
def test_a_value_that_is_cut_off_is_an_error(whole: bytes) -> None:
    for size in range(1, len(whole)):
        with pytest.raises(RtmpError, match="cut off"):
            read_values(whole[:size])


@pytest.mark.parametrize(
    "opening", [b"\x03\x00\x01a", b"\x08\x00\x00\x00\x01\x00\x01a", b"\x0a\x00\x00\x00\x01"]
)
def test_nesting_deeper_than_the_limit_is_refused(opening: bytes) -> None:
    assert read_values(opening * MAX_DEPTH + b"\x05") != []
    with pytest.raises(RtmpError, match="nested deeper"):
        read_values(opening * (MAX_DEPTH + 1) + b"\x05")
    with pytest.raises(RtmpError, match="nested deeper"):
        read_values(opening * 20_000)


def test_more_values_than_the_limit_are_refused() -> None:
    assert len(read_values(b"\x05" * MAX_VALUES)) == MAX_VALUES
    with pytest.raises(RtmpError, match="values"):
        read_values(b"\x05" * (MAX_VALUES + 1))


def test_an_array_that_claims_too_much_is_refused_before_it_is_read() -> None:
    with pytest.raises(RtmpError, match="array of 4294967295"):
        read_values(b"\x0a\xff\xff\xff\xff")


def test_a_bomb_of_nested_arrays_ends_at_the_number_of_values() -> None:
    level = b"\x0a" + MAX_VALUES.to_bytes(4, "big")
    with pytest.raises(RtmpError):
        read_values(level * 10 + b"\x05" * 100_000)


def test_a_string_of_64_kib_is_written_long() -> None:
    assert write_values("x" * 65_535)[0] == 0x02
    assert write_values("x" * 65_536)[0] == 0x0C
    assert read_values(write_values("x" * 65_536)) == ["x" * 65_536]


values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


@given(st.lists(values, max_size=5))
def test_what_is_written_is_read_back(written: list[AmfValue]) -> None:
    assert read_values(write_values(*written)) == written
