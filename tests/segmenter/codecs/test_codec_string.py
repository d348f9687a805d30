from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.codecs import av1, h264, h265, vp9
from segmenter.codecs.codec_string import codec_string
from segmenter.codecs.opus import dops_from_opus_head
from segmenter.errors import MediaError
from segmenter.media import Codec, Track
from tests.segmenter.codecs.encodes import Encode, encode_audio, encode_video
from tests.segmenter.codecs.hostile import broken, only_media_errors
from tests.segmenter.codecs.test_av1 import svt
from tests.segmenter.codecs.test_h265 import options as x265

VALID = {
    Codec.H264: "0164001fffe100046764001f01000268ee",
    Codec.H265: "01016000000090000000000 05df000fcfdf8f800000f00".replace(" ", ""),
    Codec.AV1: "81080c00",
    Codec.VP9: "01000000001f820101010000",
    Codec.AAC: "1190",
    Codec.OPUS: "000201380000bb80000000",
}


def string_of(codec: Codec, config: bytes) -> str:
    return codec_string(Track("x", codec, 90_000, config))


@pytest.mark.parametrize(
    ("codec", "config", "expected"),
    [
        (Codec.H264, VALID[Codec.H264], "avc1.64001f"),
        (Codec.H264, "0142e00cffe1000467 42e00c01000268ee", "avc1.42e00c"),
        (Codec.H265, VALID[Codec.H265], "hvc1.1.6.L93.90"),
        (Codec.H265, "0101600000 00b0000000000 05df000fcfdf8f800000f00", "hvc1.1.6.L93.B0"),
        (
            Codec.H265,
            "0162200000 00b00000000800 99f000fcfdfafa00000f00",
            "hvc1.A2.4.H153.B0.0.0.0.8",
        ),
        (Codec.H265, "01014000 0000000000000000 3cf000fcfdf8f800000f00", "hvc1.1.2.L60"),
        # The two examples of ISO/IEC 14496-15 E.3.
        (Codec.H265, "01014000 0000b0000000000 05df000fcfdf8f800000f00", "hvc1.1.2.L93.B0"),
        (Codec.H265, "01648200 0000b0230000000 03ff000fcfdf8f800000f00", "hvc1.A4.41.H63.B0.23"),
        (Codec.AV1, "81080c00", "av01.0.08M.08"),
        (Codec.AV1, "810dcc00", "av01.0.13H.10"),
        (Codec.AV1, "81081c00", "av01.0.08M.08.1.110.02.02.02.0"),
        (Codec.AV1, "81280000", "av01.1.08M.08.0.000.02.02.02.0"),
        (Codec.VP9, VALID[Codec.VP9], "vp09.00.31.08"),
        (Codec.VP9, "01000000 0229a2091009 0000", "vp09.02.41.10.01.09.16.09.00"),
        (Codec.VP9, "01000000 011f86010101 0000", "vp09.01.31.08.03.01.01.01.00"),
        (Codec.AAC, "1190", "mp4a.40.2"),
        (Codec.AAC, "2b118800", "mp4a.40.5"),
        (Codec.AAC, "eb098800", "mp4a.40.29"),
        (Codec.OPUS, VALID[Codec.OPUS], "opus"),
    ],
)
def test_known_configurations_give_known_strings(codec: Codec, config: str, expected: str) -> None:
    assert string_of(codec, bytes.fromhex(config.replace(" ", ""))) == expected


def of_sample(read: Callable[[bytes], bytes]) -> Callable[[Encode], bytes]:
    return lambda encode: read(encode.packets[0])


def of_extradata(read: Callable[[bytes], bytes]) -> Callable[[Encode], bytes]:
    return lambda encode: read(encode.extradata)


def avcc(extradata: bytes) -> bytes:
    return h264.decoder_configuration_from_nals(h264.split_annex_b(extradata))


def hvcc(extradata: bytes) -> bytes:
    return h265.decoder_configuration_from_nals(h265.split_annex_b(extradata))


@pytest.mark.parametrize(
    ("codec", "encoder", "arguments", "config_of"),
    [
        (Codec.H264, "libx264", {}, of_extradata(avcc)),
        (Codec.H264, "libx264", {"options": (("profile", "baseline"),)}, of_extradata(avcc)),
        (
            Codec.AV1,
            "libsvtav1",
            {"options": svt()},
            of_sample(av1.decoder_configuration_from_sample),
        ),
        (
            Codec.VP9,
            "libvpx-vp9",
            {"options": (("deadline", "realtime"),)},
            of_sample(vp9.decoder_configuration_from_frame),
        ),
        (Codec.AAC, "aac", None, lambda encode: encode.extradata),
        (Codec.OPUS, "libopus", None, of_extradata(dops_from_opus_head)),
    ],
)
def test_the_string_is_the_one_that_libav_puts_into_an_mpd(
    tmp_path: Path,
    codec: Codec,
    encoder: str,
    arguments: dict[str, Any] | None,
    config_of: Callable[[Encode], bytes],
) -> None:
    encode = encode_audio(encoder) if arguments is None else encode_video(encoder, **arguments)

    assert string_of(codec, config_of(encode)) == codecs_in_mpd(encode, tmp_path)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le"])
def test_the_string_of_hevc_says_what_stands_in_libavs_hvcc(pixels: str) -> None:
    # FFmpeg's own strings are no measure here: 5.1 has a fixed B01 for the constraints, and
    # libavformat 62 writes codecs="" for an MP4 of x265.
    encode = encode_video("libx265", pixels=pixels, options=x265())
    theirs = encode.box("hvcC")
    assert string_of(Codec.H265, hvcc(encode.extradata)) == string_of(Codec.H265, theirs)
    fields = string_of(Codec.H265, theirs).split(".")
    assert fields[1] == str(theirs[1] & 0x1F)
    assert f"{int(fields[2], 16):032b}"[::-1] == f"{int.from_bytes(theirs[2:6], 'big'):032b}"
    assert fields[3:] == [f"L{theirs[12]}", *(f"{byte:X}" for byte in theirs[6:7])]
    assert not any(theirs[7:12])


def codecs_in_mpd(encode: Encode, folder: Path) -> str:
    """What FFmpeg's DASH muxer calls the codec of the encode's MP4."""
    (folder / "in.mp4").write_bytes(encode.mp4)
    with (
        av.open(str(folder / "in.mp4")) as source,
        av.open(str(folder / "out.mpd"), "w", format="dash") as target,
    ):
        stream = target.add_stream_from_template(source.streams[0], opaque=True)
        for packet in source.demux(0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    found = re.search(r'codecs="([^"]+)"', (folder / "out.mpd").read_text())
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    "codec", [codec for codec in Codec if codec is not Codec.OPUS and codec.is_packaged]
)
def test_a_broken_configuration_is_a_media_error(codec: Codec) -> None:
    with pytest.raises(MediaError):
        string_of(codec, b"")


@given(st.sampled_from(Codec), broken([bytes.fromhex(config) for config in VALID.values()]))
def test_hostile_configurations_raise_media_errors_only(codec: Codec, config: bytes) -> None:
    only_media_errors(lambda data: string_of(codec, data), config)
