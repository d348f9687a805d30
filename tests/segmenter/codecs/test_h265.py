from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import pytest
from hypothesis import given

from segmenter.codecs import h265
from segmenter.codecs.picture import Colour
from segmenter.errors import MediaError
from tests.segmenter.codecs.bits import BitWriter, escape
from tests.segmenter.codecs.encodes import encode_video
from tests.segmenter.codecs.hostile import broken, only_media_errors

# x265, Main, level 2, 320x180 at 30 fps.
VPS = bytes.fromhex("40010c01ffff01600000030090000003000003003c959809")
SPS = bytes.fromhex(
    "42010101600000030090000003000003003ca00a080b9f796566924cae6808000003000800000300f040"
)
PPS = bytes.fromhex("4401c172b46240")


def options(params: str = "") -> tuple[tuple[str, str], ...]:
    return (("preset", "ultrafast"), ("x265-params", "log-level=none:" + params))


ENCODES: dict[str, dict[str, Any]] = {
    "main": {"options": options()},
    "odd size": {"width": 322, "height": 182, "options": options()},
    "main 10 at 29.97": {
        "pixels": "yuv420p10le",
        "rate": Fraction(30000, 1001),
        "options": options(),
    },
    "4:2:2": {"pixels": "yuv422p", "options": options()},
    "4:4:4 12 bit": {"pixels": "yuv444p12le", "options": options()},
    "wavefronts": {"options": options("wpp=1:slices=2")},
    "temporal layers": {"options": options("temporal-layers=3:bframes=3")},
    "HRD and colours": {
        "options": options(
            "hrd=1:vbv-maxrate=500:vbv-bufsize=500:"
            "colorprim=9:transfer=16:colormatrix=9:range=full:sar=2"
        )
    },
    "scaling lists": {"options": options("scaling-list=default")},
}


@pytest.mark.parametrize("name", ENCODES)
def test_what_an_sps_says_is_what_libav_reads_from_it(name: str) -> None:
    encode = encode_video("libx265", **ENCODES[name])
    info = h265.parse_sps(h265.parse_decoder_configuration(encode.box("hvcC")).sps[0])

    with av.open(io.BytesIO(encode.mp4)) as container:
        frame = next(container.decode(video=0))
        stream = container.streams.video[0]
        assert (info.width, info.height) == (frame.width, frame.height)
        assert info.bit_depth_luma == stream.format.components[0].bits
        assert info.frame_rate == stream.codec_context.framerate


@pytest.mark.parametrize("name", ENCODES)
def test_the_written_configuration_says_what_the_one_of_libav_says(name: str) -> None:
    encode = encode_video("libx265", **ENCODES[name])
    nals = h265.split_annex_b(encode.extradata)
    ours, theirs = h265.decoder_configuration_from_nals(nals), encode.box("hvcC")

    assert ours[:22] == theirs[:22]
    mine, other = map(h265.parse_decoder_configuration, (ours, theirs))
    assert mine == other


@pytest.mark.parametrize("name", ENCODES)
def test_the_vps_agrees_with_the_sps(name: str) -> None:
    vps, sps, _ = h265.parameter_sets(
        h265.split_annex_b(encode_video("libx265", **ENCODES[name]).extradata)
    )
    stream, pictures = h265.parse_vps(vps[0]), h265.parse_sps(sps[0])

    assert stream.profile == pictures.profile
    assert stream.max_sub_layers == pictures.max_sub_layers
    assert stream.frame_rate in (0, pictures.frame_rate)


def test_each_packet_is_sync_exactly_when_the_encoder_says_key_frame() -> None:
    encode = encode_video("libx265", frames=9, options=options("keyint=4:min-keyint=4"))
    samples = [h265.access_unit(h265.split_annex_b(packet)) for packet in encode.packets]

    assert tuple(map(h265.is_sync, samples)) == encode.keyframes
    assert sum(encode.keyframes) == 3


def test_an_sps_of_x265_is_read_field_by_field() -> None:
    info = h265.parse_sps(SPS)

    assert info.profile == h265.ProfileTierLevel(0, False, 1, 0x60000000, 0x900000000000, 60)
    assert (info.width, info.height, info.frame_rate) == (320, 180, 30)
    assert (info.max_sub_layers, info.temporal_id_nesting) == (1, True)
    assert (info.chroma_format_idc, info.bit_depth_luma, info.max_num_reorder_frames) == (1, 8, 2)


def test_colours_and_sample_aspect_come_from_the_vui() -> None:
    extradata = encode_video("libx265", **ENCODES["HRD and colours"]).extradata
    info = h265.parse_sps(h265.parameter_sets(h265.split_annex_b(extradata))[1][0])

    assert info.colour == Colour(9, 16, 9, True)
    assert info.sample_aspect_ratio == Fraction(12, 11)


def test_wavefronts_show_in_the_pps() -> None:
    extradata = encode_video("libx265", **ENCODES["wavefronts"]).extradata
    pps = h265.parse_pps(h265.parameter_sets(h265.split_annex_b(extradata))[2][0])

    assert (pps.pps_id, pps.sps_id, pps.tiles) == (0, 0, False)


def general_profile(writer: BitWriter, sub_layers: int) -> BitWriter:
    writer.u(2, 0).u(1, 1).u(5, 2).u(32, 0x20000000).u(48, 0xB00000000000).u(8, 120)
    if sub_layers > 1:
        writer.u(1, *(1, 1) * (sub_layers - 1)).u(2, *(0,) * (9 - sub_layers))
        for _ in range(sub_layers - 1):
            writer.u(88, 0).u(8, 90)
    return writer


def build_sps(
    *, sub_layers: int = 1, sets: BitWriter | None = None, vui: BitWriter | None = None
) -> bytes:
    """An SPS of 1920x1088 whose window is 1920x1080, 10 bits."""
    writer = BitWriter().u(4, 0).u(3, sub_layers - 1).u(1, 1)
    general_profile(writer, sub_layers).ue(0, 1, 1920, 1088).u(1, 1).ue(0, 0, 0, 4)
    writer.ue(2, 2, 4).u(1, 1).ue(*(4, 2, 0) * sub_layers)
    writer.ue(0, 3, 0, 3, 0, 0).u(1, 0, 1, 1, 0)
    writer.append(sets or BitWriter().ue(0)).u(1, 0, 1, 1, vui is not None)
    writer.append(vui or BitWriter())
    return b"\x42\x01" + escape(writer.rbsp())


def plain_vui(rate: BitWriter) -> BitWriter:
    return BitWriter().u(1, 0, 0, 0, 0, 0, 0, 0, 0).append(rate)


RATE_50 = BitWriter().u(1, 1).u(32, 1, 50).u(1, 0, 0).u(1, 0)


def test_the_conformance_window_cuts_the_picture() -> None:
    info = h265.parse_sps(build_sps())

    assert (info.width, info.height, info.bit_depth_luma) == (1920, 1080, 10)


def test_profiles_of_sub_layers_are_passed_over() -> None:
    info = h265.parse_sps(build_sps(sub_layers=3, vui=plain_vui(RATE_50)))

    assert (info.profile.high_tier, info.profile.level_idc, info.frame_rate) == (True, 120, 50)


def test_predicted_reference_sets_are_followed_exactly() -> None:
    # Set 0: -1, -2 and +1. Set 1: set 0 shifted by -1 (its +1 becomes the picture itself and is
    # dropped), so three pictures. Set 2 then has flags for three pictures and the shift.
    sets = BitWriter().ue(3)
    sets.ue(2, 1).ue(0).u(1, 1).ue(0).u(1, 1).ue(0).u(1, 1)
    sets.u(1, 1, 1).ue(0).u(1, 1, 1, 1, 1)
    sets.u(1, 1, 0).ue(0).u(1, 0, 1, 0, 0, 1, 1)
    info = h265.parse_sps(build_sps(sets=sets, vui=plain_vui(RATE_50)))

    assert info.frame_rate == 50


def test_too_many_reference_sets_are_a_media_error() -> None:
    with pytest.raises(MediaError, match="num_short_term_ref_pic_sets is 65"):
        h265.parse_sps(build_sps(sets=BitWriter().ue(65)))


def test_a_parameter_set_of_an_enhancement_layer_is_a_media_error() -> None:
    with pytest.raises(MediaError, match="enhancement layer"):
        h265.parse_sps(SPS[:1] + b"\x09" + SPS[2:])


CONFIG = h265.write_decoder_configuration([VPS], [SPS], [PPS])


def test_a_configuration_survives_a_round_trip() -> None:
    config = h265.parse_decoder_configuration(CONFIG)

    assert (config.vps, config.sps, config.pps) == ((VPS,), (SPS,), (PPS,))
    assert config.nal_length_bytes == 4
    assert config.profile == h265.parse_sps(SPS).profile
    assert h265.write_decoder_configuration(config.vps, config.sps, config.pps) == CONFIG


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"\x02" + CONFIG[1:],
        CONFIG[:21] + b"\xfe" + CONFIG[22:],
        CONFIG[:22] + b"\xff" + CONFIG[23:],
        CONFIG[:22] + b"\x04" + CONFIG[23:],
        CONFIG[:40],
        CONFIG.replace(VPS, b"\x42" + VPS[1:]),
    ],
    ids=["empty", "version", "3-byte lengths", "255 arrays", "cut array", "cut set", "SPS as VPS"],
)
def test_a_broken_configuration_is_a_media_error(config: bytes) -> None:
    with pytest.raises(MediaError):
        h265.parse_decoder_configuration(config)


def test_a_configuration_needs_all_three_kinds_of_parameter_set() -> None:
    with pytest.raises(MediaError, match="1, 1, 0 VPS, SPS and PPS"):
        h265.write_decoder_configuration([VPS], [SPS], [])


def test_an_access_unit_leaves_parameter_sets_and_delimiters_out() -> None:
    nals = [b"\x46\x01\x50", VPS, SPS, PPS, b"\x26\x01\xaf"]

    assert h265.access_unit(nals) == b"\0\0\0\x03\x26\x01\xaf"


@pytest.mark.parametrize(
    ("nal_type", "sync"), [(1, False), (9, False), (16, True), (19, True), (21, True), (24, False)]
)
def test_only_irap_pictures_are_sync(nal_type: int, sync: bool) -> None:
    sei = b"\x4e\x01\x05"
    data = h265.join_length_prefixed([sei, bytes((nal_type << 1, 1, 0xAF))])

    assert h265.is_sync(data) is sync


def test_a_sample_without_slices_is_not_sync() -> None:
    assert not h265.is_sync(h265.join_length_prefixed([b"\x4e\x01\x05"]))


@given(broken([VPS, SPS, PPS, CONFIG, build_sps(sub_layers=7, vui=plain_vui(RATE_50))]))
def test_hostile_bytes_raise_media_errors_only(data: bytes) -> None:
    for parse in (h265.parse_vps, h265.parse_sps, h265.parse_pps):
        only_media_errors(parse, data)
    only_media_errors(h265.parse_sps, SPS[:20] + data)
    only_media_errors(h265.parse_decoder_configuration, data)
    only_media_errors(h265.is_sync, data)
    only_media_errors(lambda sps: h265.write_decoder_configuration([VPS], [sps], [PPS]), data)
