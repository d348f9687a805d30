"""Fuzz targets of segmenter.codecs: whatever a publisher sends as configuration or access unit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from segmenter.codecs import aac, adts, av1, h264, h265, mp3, opus, vp8, vp9
from segmenter.codecs.codec_string import codec_string
from segmenter.codecs.description import describe_track
from segmenter.errors import MediaError
from segmenter.media import Codec
from tests.segmenter.fmp4.test_golden import CONFIGS

_AVC = bytes.fromhex(CONFIGS[Codec.H264])
_HEVC = bytes.fromhex(CONFIGS[Codec.H265])
_AV1 = bytes.fromhex(CONFIGS[Codec.AV1])


def describe(codec: Codec, data: bytes) -> None:
    """A configuration as a track, and as the string for playlists, which must then be there."""
    track = describe_track("source", codec, data, width=320, height=180)
    assert codec_string(track)
    assert track.timescale > 0


def fuzz_h264(data: bytes) -> None:
    """avcC, its parameter sets, and an access unit in both packings."""
    with suppress(MediaError):
        describe(Codec.H264, data)
    with suppress(MediaError):
        h264.parse_sps(data)
    with suppress(MediaError):
        nals = h264.split_annex_b(data)
        assert h264.is_sync(h264.access_unit(nals)) in (True, False)
        h264.parse_decoder_configuration(h264.decoder_configuration_from_nals(nals))
    for length_bytes in (1, 2, 4):
        with suppress(MediaError):
            h264.split_length_prefixed(data, length_bytes)
    h264.is_sync(data)


def fuzz_h265(data: bytes) -> None:
    """hvcC, its parameter sets, and an access unit in both packings."""
    with suppress(MediaError):
        describe(Codec.H265, data)
    for parse in (h265.parse_vps, h265.parse_sps, h265.parse_pps):
        with suppress(MediaError):
            parse(data)
    with suppress(MediaError):
        nals = h265.split_annex_b(data)
        assert h265.is_sync(h265.access_unit(nals)) in (True, False)
        h265.parse_decoder_configuration(h265.decoder_configuration_from_nals(nals))
    h265.is_sync(data)


def fuzz_av1(data: bytes) -> None:
    """av1C, a sequence header and a temporal unit, whose canonical form is read alike."""
    with suppress(MediaError):
        describe(Codec.AV1, data)
    with suppress(MediaError):
        av1.parse_sequence_header(data)
    with suppress(MediaError):
        av1.parse_decoder_configuration(av1.decoder_configuration_from_sample(data))
    with suppress(MediaError):
        canonical = av1.strip_temporal_delimiters(data)
        assert av1.strip_temporal_delimiters(canonical) == canonical
    av1.is_sync(data)


def fuzz_vp9(data: bytes) -> None:
    """vpcC and a frame."""
    with suppress(MediaError):
        describe(Codec.VP9, data)
    with suppress(MediaError):
        vp9.parse_decoder_configuration(vp9.decoder_configuration_from_frame(data))
    vp9.is_sync(data)


def fuzz_vp8(data: bytes) -> None:
    """A frame."""
    with suppress(MediaError):
        header = vp8.parse_frame_header(data)
        assert header.is_key == vp8.is_sync(data) == bool(header.width and header.height)


def fuzz_aac(data: bytes) -> None:
    """AudioSpecificConfig and ADTS."""
    with suppress(MediaError):
        describe(Codec.AAC, data)
    with suppress(MediaError):
        config = aac.parse_audio_specific_config(data)
        assert config.sample_rate > 0
        assert config.channels > 0
    with suppress(MediaError):
        adts.audio_specific_config(adts.parse_adts_header(data))
    assert sum(len(frame) for frame in adts.split_adts(data)) <= len(data)


def fuzz_opus(data: bytes) -> None:
    """dOps, OpusHead and packets."""
    with suppress(MediaError):
        describe(Codec.OPUS, data)
    with suppress(MediaError):
        assert opus.parse_dops(opus.dops_from_opus_head(data))
    assert 0 < opus.packet_duration(data) <= opus.MAX_PACKET_TICKS


def fuzz_mp3(data: bytes) -> None:
    """Frames that follow each other."""
    frames = mp3.split_frames(data)
    assert all(header.frame_bytes == len(frame) > 4 for header, frame in frames)
    assert data.startswith(b"".join(bytes(frame) for _, frame in frames))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "codecs_h264": fuzz_h264,
    "codecs_h265": fuzz_h265,
    "codecs_av1": fuzz_av1,
    "codecs_vp8": fuzz_vp8,
    "codecs_vp9": fuzz_vp9,
    "codecs_aac": fuzz_aac,
    "codecs_opus": fuzz_opus,
    "codecs_mp3": fuzz_mp3,
}


def _hevc_sets() -> list[bytes]:
    config = h265.parse_decoder_configuration(_HEVC)
    return [*config.vps, *config.sps, *config.pps]


def _avc_sets() -> list[bytes]:
    config = h264.parse_decoder_configuration(_AVC)
    return [*config.sps, *config.pps]


def _annex_b(nals: list[bytes]) -> bytes:
    return b"".join(b"\0\0\0\1" + nal for nal in nals)


SEEDS: dict[str, list[bytes]] = {
    "codecs_h264": [
        _AVC,
        *_avc_sets(),
        _annex_b([*_avc_sets(), b"\x65\x88\x84\0"]),
        h264.join_length_prefixed([b"\x06\x05\x80", b"\x65\x88\x84\0"]),
    ],
    "codecs_h265": [
        _HEVC,
        *_hevc_sets(),
        _annex_b([*_hevc_sets(), b"\x26\x01\xaf"]),
        h265.join_length_prefixed([b"\x26\x01\xaf"]),
    ],
    "codecs_av1": [_AV1, _AV1[4:], _AV1[6:], b"\x12\0" + _AV1[4:] + b"\x32\x02\x10\0"],
    "codecs_vp8": [bytes.fromhex("1000009d012a4001b400"), bytes.fromhex("310000")],
    "codecs_vp9": [
        bytes.fromhex(CONFIGS[Codec.VP9]),
        b"\1\0\0\0" + bytes.fromhex(CONFIGS[Codec.VP9]),
        bytes.fromhex("82498342000b3004f0"),
        bytes.fromhex("a249834203e00013f00b30"),
    ],
    "codecs_aac": [
        bytes.fromhex("1190"),
        bytes.fromhex("2b118800"),
        bytes.fromhex("eb098800"),
        bytes.fromhex("119056e500"),
        bytes.fromhex("fff14c80017ffc0000 0000".replace(" ", "")),
    ],
    "codecs_opus": [
        bytes.fromhex(CONFIGS[Codec.OPUS]),
        b"OpusHead" + bytes.fromhex("0102380180bb0000000000"),
        bytes.fromhex("fcfffe"),
        bytes.fromhex("ff83040506"),
    ],
    "codecs_mp3": [2 * bytes.fromhex("ffe318c4").ljust(24, b"\0"), bytes.fromhex("fffb9264")],
}
