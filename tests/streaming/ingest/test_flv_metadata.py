from __future__ import annotations

from fractions import Fraction

import pytest

from segmenter.media import Codec, MediaType, Track
from streaming.ingest.flv_metadata import read_metadata
from streaming.ingest.rtmp.amf0 import AmfValue

VIDEO = Track("source", Codec.H264, 90_000, b"", width=320, height=180)
SOUND = Track("audio", Codec.AAC, 48_000, b"", sample_rate=48_000, channels=2)


def announced(**properties: AmfValue) -> frozenset[MediaType]:
    metadata = read_metadata(["onMetaData", properties])
    assert metadata is not None
    return metadata.announced


def test_the_prefix_of_encoders_is_skipped() -> None:
    values: list[AmfValue] = ["@setDataFrame", "onMetaData", {"videocodecid": 7.0}]
    metadata = read_metadata(values)
    assert metadata is not None
    assert metadata.announced == {MediaType.VIDEO}


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["@setDataFrame"],
        ["onMetaData"],
        ["onMetaData", None],
        ["onMetaData", []],
        ["onTextData", {"videocodecid": 7.0}],
        ["onCuePoint", {}],
        [{}, {}],
    ],
)
def test_other_data_are_no_metadata(values: list[AmfValue]) -> None:
    assert read_metadata(values) is None


def test_codec_ids_announce_tracks() -> None:
    assert announced(videocodecid=7.0, audiocodecid=10.0) == set(MediaType)
    assert announced(videocodecid="avc1") == {MediaType.VIDEO}
    assert announced(videocodecid=0.0, audiocodecid=10.0) == {MediaType.AUDIO}
    assert announced(duration=0.0) == set()


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        (30.0, Fraction(30)),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (12.5, Fraction(25, 2)),
        (0.0, Fraction(0)),
        (-1.0, Fraction(0)),
        (1e9, Fraction(0)),
        (float("nan"), Fraction(0)),
        (float("inf"), Fraction(0)),
        ("30", Fraction(0)),
        (True, Fraction(0)),
        (None, Fraction(0)),
    ],
)
def test_frame_rates_are_hints_and_nonsense_is_none(value: AmfValue, rate: Fraction) -> None:
    for name in ("framerate", "fps"):
        metadata = read_metadata(["onMetaData", {name: value}])
        assert metadata is not None
        assert metadata.frame_rate == rate


def test_hints_complete_a_track_where_its_bits_are_silent() -> None:
    metadata = read_metadata(
        ["onMetaData", {"framerate": 30.0, "videodatarate": 2500.0, "audiodatarate": 128.0}]
    )
    assert metadata is not None
    video, sound = metadata.complete(VIDEO), metadata.complete(SOUND)
    assert (video.frame_rate, video.bitrate) == (30, 2_500_000)
    assert (sound.frame_rate, sound.bitrate) == (0, 128_000)


def test_a_track_that_knows_its_frame_rate_keeps_it() -> None:
    metadata = read_metadata(["onMetaData", {"framerate": 30.0}])
    assert metadata is not None
    known = Track("source", Codec.H264, 90_000, b"", frame_rate=Fraction(25))
    assert metadata.complete(known) is known


def test_impossible_bit_rates_are_no_hints() -> None:
    metadata = read_metadata(["onMetaData", {"videodatarate": 1e300, "audiodatarate": -5.0}])
    assert metadata is not None
    assert (metadata.video_bitrate, metadata.audio_bitrate) == (0, 0)
