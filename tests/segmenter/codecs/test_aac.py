from __future__ import annotations

from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.codecs import aac, adts
from segmenter.codecs.aac import AacConfig
from segmenter.errors import MediaError
from tests.segmenter.codecs.bits import BitWriter
from tests.segmenter.codecs.encodes import encode_audio
from tests.segmenter.codecs.hostile import broken, only_media_errors

LC_48_STEREO = bytes.fromhex("1190")
SBR_HIERARCHICAL = bytes.fromhex("2b118800")
PS_HIERARCHICAL = bytes.fromhex("eb098800")
SBR_COMPATIBLE = bytes.fromhex("131056e598")
PS_COMPATIBLE = bytes.fromhex("130856e59d4880")


@pytest.mark.parametrize(
    ("asc", "expected"),
    [
        (LC_48_STEREO, AacConfig(2, 48000, 2, 1024, 2, 48000)),
        (bytes.fromhex("1210"), AacConfig(2, 44100, 2, 1024, 2, 44100)),
        (bytes.fromhex("1194"), AacConfig(2, 48000, 2, 960, 2, 48000)),
        (SBR_HIERARCHICAL, AacConfig(5, 48000, 2, 2048, 2, 24000)),
        (PS_HIERARCHICAL, AacConfig(29, 48000, 2, 2048, 2, 24000)),
        (SBR_COMPATIBLE, AacConfig(5, 48000, 2, 2048, 2, 24000)),
        (PS_COMPATIBLE, AacConfig(29, 48000, 2, 2048, 2, 24000)),
    ],
    ids=["LC 48k", "LC 44.1k", "960", "SBR", "PS", "compatible SBR", "compatible PS"],
)
def test_known_configurations_are_understood(asc: bytes, expected: AacConfig) -> None:
    assert aac.parse_audio_specific_config(asc) == expected


def test_an_escaped_rate_is_read_in_full() -> None:
    asc = BitWriter().u(5, 2).u(4, 15).u(24, 47_950).u(4, 1).u(3, 0).to_bytes()

    assert aac.parse_audio_specific_config(asc).sample_rate == 47_950


def test_a_program_config_element_counts_its_channels() -> None:
    # 5.1 as front centre, a front pair, a back pair and one low frequency channel.
    writer = BitWriter().u(5, 2).u(4, 3).u(4, 0).u(3, 0)
    writer.u(4, 0).u(2, 1).u(4, 3, 2, 0, 1).u(2, 1).u(3, 0).u(4, 0).u(1, 0, 0, 0)
    writer.u(1, 0).u(4, 0).u(1, 1).u(4, 0).u(1, 1).u(4, 1).u(4, 0)
    padded = writer.to_bytes() + b"\x02hi"

    assert aac.parse_audio_specific_config(padded).channels == 6


def test_what_stands_after_the_configuration_does_no_harm() -> None:
    assert aac.parse_audio_specific_config(LC_48_STEREO + bytes(9)).object_type == 2


@pytest.mark.parametrize(
    "asc",
    [b"", b"\x11", b"\x16\x90", b"\x11\xc0", b"\x19\xf8\x00\x00\x00", b"\xf9\x48\x40"],
    ids=["empty", "cut", "rate index 13", "configuration 8", "rate 0", "USAC"],
)
def test_a_broken_configuration_is_a_media_error(asc: bytes) -> None:
    with pytest.raises(MediaError):
        aac.parse_audio_specific_config(asc)


@pytest.mark.parametrize(
    ("rate", "channels", "object_type"),
    [(48000, 2, 2), (44100, 1, 2), (47950, 6, 2), (48000, 8, 2), (48000, 2, 5), (44100, 2, 29)],
)
def test_written_configurations_read_back(rate: int, channels: int, object_type: int) -> None:
    config = aac.parse_audio_specific_config(
        aac.write_audio_specific_config(rate, channels, object_type)
    )

    assert (config.sample_rate, config.channels) == (rate, channels)
    assert config.object_type == object_type


@pytest.mark.parametrize(("rate", "channels", "kind"), [(0, 2, 2), (48000, 9, 2), (48000, 2, 42)])
def test_impossible_configurations_are_not_written(rate: int, channels: int, kind: int) -> None:
    with pytest.raises(MediaError):
        aac.write_audio_specific_config(rate, channels, kind)


@pytest.mark.parametrize(("rate", "layout"), [(48000, "stereo"), (44100, "mono"), (48000, "5.1")])
def test_the_encoder_agrees_on_rate_and_channels(rate: int, layout: str) -> None:
    config = aac.parse_audio_specific_config(encode_audio("aac", rate, layout).extradata)

    assert config.sample_rate == rate
    assert config.channels == av.AudioLayout(layout).nb_channels
    assert (config.object_type, config.samples_per_frame) == (2, 1024)


@pytest.mark.parametrize(
    ("asc", "rate", "layout"),
    [
        (LC_48_STEREO, 48000, "stereo"),
        (SBR_HIERARCHICAL, 24000, "stereo"),
        (SBR_COMPATIBLE, 24000, "stereo"),
        (PS_HIERARCHICAL, 24000, "mono"),
        (PS_COMPATIBLE, 24000, "mono"),
    ],
    ids=["LC", "SBR", "compatible SBR", "PS", "compatible PS"],
)
def test_libav_decodes_to_the_rate_and_frame_length_we_read(
    asc: bytes, rate: int, layout: str
) -> None:
    context: Any = av.CodecContext.create("aac", "r")
    context.extradata = asc
    frame = context.decode(av.Packet(encode_audio("aac", rate, layout).packets[2]))[0]
    config = aac.parse_audio_specific_config(asc)

    assert (frame.sample_rate, frame.samples) == (config.sample_rate, config.samples_per_frame)
    assert config.core_sample_rate == rate


def adts_of(frames: list[bytes], *, crc: bool = False, configuration: int = 2) -> bytes:
    pieces = []
    for frame in frames:
        head = 9 if crc else 7
        writer = BitWriter().u(12, 0xFFF).u(1, 0).u(2, 0).u(1, not crc).u(2, 1).u(4, 3).u(1, 0)
        writer.u(3, configuration).u(4, 0).u(13, head + len(frame)).u(11, 0x7FF).u(2, 0)
        pieces += [writer.to_bytes(), b"\xaa\xbb" if crc else b"", frame]
    return b"".join(pieces)


@pytest.mark.parametrize("crc", [False, True])
def test_adts_headers_are_stripped(crc: bool) -> None:
    frames = [b"first", b"second frame"]

    assert [bytes(f) for f in adts.split_adts(adts_of(frames, crc=crc))] == frames


def test_an_adts_header_becomes_a_configuration() -> None:
    header = adts.parse_adts_header(adts_of([b"x"]))

    assert (header.object_type, header.sample_rate, header.channel_configuration) == (2, 48000, 2)
    assert adts.audio_specific_config(header) == LC_48_STEREO


def test_adts_channel_configuration_7_means_eight_channels() -> None:
    header = adts.parse_adts_header(adts_of([b"x"], configuration=7))

    assert aac.parse_audio_specific_config(adts.audio_specific_config(header)).channels == 8


def test_adts_without_a_channel_configuration_has_none_to_give() -> None:
    with pytest.raises(MediaError):
        adts.audio_specific_config(adts.parse_adts_header(adts_of([b"x"], configuration=0)))


def test_adts_that_libav_wrote_gives_its_packets_back() -> None:
    encode = encode_audio("aac")
    bitstream = adts_of(list(encode.packets))

    assert [bytes(f) for f in adts.split_adts(bitstream)] == list(encode.packets)


@pytest.mark.parametrize(
    "data",
    [b"\xff\xf1\x4c", b"\xff\x01" + bytes(9), adts_of([b"cut off"])[:-1], adts_of([b""])],
    ids=["short", "no sync word", "cut frame", "empty frame"],
)
def test_broken_adts_is_a_media_error(data: bytes) -> None:
    with pytest.raises(MediaError):
        adts.split_adts(data)


@given(broken([PS_COMPATIBLE, SBR_HIERARCHICAL, LC_48_STEREO, bytes.fromhex("1180040c8000")]))
def test_hostile_configurations_raise_media_errors_only(data: bytes) -> None:
    only_media_errors(aac.parse_audio_specific_config, data)


@given(broken([adts_of([b"one", b"two"]), adts_of([b"three"], crc=True)]))
def test_hostile_adts_raises_media_errors_only(data: bytes) -> None:
    only_media_errors(adts.split_adts, data)


@given(st.integers(-5, 300_000), st.integers(-2, 40), st.integers(-1, 50))
def test_any_numbers_write_a_configuration_or_raise(rate: int, channels: int, kind: int) -> None:
    only_media_errors(lambda _: aac.write_audio_specific_config(rate, channels, kind), b"")
