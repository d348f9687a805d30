"""The CMAF checks pass what we write and name what each fault breaks."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import pytest

from segmenter.fmp4.checks import check_init, check_segment, check_switching_set
from segmenter.fmp4.fragment import ProducerReference
from segmenter.fmp4.init_section import write_init_section
from segmenter.fmp4.reader import read_init_tracks
from segmenter.media import Codec, Sample
from tests.segmenter.fmp4.chunks import write_chunk
from tests.segmenter.fmp4.encodes import PACKAGED

from .encodes import encode, mux
from .test_fragment import VIDEO, video_sample

SAMPLES = [video_sample(n * 3000, is_sync=n == 0) for n in range(6)]


def segment(samples: Sequence[Sample] = SAMPLES, *, first: int = 1) -> bytes:
    """Two parts of three samples each."""
    start = write_chunk(VIDEO, samples[:3], first, styp=True, producer_time=REFERENCE)
    return start + write_chunk(VIDEO, samples[3:], first + 1)


REFERENCE = ProducerReference(1.0, 0)


@pytest.mark.parametrize("codec", PACKAGED)
def test_what_we_write_passes(codec: Codec) -> None:
    track, samples = encode(codec)
    assert check_init(write_init_section(track)) == []
    parts = [
        write_chunk(track, samples[n : n + 5], n, styp=n == 0) for n in range(0, len(samples), 5)
    ]
    assert check_segment(b"".join(parts), track) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (b"ftyp", b"fty_", "C1: the header does not begin with ftyp"),
        (b"cmfccmf2", b"isomisom", "C1: ftyp names neither cmfc nor cmf2"),
        (b"iso6", b"iso4", "C1: ftyp does not name the structural brand iso6"),
        (b"mvex", b"free", "C1: trex for tracks [], tkhd says 1"),
        (b"trak", b"free", "C1: 0 tracks"),
        (b"moov", b"free", "C1: "),
        (b"stsd", b"free", "C1: "),
        (b"stts" + bytes(8), b"stts" + bytes(7) + b"\1", "sample table holds samples"),
        (b"avc1", b"avc3", "C1: avc3"),
        (b"\0\1\x5f\x90" + bytes(4) + b"\x55\xc4", bytes(8) + b"\x55\xc4", "timescale 0"),
    ],
)
def test_each_fault_of_a_header_is_named(old: bytes, new: bytes, finding: str) -> None:
    data = write_init_section(VIDEO)
    assert old in data
    assert any(finding in line for line in check_init(data.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (b"cmfscmffcmfl", b"msdhmsdhmsdh", ""),
        (b"mfhd" + bytes(7) + b"\2", b"mfhd" + bytes(7) + b"\1", "C2: .*not increasing"),
        (b"tfdt", b"free", "C2: unreadable"),
        (b"tfhd\0\2", b"tfhd\0\0", "C2: .*not relative to the moof"),
        (b"prft", b"mdat", "C2: mdat at 32 follows styp"),
        (b"prft", b"xxxx", "C2: xxxx at 32 does not belong"),
        (b"\0\0\x23\x28\0\0\0", b"\0\0\x23\x29\0\0\0", "C2: .*tfdt 9001, earlier durations give"),
        (b"\0\0\x0b\xb8", b"\0\0\0\0", "C2: .*without duration"),
    ],
)
def test_each_fault_of_a_segment_is_named(old: bytes, new: bytes, finding: str) -> None:
    data = segment()
    assert old in data
    lines = check_segment(data.replace(old, new), VIDEO)
    assert any(re.match(finding, line) for line in lines) if finding else lines == []


def test_a_styp_without_cmaf_brands_is_named() -> None:
    data = segment().replace(b"cmf", b"dmf")
    assert any("C3: styp" in line for line in check_segment(data, VIDEO))


def test_a_segment_must_begin_with_a_sync_sample_and_a_part_need_not() -> None:
    data = write_chunk(VIDEO, SAMPLES[1:], 1)
    assert check_segment(data, VIDEO) == ["C3: the segment does not begin with a sync sample"]
    assert check_segment(data, VIDEO, is_part=True) == []


def test_the_first_sample_must_be_presented_first() -> None:
    samples = [dataclasses.replace(SAMPLES[0], pts=6000), *SAMPLES[1:]]
    lines = check_segment(segment(samples), VIDEO)
    assert lines == ["C4: the first sample is presented at 6000, another at 3000"]


def test_data_that_no_sample_covers_is_named() -> None:
    data = write_chunk(VIDEO, SAMPLES, 1)
    longer = data.replace(b"\0\0\0\x44mdat", b"\0\0\0\x45mdat") + b"x"
    assert len(check_segment(longer, VIDEO)) == 1
    assert "samples end at" in check_segment(longer, VIDEO)[0]


def test_a_cut_segment_is_named() -> None:
    assert "C2: unreadable" in check_segment(segment()[:-1], VIDEO)[0]
    assert check_segment(b"", VIDEO) == ["C2: no moof", "C2: no samples"]


def test_ffmpegs_multiplexed_file_is_not_cmaf() -> None:
    data = mux((Codec.H264, Codec.AAC), "frag_keyframe+empty_moov+default_base_moof")
    assert "C1: 2 tracks in the file; CMAF has one" in check_init(data)
    video, _ = read_init_tracks(data)
    assert any("belong in a segment" in line for line in check_segment(data, video))


def test_ffmpegs_cmaf_passes() -> None:
    data = mux((Codec.H264,), "frag_keyframe+delay_moov+cmaf+negative_cts_offsets+skip_trailer")
    cut = data.index(b"moof") - 4
    assert check_init(data[:cut]) == []
    (track,) = read_init_tracks(data[:cut])
    assert check_segment(data[cut:], track) == []


def test_a_switching_set_shares_timescale_codec_and_boundaries() -> None:
    same = (VIDEO, segment())
    assert check_switching_set({"720p": same, "360p": same}) == []
    later = [dataclasses.replace(s, dts=s.dts + 1, pts=s.pts + 1) for s in SAMPLES]
    other = dataclasses.replace(VIDEO, timescale=1000)
    assert check_switching_set({"720p": same, "360p": (other, segment(later))}) == [
        "C5: timescale of 360p is 1000, of 720p 90000",
        "C5: first dts of 360p is 1, of 720p 0",
        "C5: end of 360p is 18001, of 720p 18000",
    ]
