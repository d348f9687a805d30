from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import pytest
from hypothesis import given

from segmenter.codecs import h264
from segmenter.codecs.picture import Colour
from segmenter.errors import MediaError
from tests.segmenter.codecs.bits import BitWriter, escape
from tests.segmenter.codecs.encodes import Encode, encode_video
from tests.segmenter.codecs.hostile import broken, only_media_errors

# x264, High, level 1.3, 320x180 at 30 fps, two B-frames.
SPS = bytes.fromhex("6764000dacd941419f9e10000003001000000303c0f1429960")
PPS = bytes.fromhex("68ebe3cb22c0")
CONFIG = bytes.fromhex(
    "0164000dffe100196764000dacd941419f9e10000003001000000303c0f142996001000668ebe3cb22c0fdf8f800"
)

ENCODES: dict[str, dict[str, Any]] = {
    "high": {},
    "odd size": {"width": 322, "height": 182},
    "baseline": {"options": (("profile", "baseline"),)},
    "main at 29.97": {"rate": Fraction(30000, 1001), "options": (("profile", "main"),)},
    "high 10": {"pixels": "yuv420p10le"},
    "high 4:2:2": {"pixels": "yuv422p"},
    "high 4:4:4": {"pixels": "yuv444p"},
    "interlaced": {"height": 240, "options": (("x264-params", "interlaced=1"),)},
    "custom matrices and HRD": {
        "options": (("x264-params", "cqm=jvt:nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500"),)
    },
    "colours and aspect": {
        "options": (
            ("x264-params", "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:sar=8/9"),
        )
    },
}


def sps_of(encode: Encode) -> h264.SpsInfo:
    return h264.parse_sps(h264.parse_decoder_configuration(encode.box("avcC")).sps[0])


@pytest.mark.parametrize("name", ENCODES)
def test_what_an_sps_says_is_what_libav_reads_from_it(name: str) -> None:
    encode = encode_video("libx264", **ENCODES[name])
    info = sps_of(encode)

    with av.open(io.BytesIO(encode.mp4)) as container:
        frame = next(container.decode(video=0))
        stream = container.streams.video[0]
        assert (info.width, info.height) == (frame.width, frame.height)
        assert info.bit_depth_luma == stream.format.components[0].bits
        assert info.frame_rate == stream.codec_context.framerate
        assert info.interlaced == (name == "interlaced")


@pytest.mark.parametrize("name", ENCODES)
def test_the_written_configuration_is_the_one_that_libav_writes(name: str) -> None:
    encode = encode_video("libx264", **ENCODES[name])
    nals = h264.split_annex_b(encode.extradata)

    assert h264.decoder_configuration_from_nals(nals) == encode.box("avcC")


def test_each_packet_is_sync_exactly_when_the_encoder_says_key_frame() -> None:
    encode = encode_video("libx264", frames=9, options=(("g", "4"), ("preset", "ultrafast")))
    samples = [h264.access_unit(h264.split_annex_b(packet)) for packet in encode.packets]

    assert tuple(map(h264.is_sync, samples)) == encode.keyframes
    assert sum(encode.keyframes) == 3


def test_an_sps_of_x264_is_read_field_by_field() -> None:
    info = h264.parse_sps(SPS)

    assert (info.profile_idc, info.constraint_flags, info.level_idc) == (100, 0, 13)
    assert (info.width, info.height, info.frame_rate) == (320, 180, 30)
    assert (info.chroma_format_idc, info.bit_depth_luma) == (1, 8)
    assert (info.max_num_ref_frames, info.max_num_reorder_frames) == (4, 2)


def test_colours_and_sample_aspect_come_from_the_vui() -> None:
    info = sps_of(encode_video("libx264", **ENCODES["colours and aspect"]))

    assert info.colour == Colour(9, 16, 9, False)
    assert info.sample_aspect_ratio == Fraction(8, 9)


def test_without_bitstream_restriction_reordering_is_what_the_level_allows() -> None:
    # Level 3.1 holds 18,000 macroblocks, 5 pictures of 1280x720.
    info = h264.parse_sps(build_sps(profile=77, level=31))

    assert info.max_num_reorder_frames == 5


def test_baseline_never_reorders() -> None:
    assert h264.parse_sps(build_sps(profile=66, level=31)).max_num_reorder_frames == 0


def test_order_count_type_1_with_a_cycle_is_passed_over() -> None:
    info = h264.parse_sps(
        build_sps(order_count=BitWriter().ue(1).u(1, 0).se(-1, 3).ue(2).se(4, -5))
    )

    assert (info.width, info.height) == (1280, 720)


def test_field_cropping_counts_double_rows() -> None:
    info = h264.parse_sps(build_sps(progressive=False, crop=(1, 2, 3, 4)))

    assert (info.width, info.height) == (1280 - 2 * 3, 2 * 720 - 4 * 7)


@pytest.mark.parametrize("units", [0, 1])
def test_impossible_timing_means_an_unknown_frame_rate(units: int) -> None:
    vui = BitWriter().u(1, 0, 0, 0, 0, 1).u(32, units, 90_000).u(1, 1, 0, 0, 0, 0)

    assert h264.parse_sps(build_sps(vui=vui)).frame_rate == 0


def test_cropping_away_the_whole_picture_is_a_media_error() -> None:
    with pytest.raises(MediaError, match="picture of 0x720"):
        h264.parse_sps(build_sps(crop=(320, 320, 0, 0)))


def build_sps(
    *,
    profile: int = 77,
    level: int = 31,
    order_count: BitWriter | None = None,
    progressive: bool = True,
    crop: tuple[int, int, int, int] | None = None,
    vui: BitWriter | None = None,
) -> bytes:
    """An SPS of 1280x720 before cropping (1280x1440 when not progressive)."""
    writer = BitWriter().u(8, profile, 0, level).ue(0, 0)
    writer.append(order_count or BitWriter().ue(0, 0))
    writer.ue(4).u(1, 0).ue(79, 44).u(1, progressive)
    if not progressive:
        writer.u(1, 0)
    writer.u(1, 1, crop is not None).ue(*(crop or ())).u(1, vui is not None)
    writer.append(vui or BitWriter())
    return b"\x67" + escape(writer.rbsp())


def test_a_configuration_survives_a_round_trip() -> None:
    config = h264.parse_decoder_configuration(CONFIG)

    assert config == h264.AvcConfig(100, 0, 13, 4, (SPS,), (PPS,))
    assert h264.write_decoder_configuration(config.sps, config.pps) == CONFIG


def test_a_high_profile_configuration_without_its_tail_is_accepted() -> None:
    assert h264.parse_decoder_configuration(CONFIG[:-4]).pps == (PPS,)


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"\x02" + CONFIG[1:],
        CONFIG[:4] + b"\xfe" + CONFIG[5:],
        CONFIG[:20],
        CONFIG[:33],
        CONFIG.replace(SPS, b"\x68" + SPS[1:]),
    ],
    ids=["empty", "version 2", "3-byte lengths", "cut in SPS", "no PPS count", "PPS as SPS"],
)
def test_a_broken_configuration_is_a_media_error(config: bytes) -> None:
    with pytest.raises(MediaError):
        h264.parse_decoder_configuration(config)


def test_a_configuration_needs_parameter_sets() -> None:
    with pytest.raises(MediaError, match="0 SPS and 1 PPS"):
        h264.write_decoder_configuration([], [PPS])


def test_an_access_unit_leaves_parameter_sets_and_delimiters_out() -> None:
    nals = [b"\x09\xf0", SPS, PPS, b"\x06\x05", b"\x65\x88"]

    assert h264.access_unit(nals) == b"\0\0\0\x02\x06\x05\0\0\0\x02\x65\x88"


def test_in_band_parameter_sets_are_found_once_each() -> None:
    assert h264.parameter_sets([SPS, PPS, b"\x65\x88", SPS]) == ([SPS], [PPS])


@pytest.mark.parametrize(
    ("nals", "sync"),
    [
        ([b"\x06\x05", b"\x65\x88"], True),
        ([b"\x06\x05", b"\x41\x9a"], False),
        ([b"\x06\x05"], False),
        ([b"", b"\x65\x88", b""], True),
        ([], False),
    ],
)
def test_the_first_slice_decides_on_sync(nals: list[bytes], sync: bool) -> None:
    assert h264.is_sync(h264.join_length_prefixed(nals)) is sync


def test_broken_lengths_before_a_slice_are_a_media_error() -> None:
    with pytest.raises(MediaError):
        h264.is_sync(b"\x00\x00\x00\x09\x06\x05")


@given(broken([SPS, build_sps(progressive=False, crop=(1, 1, 1, 1)), CONFIG]))
def test_hostile_bytes_raise_media_errors_only(data: bytes) -> None:
    only_media_errors(h264.parse_sps, data)
    only_media_errors(h264.parse_sps, b"\x67\x64" + data)
    only_media_errors(h264.parse_decoder_configuration, data)
    only_media_errors(h264.split_annex_b, data)
    only_media_errors(h264.split_length_prefixed, data)
    only_media_errors(h264.is_sync, data)
    only_media_errors(lambda sps: h264.write_decoder_configuration([sps], [PPS]), data)
