from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webrtc.packets import packet, render
from webrtc.errors import MediaPacketError
from webrtc.rtp_packet import RtpPacket, parse_rtp

extensions = st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), max_size=4)
packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    is_marked=st.booleans(),
    extensions=extensions,
    payload=st.binary(max_size=50),
)


@given(packets)
def test_what_was_written_is_read(sent: RtpPacket) -> None:
    assert parse_rtp(render(sent)) == sent


@given(st.binary(max_size=80))
def test_any_bytes_are_a_packet_or_an_error(data: bytes) -> None:
    try:
        parse_rtp(b"\x90" + data)
    except MediaPacketError:
        return


def test_the_two_byte_form_is_read() -> None:
    head = bytes.fromhex("90600001000000000000000110000002")
    read = parse_rtp(head + b"\x05\x03abc\x00\x07\x00" + b"payload")
    assert (read.extensions, read.payload) == ({5: b"abc", 7: b""}, b"payload")


def test_padding_is_taken_off() -> None:
    plain = render(packet(1, b"payload"))
    padded = bytes((plain[0] | 0x20,)) + plain[1:] + b"\0\0\3"
    assert parse_rtp(padded).payload == b"payload"


@pytest.mark.parametrize("padding", [b"\0", b"\xff"])
def test_impossible_padding_is_refused(padding: bytes) -> None:
    plain = render(packet(1, b"payload"))
    with pytest.raises(MediaPacketError):
        parse_rtp(bytes((plain[0] | 0x20,)) + plain[1:] + padding)
