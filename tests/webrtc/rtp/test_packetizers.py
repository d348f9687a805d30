"""Payloads are within the MTU and, taken apart by others' code, are what was put in."""

from __future__ import annotations

import dataclasses
import random

import pytest
from aiortc.codecs.h264 import H264PayloadDescriptor
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from segmenter.codecs.h264 import write_decoder_configuration
from segmenter.codecs.nal_units import join_length_prefixed
from segmenter.errors import MediaError
from segmenter.media import Codec, Sample, Track
from tests.webrtc.rtp.clips import samples_of
from webrtc.errors import NoCommonCodec
from webrtc.packetizer import Packetizer, clock_rate_of, packetizer_of, rtp_timestamp
from webrtc.rtp.limits import MAX_PAYLOAD_BYTES, MTU_BYTES, fragment_bytes

SPS = bytes.fromhex("6742c01fda014016e840000003004000000c83c60c92")
PPS = bytes.fromhex("68ce3c80")
H264 = Track("v", Codec.H264, 90_000, write_decoder_configuration([SPS], [PPS]))
VP8 = Track("v", Codec.VP8, 90_000, b"", 320, 180)
OPUS = Track("a", Codec.OPUS, 48_000, b"")
START = b"\0\0\0\1"


def push(packetizer: Packetizer, data: bytes, *, is_sync: bool = False) -> list[bytes]:
    return packetizer.push(Sample("v", 0, 0, data, is_sync))


def unpack(payloads: list[bytes]) -> bytes:
    """Annex B by aiortc's depacketizer."""
    return b"".join(H264PayloadDescriptor.parse(payload)[1] for payload in payloads)


nal_units = st.builds(
    lambda kind, size, seed: bytes((kind,)) + random.Random(seed).randbytes(size),
    st.sampled_from((0x65, 0x41, 0x06, 0x01)),
    st.integers(1, 3000) | st.integers(MAX_PAYLOAD_BYTES - 4, MAX_PAYLOAD_BYTES + 2),
    st.integers(0, 1 << 30),
)


@given(st.lists(nal_units, min_size=1, max_size=6), st.booleans())
def test_aiortc_reads_every_access_unit_of_h264_back(nals: list[bytes], is_sync: bool) -> None:
    payloads = push(packetizer_of(H264), join_length_prefixed(nals), is_sync=is_sync)
    assert all(0 < len(payload) <= MAX_PAYLOAD_BYTES for payload in payloads)
    expected = [SPS, PPS, *nals] if is_sync else nals
    assert unpack(payloads) == b"".join(START + nal for nal in expected)


def test_a_key_frame_has_its_parameter_sets_in_one_packet_and_then_equal_fragments() -> None:
    nal = b"\x65" + bytes(10_000)
    first, *fragments = push(packetizer_of(H264), join_length_prefixed([nal]), is_sync=True)
    assert first[0] == 0x60 | 24
    assert first[1:3] == len(SPS).to_bytes(2, "big")
    sizes = [len(fragment) for fragment in fragments]
    assert len(set(sizes[:-1])) == 1
    assert sizes[0] - 9 < sizes[-1] <= sizes[0]
    assert [fragment[1] >> 6 for fragment in fragments] == [2, *[0] * (len(sizes) - 2), 1]


def test_an_access_unit_of_nothing_has_no_packets() -> None:
    assert push(packetizer_of(H264), b"") == []


@given(st.binary(min_size=1, max_size=4000))
def test_aiortc_reads_every_frame_of_vp8_back(frame: bytes) -> None:
    payloads = push(packetizer_of(VP8), frame)
    assert all(0 < len(payload) <= MAX_PAYLOAD_BYTES for payload in payloads)
    parsed = [VpxPayloadDescriptor.parse(payload) for payload in payloads]
    assert b"".join(rest for _, rest in parsed) == frame
    first, *others = [descriptor for descriptor, _ in parsed]
    assert (first.partition_start, first.partition_id) == (1, 0)
    assert all(not each.partition_start for each in others)


@pytest.mark.parametrize("name", ["two-second-gop.mp4", "hevc.mp4", "av1.mp4", "vp9.mp4"])
def test_packets_of_real_streams_are_within_the_mtu_and_about_equal(name: str) -> None:
    track, samples = samples_of(name, Codec.OPUS, Codec.AAC)
    packetizer = packetizer_of(track)
    for sample in samples:
        payloads = packetizer.push(sample)
        assert all(0 < len(payload) <= MAX_PAYLOAD_BYTES for payload in payloads)
        assert sum(map(len, payloads)) >= sample.size_bytes - 16
        assert len(payloads) <= sample.size_bytes // (MAX_PAYLOAD_BYTES - 40) + 3


def test_opus_packets_travel_as_they_are() -> None:
    packetizer = packetizer_of(OPUS)
    assert push(packetizer, b"\xfc\xff\xfe") == [b"\xfc\xff\xfe"]
    for impossible in (b"", bytes(MAX_PAYLOAD_BYTES + 1)):
        with pytest.raises(MediaError):
            push(packetizer, impossible)


def test_codecs_that_browsers_do_not_take_over_rtp_are_refused() -> None:
    with pytest.raises(NoCommonCodec):
        packetizer_of(dataclasses.replace(OPUS, codec=Codec.AAC))


@given(st.integers(1, 1_000_000), st.integers(2, 1200))
def test_fragments_are_as_few_as_they_can_be(size: int, room: int) -> None:
    step = fragment_bytes(size, room)
    assert 0 < step <= room
    assert -(-size // step) <= -(-size // room)


def test_timestamps_of_all_tracks_are_one_media_time() -> None:
    seconds = 1_800_000_000
    audio = dataclasses.replace(OPUS, timescale=44_100)
    assert rtp_timestamp(H264, seconds * 90_000) == seconds * 90_000 % 2**32
    assert rtp_timestamp(audio, seconds * 44_100) == seconds * 48_000 % 2**32
    assert (clock_rate_of(H264), clock_rate_of(audio)) == (90_000, 48_000)


def test_the_largest_packet_is_the_mtu() -> None:
    assert MTU_BYTES == 12 + 28 + 2 + MAX_PAYLOAD_BYTES + 16
