from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import pytest
from hypothesis import given

from segmenter.codecs import av1
from segmenter.codecs.picture import Colour
from segmenter.errors import MediaError
from tests.segmenter.codecs.bits import BitWriter
from tests.segmenter.codecs.encodes import encode_video
from tests.segmenter.codecs.hostile import broken, only_media_errors

# SVT-AV1, Main, level 2.0, 320x180, 8 bits.
SEQUENCE = bytes.fromhex("0a0b000000043cfecc02f80040")
CONFIG = bytes.fromhex("81000c00") + SEQUENCE
DELIMITER = b"\x12\x00"
KEY_FRAME = b"\x32\x03\x10\xaa\xbb"
INTER_FRAME = b"\x32\x03\x30\xaa\xbb"


def svt(params: str = "") -> tuple[tuple[str, str], ...]:
    return (("preset", "12"), ("svtav1-params", "lp=1" + params))


ENCODES: dict[str, dict[str, Any]] = {
    "main": {"options": svt()},
    "other size": {"width": 642, "height": 362, "options": svt()},
    "10 bits": {"pixels": "yuv420p10le", "options": svt()},
    "HDR colours": {
        "pixels": "yuv420p10le",
        "options": svt(
            ":color-primaries=9:transfer-characteristics=16:matrix-coefficients=9"
            ":chroma-sample-position=topleft"
        ),
    },
}


@pytest.mark.parametrize("name", ENCODES)
def test_what_a_sequence_header_says_is_what_libav_reads_from_it(name: str) -> None:
    encode = encode_video("libsvtav1", **ENCODES[name])
    info = av1.parse_decoder_configuration(encode.box("av1C")).sequence_header
    assert info is not None

    with av.open(io.BytesIO(encode.mp4)) as container:
        frame = next(container.decode(video=0))
        assert (info.width, info.height) == (frame.width, frame.height)
        assert info.bit_depth == frame.format.components[0].bits
        theirs = (frame.color_primaries, frame.color_trc, frame.colorspace)
        assert (info.colour.primaries, info.colour.transfer, info.colour.matrix) == theirs


@pytest.mark.parametrize("name", ENCODES)
def test_the_written_configuration_is_the_one_that_libav_writes(name: str) -> None:
    encode = encode_video("libsvtav1", **ENCODES[name])

    assert av1.write_decoder_configuration(encode.extradata) == encode.box("av1C")


@pytest.mark.parametrize("name", ENCODES)
def test_a_configuration_from_a_sample_holds_the_sequence_header_of_that_sample(name: str) -> None:
    # SVT-AV1's extradata names other coding tools than its stream: what is sent decides.
    encode = encode_video("libsvtav1", **ENCODES[name])
    config = av1.decoder_configuration_from_sample(encode.packets[0])

    assert config[:4] == encode.box("av1C")[:4]
    assert config[4:] in encode.packets[0]


@pytest.mark.parametrize("name", ENCODES)
def test_stripped_temporal_units_are_the_samples_that_libav_writes(name: str) -> None:
    encode = encode_video("libsvtav1", **ENCODES[name])

    with av.open(io.BytesIO(encode.mp4)) as container:
        theirs = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert [av1.strip_temporal_delimiters(packet) for packet in encode.packets] == theirs


def test_each_packet_is_sync_exactly_when_the_encoder_says_key_frame() -> None:
    encode = encode_video("libsvtav1", frames=9, options=(*svt(":keyint=4"), ("g", "4")))
    samples = list(map(av1.strip_temporal_delimiters, encode.packets))

    assert tuple(map(av1.is_sync, samples)) == encode.keyframes
    assert sum(encode.keyframes) > 1


def test_a_sequence_header_of_svt_is_read_field_by_field() -> None:
    info = av1.parse_sequence_header(SEQUENCE[2:])

    assert (info.profile, info.level, info.high_tier, info.bit_depth) == (0, 0, False, 8)
    assert (info.width, info.height, info.frame_rate) == (320, 180, 0)
    assert (info.subsampling_x, info.subsampling_y, info.monochrome) == (1, 1, False)
    assert (info.colour, info.has_colour_description) == (Colour(), False)


def build_sequence_header(
    *,
    profile: int = 0,
    timing: BitWriter | None = None,
    points: BitWriter | None = None,
    colours: BitWriter | None = None,
) -> bytes:
    """A sequence header of 1920x1080 with order hints and frame ids."""
    writer = BitWriter().u(3, profile).u(1, 0, 0).u(1, timing is not None)
    writer.append(timing or BitWriter())
    writer.append(points or BitWriter().u(1, 0).u(5, 0).u(12, 0).u(5, 8).u(1, 1))
    writer.u(4, 10, 10).u(11, 1919, 1079)
    writer.u(1, 1).u(4, 2).u(3, 1).u(1, 0, 1, 1).u(1, 0, 0, 1, 0)
    writer.u(1, 1).u(1, 0, 0).u(1, 0, 1, 0, 1).u(3, 6).u(1, 0, 1, 1)
    writer.append(colours or BitWriter().u(1, 0, 0, 0, 0).u(2, 2).u(1, 0))
    return writer.u(1, 0).rbsp()


TIMED = BitWriter().u(32, 1001, 60000).u(1, 1).ue(1).u(1, 1).u(5, 9).u(32, 1).u(5, 9, 9)
TIMED_POINTS = (
    BitWriter()
    .u(1, 1)
    .u(5, 1)
    .u(12, 0x103).u(5, 9).u(1, 1, 1).u(10, 3, 4).u(1, 0, 1).u(4, 5)
    .u(12, 0x101).u(5, 5).u(1, 0, 0)
)  # fmt: skip


def test_timing_decoder_model_and_operating_points_are_passed_over() -> None:
    info = av1.parse_sequence_header(build_sequence_header(timing=TIMED, points=TIMED_POINTS))

    assert info.frame_rate == Fraction(30000, 1001)
    assert (info.level, info.high_tier) == (9, True)
    assert (info.width, info.height, info.chroma_sample_position) == (1920, 1080, 2)


@pytest.mark.parametrize(
    ("profile", "colours", "expected"),
    [
        (0, BitWriter().u(1, 1, 1, 0, 1), (10, True, 1, 1)),
        (1, BitWriter().u(1, 0, 0, 0, 0), (8, False, 0, 0)),
        (1, BitWriter().u(1, 0, 1).u(8, 1, 13, 0).u(1, 0), (8, False, 0, 0)),
        (2, BitWriter().u(1, 1, 0, 0, 0, 0, 0), (10, False, 1, 0)),
        (2, BitWriter().u(1, 1, 1, 0, 0, 0, 1, 0, 0), (12, False, 1, 0)),
    ],
    ids=["monochrome", "4:4:4", "sRGB", "4:2:2", "12 bits"],
)
def test_each_kind_of_colour_configuration_is_understood(
    profile: int, colours: BitWriter, expected: tuple[int, bool, int, int]
) -> None:
    info = av1.parse_sequence_header(build_sequence_header(profile=profile, colours=colours))

    assert (info.bit_depth, info.monochrome, info.subsampling_x, info.subsampling_y) == expected


def test_a_reduced_still_picture_header_is_understood() -> None:
    writer = BitWriter().u(3, 0).u(1, 1, 1).u(5, 4).u(4, 7, 7).u(8, 199, 99)
    writer.u(1, 0, 0, 0, 0, 0, 0).u(1, 0, 0, 0, 0).u(2, 0).u(1, 0, 0)
    info = av1.parse_sequence_header(writer.rbsp())

    assert (info.width, info.height, info.level, info.reduced_still_picture) == (200, 100, 4, True)


def test_profile_3_is_a_media_error() -> None:
    with pytest.raises(MediaError, match="profile 3"):
        av1.parse_sequence_header(build_sequence_header(profile=3))


def test_obus_are_told_apart_with_their_layers() -> None:
    layered = b"\x36\x28\x01\xcc"
    obus = av1.split_obus(SEQUENCE + layered + KEY_FRAME)

    assert [(o.type, o.temporal_id, o.spatial_id) for o in obus] == [
        (1, 0, 0),
        (6, 1, 1),
        (6, 0, 0),
    ]
    assert [bytes(o.payload) for o in obus[1:]] == [b"\xcc", b"\x10\xaa\xbb"]


def test_sizes_of_several_bytes_are_read() -> None:
    data = b"\x32\x80\x01" + bytes(128)

    assert len(av1.split_obus(data)[0].payload) == 128


@pytest.mark.parametrize(
    "data",
    [b"\x32", b"\x32\x05\x10", b"\x36", b"\xb2\x00", b"\x32" + b"\x80" * 9, b"\x32\x80"],
    ids=["no size", "cut", "no extension", "forbidden bit", "endless size", "cut size"],
)
def test_broken_obus_are_a_media_error(data: bytes) -> None:
    with pytest.raises(MediaError):
        av1.split_obus(data)


def test_a_flood_of_obus_is_a_media_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av1, "MAX_OBUS", 3)

    with pytest.raises(MediaError, match="more than 3"):
        av1.split_obus(DELIMITER * 4)


def test_a_sample_without_delimiters_is_not_copied() -> None:
    data = SEQUENCE + KEY_FRAME

    assert av1.strip_temporal_delimiters(data) is data


def test_delimiters_inside_a_sample_are_stripped_too() -> None:
    data = DELIMITER + SEQUENCE + DELIMITER + KEY_FRAME

    assert av1.strip_temporal_delimiters(data) == SEQUENCE + KEY_FRAME


@pytest.mark.parametrize(
    ("last", "sized"),
    [(b"\x30\x10\xaa\xbb", KEY_FRAME), (b"\x34\x28\x10\xcc", b"\x36\x28\x02\x10\xcc")],
)
def test_a_last_obu_without_a_size_is_given_one(last: bytes, sized: bytes) -> None:
    assert av1.strip_temporal_delimiters(DELIMITER + SEQUENCE + last) == SEQUENCE + sized


@pytest.mark.parametrize(
    ("data", "sync"),
    [
        (SEQUENCE + KEY_FRAME, True),
        (KEY_FRAME, True),
        (INTER_FRAME, False),
        (b"\x1a\x01\x10", True),
        (b"\x32\x01\x00", False),
        (b"\x32\x01\x90", False),
        (b"\x32\x00", False),
        (SEQUENCE, False),
        (b"", False),
    ],
    ids=["usual", "bare", "inter", "header", "hidden", "existing", "empty", "no frame", "nothing"],
)
def test_only_a_shown_key_frame_is_sync(data: bytes, sync: bool) -> None:
    assert av1.is_sync(data) is sync


def test_a_configuration_survives_a_round_trip() -> None:
    config = av1.parse_decoder_configuration(CONFIG)

    assert (config.profile, config.level, config.bit_depth) == (0, 0, 8)
    assert config.config_obus == SEQUENCE
    assert av1.write_decoder_configuration(SEQUENCE) == CONFIG


def test_a_configuration_may_come_without_a_sequence_header() -> None:
    assert av1.parse_decoder_configuration(CONFIG[:4]).sequence_header is None


@pytest.mark.parametrize("config", [b"", b"\x81\x00\x0c", b"\x01" + CONFIG[1:], CONFIG[:-1]])
def test_a_broken_configuration_is_a_media_error(config: bytes) -> None:
    with pytest.raises(MediaError):
        av1.parse_decoder_configuration(config)


@pytest.mark.parametrize("obus", [b"", KEY_FRAME, SEQUENCE + SEQUENCE])
def test_a_configuration_needs_exactly_one_sequence_header(obus: bytes) -> None:
    with pytest.raises(MediaError, match="exactly one"):
        av1.write_decoder_configuration(obus)


TIMED_SEQUENCE = build_sequence_header(timing=TIMED, points=TIMED_POINTS)


@given(broken([SEQUENCE, CONFIG, DELIMITER + SEQUENCE + KEY_FRAME, TIMED_SEQUENCE]))
def test_hostile_bytes_raise_media_errors_only(data: bytes) -> None:
    only_media_errors(av1.parse_sequence_header, data)
    only_media_errors(av1.parse_decoder_configuration, data)
    only_media_errors(av1.write_decoder_configuration, data)
    only_media_errors(av1.decoder_configuration_from_sample, data)
    only_media_errors(av1.strip_temporal_delimiters, data)
    only_media_errors(av1.is_sync, data)
