"""NAL units out of packets, whatever the codec."""

from __future__ import annotations

import pytest

from webrtc.errors import MediaPacketError
from webrtc.rtp.depacketizer import MAX_UNIT_BYTES
from webrtc.rtp.h264_depacketizer import H264Depacketizer
from webrtc.rtp.h265_depacketizer import H265Depacketizer
from webrtc.rtp.nal_units import NalUnits

START, MIDDLE, END = 0x80, 0, 0x40


def test_fragments_become_the_unit_that_they_were() -> None:
    units = NalUnits()
    units.add(b"whole")
    for head, piece in ((START, b"fr"), (MIDDLE, b"agm"), (END, b"ents")):
        units.expect(len(piece), is_fragment=True)
        units.add_fragment(head, b"H", piece)
    assert units.take() == [b"whole", b"Hfragments"]
    assert units.take() == []


def test_an_aggregate_is_all_that_is_in_it() -> None:
    units = NalUnits()
    units.add_aggregate(b"h\0\1a\0\2bc", 1)
    assert units.take() == [b"a", b"bc"]


@pytest.mark.parametrize("broken", [b"h\0\2a", b"h\0\0", b"h\0"])
def test_an_aggregate_with_a_length_that_is_not_there_is_refused(broken: bytes) -> None:
    with pytest.raises(MediaPacketError, match="aggregate"):
        NalUnits().add_aggregate(broken, 1)


def test_a_fragment_needs_its_beginning() -> None:
    with pytest.raises(MediaPacketError, match="without its beginning"):
        NalUnits().add_fragment(END, b"H", b"ents")


def test_a_fragment_needs_its_end_before_anything_else_comes() -> None:
    units = NalUnits()
    units.add_fragment(START, b"H", b"fr")
    with pytest.raises(MediaPacketError, match="without an end"):
        units.expect(5, is_fragment=False)
    with pytest.raises(MediaPacketError, match="without an end"):
        units.take()
    assert units.take() == [], "the next access unit begins anew"


def test_an_access_unit_without_an_end_is_given_up() -> None:
    units = NalUnits()
    units.expect(MAX_UNIT_BYTES, is_fragment=True)
    with pytest.raises(MediaPacketError, match="does not end"):
        units.expect(1, is_fragment=True)
    units.drop()
    units.expect(MAX_UNIT_BYTES, is_fragment=True)


@pytest.mark.parametrize(
    ("depacketizer", "payload"),
    [
        (H264Depacketizer("v"), b"\x1c"),
        (H264Depacketizer("v"), b"\x1c\x85"),
        (H265Depacketizer("v"), b"\x62\x01"),
        (H265Depacketizer("v"), b"\x62\x01\x93"),
    ],
)
def test_a_fragment_of_nothing_is_refused(
    depacketizer: H264Depacketizer | H265Depacketizer, payload: bytes
) -> None:
    with pytest.raises(MediaPacketError, match="empty"):
        depacketizer.push(payload)
