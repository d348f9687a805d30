from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.codecs import h265
from segmenter.codecs.description import describe_track
from segmenter.errors import MediaError
from segmenter.media import Codec, Track
from tests.segmenter.codecs import test_av1, test_h264, test_h265, test_vp9
from tests.segmenter.codecs.hostile import broken, only_media_errors

CONFIGS = {
    Codec.H264: test_h264.CONFIG,
    Codec.H265: test_h265.CONFIG,
    Codec.AV1: test_av1.CONFIG,
    Codec.VP9: test_vp9.CONFIG,
    Codec.AAC: bytes.fromhex("2b118800"),
    Codec.OPUS: bytes.fromhex("000201380000ac44000000"),
}


def describe(codec: Codec, config: bytes | None = None, **known: int | Fraction) -> Track:
    config = CONFIGS[codec] if config is None else config
    return describe_track("source", codec, config, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265, Codec.AV1])
def test_the_configuration_outranks_the_publishers_metadata(codec: Codec) -> None:
    track = describe(codec, width=999, height=999)

    assert (track.width, track.height, track.timescale) == (320, 180, 90_000)


def test_the_frame_rate_comes_from_the_configuration() -> None:
    assert describe(Codec.H264, frame_rate=Fraction(25)).frame_rate == 30


def test_a_vps_knows_the_frame_rate_when_the_sps_does_not() -> None:
    silent = test_h265.build_sps()
    config = h265.write_decoder_configuration([vps_at_50()], [silent], [test_h265.PPS])

    assert describe(Codec.H265, config).frame_rate == 50


def vps_at_50() -> bytes:
    writer = test_h265.BitWriter().u(4, 0).u(1, 1, 1).u(6, 0).u(3, 0).u(1, 1).u(16, 0xFFFF)
    test_h265.general_profile(writer, 1).u(1, 1).ue(4, 2, 0).u(6, 1).ue(1).u(1, 1, 0)
    writer.u(1, 1).u(32, 1, 50).u(1, 0).ue(0).u(1, 0)
    return b"\x40\x01" + test_h265.escape(writer.rbsp())


def test_metadata_fills_in_what_the_configuration_does_not_say() -> None:
    track = describe(Codec.VP9, width=1280, height=720, frame_rate=Fraction(25))

    assert (track.width, track.height, track.frame_rate) == (1280, 720, 25)
    assert describe(Codec.AV1, frame_rate=Fraction(25)).frame_rate == 25


@pytest.mark.parametrize("codec", [Codec.VP9, Codec.AV1])
def test_a_size_that_nobody_knows_is_a_media_error(codec: Codec) -> None:
    with pytest.raises(MediaError, match="does not say its size"):
        describe(codec, CONFIGS[codec][: 4 if codec is Codec.AV1 else None])


def test_audio_has_its_output_rate_as_timescale() -> None:
    track = describe(Codec.AAC)

    assert (track.timescale, track.sample_rate, track.channels) == (48_000, 48_000, 2)


def test_opus_always_runs_at_48_khz() -> None:
    assert (describe(Codec.OPUS).timescale, describe(Codec.OPUS).sample_rate) == (48_000, 48_000)


def test_a_configuration_without_parameter_sets_is_a_media_error() -> None:
    with pytest.raises(MediaError, match="without parameter sets"):
        describe(Codec.H264, bytes.fromhex("0164001fffe000"))
    with pytest.raises(MediaError, match="without parameter sets"):
        describe(Codec.H265, test_h265.CONFIG[:22] + b"\x00")


@given(st.sampled_from(Codec), broken(list(CONFIGS.values())))
def test_hostile_configurations_raise_media_errors_only(codec: Codec, config: bytes) -> None:
    only_media_errors(lambda data: describe(codec, data, width=16, height=16), config)
