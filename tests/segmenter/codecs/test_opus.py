from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from segmenter.codecs import opus
from segmenter.codecs.opus import OpusConfig
from segmenter.errors import MediaError
from tests.segmenter.codecs.encodes import encode_audio
from tests.segmenter.codecs.hostile import broken, only_media_errors

STEREO = OpusConfig(2, 312, 48000, 0, 0, 1, 1)
SURROUND = OpusConfig(6, 312, 48000, -256, 1, 4, 2, bytes((0, 4, 1, 2, 3, 5)))
DOPS = bytes.fromhex("000201380000bb80000000")
HEAD = b"OpusHead" + bytes.fromhex("0102380180bb0000000000")


def packets_of_10_ms(bit_rate: int) -> list[bytes]:
    """Six of noise, which takes all of the bits that there are."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "stereo", "flt"
    encoder.bit_rate = bit_rate
    encoder.options = {"application": "lowdelay", "frame_duration": "10"}
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, (6, 1, 960)).astype(np.float32)
    packets = []
    for number, wave in enumerate(noise):
        frame = av.AudioFrame.from_ndarray(wave, "flt", "stereo")
        frame.sample_rate, frame.pts = 48_000, 480 * number
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in packets]


def decoded(packets: Sequence[bytes]) -> NDArray[np.float32]:
    """By libopus, shape (channels, samples)."""
    decoder: Any = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout, decoder.format = 48_000, "stereo", "flt"
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1)


def test_dops_and_opus_head_of_libav_say_the_same() -> None:
    encode = encode_audio("libopus")

    assert opus.dops_from_opus_head(encode.extradata) == encode.box("dOps")
    assert opus.parse_dops(encode.box("dOps")).channels == 2


@pytest.mark.parametrize(
    "config", [STEREO, replace(STEREO, channels=1, coupled_streams=0), SURROUND]
)
def test_both_forms_survive_a_round_trip(config: OpusConfig) -> None:
    assert opus.parse_dops(opus.write_dops(config)) == config
    assert opus.parse_opus_head(opus.write_opus_head(config)) == config


def test_known_bytes_are_understood_in_both_byte_orders() -> None:
    assert opus.parse_dops(DOPS) == STEREO
    assert opus.parse_opus_head(HEAD) == STEREO
    assert opus.write_dops(STEREO) == DOPS
    assert opus.write_opus_head(STEREO) == HEAD


@pytest.mark.parametrize(
    "dops",
    [
        b"",
        DOPS[:-1],
        b"\x01" + DOPS[1:],
        b"\x00\x03" + DOPS[2:],
        opus.write_dops(SURROUND)[:-1],
        opus.write_dops(replace(SURROUND, coupled_streams=5)),
        opus.write_dops(replace(SURROUND, mapping=bytes((0, 4, 1, 2, 3, 6)))),
    ],
    ids=["empty", "cut", "version", "3 channels", "cut table", "coupled", "mapping"],
)
def test_broken_dops_is_a_media_error(dops: bytes) -> None:
    with pytest.raises(MediaError):
        opus.parse_dops(dops)


def test_an_opus_head_of_another_major_version_is_refused() -> None:
    with pytest.raises(MediaError):
        opus.parse_opus_head(HEAD[:8] + b"\x10" + HEAD[9:])


@pytest.mark.parametrize(
    ("packet", "ticks"),
    [
        (b"\x00", 480),
        (b"\x18", 2880),
        (b"\x68", 960),
        (b"\x80", 120),
        (b"\xf8", 960),
        (b"\xf9", 1920),
        (b"\xfa", 1920),
        (b"\xfb\x03", 2880),
        (b"\x1b\x02", 5760),
    ],
)
def test_the_first_bytes_tell_how_long_a_packet_lasts(packet: bytes, ticks: int) -> None:
    assert opus.packet_duration(packet) == ticks


@pytest.mark.parametrize("packet", [b"", b"\xfb", b"\xfb\x00", b"\x1b\x03"])
def test_a_packet_without_a_possible_duration_is_a_media_error(packet: bytes) -> None:
    with pytest.raises(MediaError):
        opus.packet_duration(packet)


@pytest.mark.parametrize("bit_rate", [96_000, 320_000], ids=["small frames", "frames of 400 bytes"])
def test_joined_packets_decode_to_the_same_sound_as_one_by_one(bit_rate: int) -> None:
    packets = packets_of_10_ms(bit_rate)

    joined = opus.join_packets(packets)

    assert len(joined) == 1
    assert opus.packet_duration(joined[0]) == len(packets) * 480
    assert np.array_equal(decoded(joined), decoded(packets))


def test_packets_of_different_configurations_stay_apart() -> None:
    assert opus.join_packets([b"\xf0a", b"\xf0b", b"\xf4c"]) == [b"\xf3\x82\x01ab", b"\xf4c"]


def test_packets_that_hold_several_frames_stay_alone() -> None:
    packets = [b"\xf1ab", b"\xf1cd"]
    assert opus.join_packets(packets) == packets


def test_no_packet_is_joined_beyond_120_ms() -> None:
    joined = opus.join_packets([b"\xf8x"] * 7)
    assert [opus.packet_duration(packet) for packet in joined] == [5760, 960]


def test_nothing_is_joined_to_nothing() -> None:
    assert opus.join_packets([]) == []


def test_packets_of_libav_last_20_ms() -> None:
    assert {opus.packet_duration(p) for p in encode_audio("libopus").packets} == {960}


@given(broken([DOPS, HEAD, opus.write_dops(SURROUND), opus.write_opus_head(SURROUND)]))
def test_hostile_bytes_raise_media_errors_only(data: bytes) -> None:
    only_media_errors(opus.parse_dops, data)
    only_media_errors(opus.parse_opus_head, data)
    only_media_errors(opus.packet_duration, data)


@given(broken([opus.write_dops(SURROUND), opus.write_dops(STEREO)]))
def test_what_parses_can_be_written(data: bytes) -> None:
    try:
        config = opus.parse_dops(data)
    except MediaError:
        return
    assert opus.parse_dops(opus.write_dops(config)) == config
    assert struct.unpack_from("<H", opus.write_opus_head(config), 10)[0] == config.pre_skip
