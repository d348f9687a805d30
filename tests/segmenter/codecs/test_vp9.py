from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import pytest
from hypothesis import given

from segmenter.codecs import vp9
from segmenter.codecs.picture import Colour
from segmenter.errors import MediaError
from tests.segmenter.codecs.bits import BitWriter
from tests.segmenter.codecs.encodes import encode_video
from tests.segmenter.codecs.hostile import broken, only_media_errors

# libvpx, profile 0, 320x180.
KEY_FRAME = bytes.fromhex("824983420013f00b30")
CONFIG = bytes.fromhex("01000000001f820101010000")

FAST = (("deadline", "realtime"), ("cpu-used", "8"))
ENCODES: dict[str, dict[str, Any]] = {
    "profile 0": {"options": FAST},
    "profile 1": {"pixels": "yuv444p", "options": FAST},
    "profile 1, 4:2:2": {"pixels": "yuv422p", "options": FAST},
    "other size": {"width": 642, "height": 362, "options": FAST},
}


@pytest.mark.parametrize("name", ENCODES)
def test_what_a_frame_header_says_is_what_libav_reads_from_it(name: str) -> None:
    encode = encode_video("libvpx-vp9", **ENCODES[name])
    header = vp9.parse_frame_header(encode.packets[0])

    with av.open(io.BytesIO(encode.mp4)) as container:
        frame = next(container.decode(video=0))
        assert (header.width, header.height) == (frame.width, frame.height)
        assert header.bit_depth == frame.format.components[0].bits
        assert header.is_key


@pytest.mark.parametrize("name", ENCODES)
def test_the_written_configuration_says_what_the_one_of_libav_says(name: str) -> None:
    encode = encode_video("libvpx-vp9", **ENCODES[name])
    ours = vp9.decoder_configuration_from_frame(encode.packets[0], Fraction(30))
    mine, theirs = map(vp9.parse_decoder_configuration, (ours, encode.box("vpcC")))

    assert (mine.profile, mine.level, mine.bit_depth) == (
        theirs.profile,
        theirs.level,
        theirs.bit_depth,
    )
    assert mine.chroma_subsampling == theirs.chroma_subsampling


@pytest.mark.parametrize("name", ["profile 0", "profile 1"])
def test_each_packet_is_sync_exactly_when_the_encoder_says_key_frame(name: str) -> None:
    arguments = ENCODES[name] | {"frames": 9, "options": (*FAST, ("g", "4"))}
    encode = encode_video("libvpx-vp9", **arguments)

    assert tuple(map(vp9.is_sync, encode.packets)) == encode.keyframes
    assert sum(encode.keyframes) == 3


def build_header(profile: int, colours: BitWriter, *, sync_code: int = 0x498342) -> bytes:
    writer = BitWriter().u(2, 2).u(1, profile & 1, profile >> 1)
    writer.u(1, *(0,) * (profile == 3)).u(1, 0, 0, 1, 0).u(24, sync_code)
    return writer.append(colours).u(16, 1279, 719).u(1, 0).rbsp()


@pytest.mark.parametrize(
    ("profile", "colours", "expected"),
    [
        (0, BitWriter().u(3, 2).u(1, 1), (8, 1, 1, Colour(1, 1, 1, True))),
        (1, BitWriter().u(3, 7).u(1, 0), (8, 0, 0, Colour(1, 13, 0, True))),
        (2, BitWriter().u(1, 1).u(3, 5).u(1, 0), (12, 1, 1, Colour(9, 2, 9, False))),
        (3, BitWriter().u(1, 0).u(3, 0).u(1, 0, 1, 0, 0), (10, 1, 0, Colour())),
    ],
    ids=["BT.709", "RGB", "BT.2020", "4:2:2"],
)
def test_each_kind_of_colour_is_understood(
    profile: int, colours: BitWriter, expected: tuple[int, int, int, Colour]
) -> None:
    header = vp9.parse_frame_header(build_header(profile, colours))

    assert (header.width, header.height, header.profile) == (1280, 720, profile)
    depth, across, down, colour = expected
    assert (header.bit_depth, header.subsampling_x, header.subsampling_y) == (depth, across, down)
    assert header.colour == colour


def test_an_inter_frame_has_no_size() -> None:
    header = vp9.parse_frame_header(b"\x86\x00\x40")

    assert (header.is_key, header.show_frame, header.width) == (False, True, 0)


def test_showing_an_existing_frame_is_not_sync() -> None:
    assert vp9.parse_frame_header(b"\x88").show_existing_frame
    assert not vp9.is_sync(b"\x88")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x42\x49\x83\x42",
        KEY_FRAME[:6],
        build_header(0, BitWriter().u(3, 2).u(1, 0), sync_code=0x498343),
        build_header(0, BitWriter().u(3, 7).u(1, 0)),
        b"\xb8" + KEY_FRAME[1:],
    ],
    ids=["empty", "marker", "cut", "sync code", "RGB in profile 0", "reserved profile"],
)
def test_a_broken_frame_header_is_a_media_error(frame: bytes) -> None:
    with pytest.raises(MediaError):
        vp9.parse_frame_header(frame)


@pytest.mark.parametrize("data", [b"", b"\x42\x00"])
def test_sync_of_what_is_no_frame_is_a_media_error(data: bytes) -> None:
    with pytest.raises(MediaError):
        vp9.is_sync(data)


@pytest.mark.parametrize(
    ("width", "height", "rate", "level"),
    [
        (256, 144, 15, 10),
        (1280, 720, 30, 31),
        (1920, 1080, 30, 40),
        (1920, 1080, 60, 41),
        (3840, 2160, 60, 51),
        (1920, 1080, 0, 40),
        (16384, 16384, 60, 62),
    ],
)
def test_the_level_is_the_lowest_that_holds_the_picture(
    width: int, height: int, rate: int, level: int
) -> None:
    assert vp9.level_of(width, height, Fraction(rate)) == level


def test_a_configuration_survives_a_round_trip() -> None:
    config = vp9.parse_decoder_configuration(CONFIG)

    assert config == vp9.Vp9Config(0, 31, 8, 1, Colour(1, 1, 1, False))
    assert vp9.write_decoder_configuration(config) == CONFIG


def test_a_bare_record_means_the_same() -> None:
    assert vp9.parse_decoder_configuration(CONFIG[4:]) == vp9.parse_decoder_configuration(CONFIG)


@pytest.mark.parametrize("config", [b"", CONFIG[:11], CONFIG[:4] + b"\x04" + CONFIG[5:], bytes(8)])
def test_a_broken_configuration_is_a_media_error(config: bytes) -> None:
    with pytest.raises(MediaError):
        vp9.parse_decoder_configuration(config)


def test_a_configuration_needs_a_key_frame() -> None:
    with pytest.raises(MediaError, match="key frame"):
        vp9.decoder_configuration_from_frame(b"\x86\x00\x40")


@given(broken([KEY_FRAME, CONFIG, build_header(3, BitWriter().u(1, 0).u(3, 0).u(1, 0, 1, 0, 0))]))
def test_hostile_bytes_raise_media_errors_only(data: bytes) -> None:
    only_media_errors(vp9.parse_frame_header, data)
    only_media_errors(vp9.decoder_configuration_from_frame, data)
    only_media_errors(vp9.parse_decoder_configuration, data)
    only_media_errors(vp9.is_sync, data)
