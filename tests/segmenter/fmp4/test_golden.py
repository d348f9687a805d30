"""The bytes of every init section and of fragments, frozen: a change must be meant."""

from __future__ import annotations

from fractions import Fraction

import pytest

from segmenter.fmp4.box_text import render_boxes
from segmenter.fmp4.fragment import ProducerReference
from segmenter.fmp4.init_section import write_init_section
from segmenter.fmp4.reader import read_boxes, read_fragments, read_init_section
from segmenter.media import Codec, Sample, Track
from tests.conftest import Golden
from tests.segmenter.fmp4.chunks import write_chunk
from tests.segmenter.fmp4.encodes import PACKAGED

EPOCH_S = 1_760_000_000

# Configurations as encoders gave them, kept as bytes so that no encoder's release moves a file.
CONFIGS = {
    Codec.H264: "0164001fffe100196764001facd9405005ba10000003001000000303c0f183196001000468ef8fcb"
    "fdf8f800",
    Codec.H265: "0101600000009000000000005df000fcfdf8f800000f03a00001001840010c01ffff016000000300"
    "90000003000003005d959409a10001002a42010101600000030090000003000003005da00280802d165959529"
    "30b9a020000030002000003003c10a2000100064401c073c189",
    Codec.AV1: "81050c000a0b0000002d4cffb3c4af9004",
    Codec.VP9: "001f820202020000",
    Codec.AAC: "1190",
    Codec.OPUS: "000201380000bb80000000",
}


def track_of(codec: Codec) -> Track:
    config = bytes.fromhex(CONFIGS[codec])
    if codec in (Codec.AAC, Codec.OPUS):
        return Track(
            "audio", codec, 48_000, config,
            sample_rate=48_000, channels=2, bitrate=128_000, language="pt-BR",
        )  # fmt: skip
    return Track(
        "720p", codec, 90_000, config,
        width=1280, height=720, frame_rate=Fraction(30), bitrate=3_000_000,
    )  # fmt: skip


def samples_of(track: Track) -> list[Sample]:
    """A key frame with B-frames after it, or four frames of audio, at the size of real times."""
    if track.codec in (Codec.AAC, Codec.OPUS):
        ticks = 1024 if track.codec is Codec.AAC else 960
        start = EPOCH_S * 48_000
        return [
            Sample(track.name, start + n * ticks, start + n * ticks, bytes([n]) * 3, True, ticks)
            for n in range(4)
        ]
    start = EPOCH_S * 90_000
    shown = (0, 3, 1, 2)
    return [
        Sample(track.name, start + n * 3000, start + shown[n] * 3000, bytes([n]) * (5 + n), n == 0,
               3000)
        for n in range(4)
    ]  # fmt: skip


def dump(data: bytes) -> str:
    """The tree for the reader and the bytes for the diff."""
    lines = (data[n : n + 16].hex(" ", 4) for n in range(0, len(data), 16))
    return render_boxes(read_boxes(data)) + "\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("codec", PACKAGED)
def test_an_init_section_is_byte_for_byte_the_golden_one(codec: Codec, golden: Golden) -> None:
    golden(f"init_{codec.value}.txt", dump(write_init_section(track_of(codec))))


@pytest.mark.parametrize("codec", PACKAGED)
def test_a_fragment_is_byte_for_byte_the_golden_one(codec: Codec, golden: Golden) -> None:
    track = track_of(codec)
    samples = samples_of(track)
    reference = ProducerReference(EPOCH_S + 0.5, samples[0].pts)
    data = write_chunk(track, samples, 7, styp=True, producer_time=reference)
    golden(f"fragment_{codec.value}.txt", dump(data))


@pytest.mark.parametrize("codec", PACKAGED)
def test_the_golden_bytes_read_back_as_what_was_meant(codec: Codec) -> None:
    track = track_of(codec)
    samples = samples_of(track)
    again = read_init_section(write_init_section(track))
    assert (again.codec, again.timescale, again.codec_config) == (
        track.codec, track.timescale, track.codec_config,
    )  # fmt: skip
    assert (again.width, again.height, again.language) == (
        track.width, track.height, track.language,
    )  # fmt: skip
    fragment = write_chunk(track, samples, 7, styp=True)
    assert [(s.dts, s.pts, s.data, s.is_sync) for s in read_fragments(fragment, again)] == [
        (s.dts, s.pts, s.data, s.is_sync) for s in samples
    ]
