"""Reading: our own writing back, other writers' files, and hostile bytes."""

from __future__ import annotations

import dataclasses
import io
import itertools
import random
import struct

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.errors import MediaError
from segmenter.fmp4 import boxes
from segmenter.fmp4.box_tree import MAX_BOXES, records
from segmenter.fmp4.fragment import ProducerReference
from segmenter.fmp4.fragment_records import EventMessage, ProducerTime
from segmenter.fmp4.header_records import Colour, Handler, TrackExtends
from segmenter.fmp4.init_section import write_init_section
from segmenter.fmp4.reader import (
    MAX_DECODE_S,
    MAX_SAMPLES,
    InitTrack,
    read_boxes,
    read_fragments,
    read_init_section,
    read_init_tracks,
)
from segmenter.media import Codec, Sample, Track
from tests.fuzz.targets_fmp4 import TARGETS
from tests.segmenter.fmp4.chunks import write_chunk
from tests.segmenter.fmp4.encodes import PACKAGED

from .encodes import encode, mux
from .test_fragment import VIDEO, video_sample


@pytest.mark.parametrize("codec", PACKAGED)
def test_an_init_section_gives_back_its_track(codec: Codec) -> None:
    track, _ = encode(codec)
    assert read_init_section(write_init_section(track)) == track


@pytest.mark.parametrize("codec", PACKAGED)
def test_fragments_give_back_their_samples(codec: Codec) -> None:
    track, samples = encode(codec)
    data = b"".join(
        write_chunk(track, samples[n : n + 7], n, styp=n == 0) for n in range(0, len(samples), 7)
    )
    assert read_fragments(data, track) == list(samples)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 2**31 - 1),
            st.integers(-(2**31), 2**31 - 1),
            st.booleans(),
            st.binary(max_size=9),
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 2**53),
)
def test_any_run_of_samples_survives_the_round_trip(
    rows: list[tuple[int, int, bool, bytes]], dts: int
) -> None:
    samples = []
    for duration, offset, is_sync, data in rows:
        samples.append(Sample("source", dts, dts + offset, data, is_sync, duration))
        dts += duration
    assert read_fragments(write_chunk(VIDEO, samples, 1), VIDEO) == samples


@pytest.mark.parametrize("language", ["de", "pt-BR", "yue", "zh-Hant", ""])
def test_a_language_survives_whole(language: str) -> None:
    track = dataclasses.replace(VIDEO, language=language)
    assert read_init_section(write_init_section(track)).language == language


def test_a_rate_beyond_16_bits_is_read_from_the_timescale() -> None:
    track = Track("audio", Codec.AAC, 96_000, b"\x10\x10", sample_rate=96_000, channels=2)
    assert read_init_section(write_init_section(track)) == track


def test_vp9_says_its_colours_in_colr_too() -> None:
    record = bytes.fromhex("000a830909090000")  # full range, BT.2020
    track = Track("source", Codec.VP9, 90_000, record, width=64, height=64)
    tree = read_boxes(write_init_section(track))
    assert list(records(tree, Colour)) == [Colour("nclx", 9, 9, 9, True)]


def test_vp9_configuration_may_come_with_version_and_flags() -> None:
    track, _ = encode(Codec.VP9)
    whole = dataclasses.replace(track, codec_config=b"\1\0\0\0" + track.codec_config)
    assert write_init_section(whole) == write_init_section(track)


@pytest.mark.parametrize("utc", [0.0, 1_760_000_000.25, 2_085_978_496.5])
def test_the_producers_clock_survives_also_beyond_2036(utc: float) -> None:
    data = write_chunk(VIDEO, [video_sample(0)], 1, producer_time=ProducerReference(utc, 77))
    assert list(records(read_boxes(data), ProducerTime)) == [ProducerTime(24, 1, utc, 77)]


def test_events_stand_between_prft_and_moof() -> None:
    event = boxes.write_emsg(
        "urn:example:score",
        "1",
        timescale=1000,
        presentation_time=1 << 40,
        duration=5,
        event_id=9,
        message=b"\0{}",
    )
    data = write_chunk(
        VIDEO, [video_sample(0)], 1, styp=True, producer_time=ProducerReference(1.0, 0),
        events=[event, event],
    )  # fmt: skip
    tree = read_boxes(data)
    assert [box.name for box in tree] == ["styp", "prft", "emsg", "emsg", "moof", "mdat"]
    assert next(records(tree, EventMessage)) == EventMessage(
        1, "urn:example:score", "1", 1000, 1 << 40, 5, 9, b"\0{}"
    )


def test_the_tree_says_where_boxes_are_and_what_is_in_them() -> None:
    data = write_init_section(VIDEO)
    ftyp, moov = read_boxes(data)
    assert (ftyp.offset, ftyp.end, moov.end) == (0, moov.offset, len(data))
    assert ftyp.fields == {
        "major": "iso6", "minor_version": 0, "compatible": ("iso6", "cmfc", "cmf2"),
    }  # fmt: skip
    assert next(records([moov], Handler)) == Handler("vide", "video")


MUXER_FLAGS = {
    "default base is moof": "frag_keyframe+empty_moov+default_base_moof",
    "base data offset": "frag_keyframe+empty_moov",
    "neither": "frag_keyframe+empty_moov+omit_tfhd_offset",
    "one run per sample": "frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets",
    "CMAF": "frag_keyframe+empty_moov+cmaf",
    "edit list": "frag_keyframe+delay_moov+default_base_moof",
    "sidx": "frag_keyframe+delay_moov+dash",
}


@pytest.mark.parametrize("flags", MUXER_FLAGS.values(), ids=MUXER_FLAGS.keys())
def test_ffmpegs_fragments_are_read_as_ffmpeg_reads_them(flags: str) -> None:
    data = mux((Codec.H264, Codec.AAC), flags)
    tracks = read_init_tracks(data)
    assert [track.track.codec for track in tracks] == [Codec.H264, Codec.AAC]
    for index, track in enumerate(tracks):
        ours = [(s.dts, s.pts, s.data, s.is_sync) for s in read_fragments(data, track)]
        theirs = packets_of(data, index)
        assert [row[2:] for row in ours] == [row[2:] for row in theirs]
        # FFmpeg moves all pts of a track with negative offsets by one constant.
        assert len({a[1] - b[1] for a, b in zip(ours, theirs, strict=True)}) == 1
        assert steps(row[0] for row in ours) == steps(row[0] for row in theirs)


def test_the_edit_list_moves_the_first_picture_to_zero() -> None:
    data = mux((Codec.H264, Codec.AAC), MUXER_FLAGS["edit list"])
    video = read_init_tracks(data)[0]
    assert video.edit_shift < 0
    assert min(sample.pts for sample in read_fragments(data, video)) == 0


def steps(times: object) -> list[int]:
    values = list(times)  # type: ignore[call-overload]
    return [later - sooner for sooner, later in itertools.pairwise(values)]


def packets_of(data: bytes, index: int) -> list[tuple[int, int, bytes, bool]]:
    with av.open(io.BytesIO(data)) as container:
        return [
            (packet.dts, packet.pts, bytes(packet), packet.is_keyframe)
            for packet in container.demux(container.streams[index])
            if packet.dts is not None
        ]


def box(name: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(payload), name) + payload


def trun(flags: int, count: int, *words: int) -> bytes:
    return box(b"trun", struct.pack(f">II{len(words)}I", 1 << 24 | flags, count, *words))


def moof(*truns: bytes, tfhd: bytes = b"", track_id: int = 1, at: int = 1000) -> bytes:
    head = tfhd or struct.pack(">II", 0x020000, track_id)
    tfdt = box(b"tfdt", struct.pack(">IQ", 1 << 24, at))
    return box(b"moof", box(b"traf", box(b"tfhd", head) + tfdt + b"".join(truns)))


def test_what_a_fragment_leaves_out_comes_from_the_init_section() -> None:
    init = InitTrack(VIDEO, 1, TrackExtends(1, 1, 40, 2, 0x10000))
    head = moof(trun(0x5, 3, 0, 0x2000000))
    data = moof(trun(0x5, 3, len(head) + 8, 0x2000000)) + box(b"mdat", b"aabbcc")
    assert [(s.dts, s.data, s.is_sync, s.duration) for s in read_fragments(data, init)] == [
        (1000, b"aa", True, 40),
        (1040, b"bb", False, 40),
        (1080, b"cc", False, 40),
    ]


def test_a_run_without_offset_follows_on_the_one_before() -> None:
    runs = (0x301, 1, 0, 10, 2), (0x300, 1, 20, 3)
    size = len(moof(*(trun(*run) for run in runs)))
    first, second = runs
    data = moof(trun(*first[:2], size + 8, *first[3:]), trun(*second)) + box(b"mdat", b"aabbb")
    assert [(s.dts, s.data) for s in read_fragments(data, VIDEO)] == [(1000, b"aa"), (1010, b"bbb")]


def test_other_tracks_are_skipped_by_their_id() -> None:
    data = b"".join(
        moof(trun(0x301, 1, len(moof(trun(0x301, 1, 0, 0, 0))) + 8, 10, 1), track_id=track_id)
        + box(b"mdat", bytes([track_id]))
        for track_id in (1, 2)
    )
    # data_offset counts from its own moof.
    init = InitTrack(VIDEO, 2, TrackExtends(2, 1, 0, 0, 0))
    assert [sample.data for sample in read_fragments(data, init)] == [b"\2"]
    with pytest.raises(MediaError, match="mixed"):
        read_fragments(data, VIDEO)


@pytest.mark.parametrize("length_bytes", [1, 2])
def test_short_nal_lengths_become_four_bytes(length_bytes: int) -> None:
    config = bytes((1, 0x42, 0, 0x1E, 0xFC | length_bytes - 1, 0xE0, 0))
    track = dataclasses.replace(VIDEO, codec_config=config)
    (init,) = read_init_tracks(write_init_section(track))
    assert init.nal_length_bytes == length_bytes
    assert init.track.codec_config[4] == 0xFF
    data = b"".join(len(nal).to_bytes(length_bytes) + nal for nal in (b"abc", b"", b"de"))
    fragment = write_chunk(track, [video_sample(0), video_sample(3000, data=data)][1:], 1)
    assert read_fragments(fragment, init)[0].data == b"\0\0\0\3abc" + bytes(4) + b"\0\0\0\2de"


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0",
        b"\0\0\0\7free",
        b"\0\0\0\x09free",
        b"\0\0\0\1mdat\0\0\0\0",
        struct.pack(">I4sQ", 1, b"mdat", 15),
        struct.pack(">I4sQ", 1, b"mdat", 1 << 63),
        box(b"moov", box(b"mvhd")),
        box(b"stsd", b"\0"),
        trun(0x100, 1 << 30),
        box(b"elst", struct.pack(">II", 0, 1 << 31)),
        box(b"esds", bytes(4) + b"\4\1\0"),
    ],
    ids=lambda data: data[:24].hex(),
)
def test_broken_boxes_are_media_errors(data: bytes) -> None:
    with pytest.raises(MediaError):
        read_boxes(data)


def test_nesting_is_bounded() -> None:
    data = b""
    for _ in range(500):
        data = box(b"moov", data)
    with pytest.raises(MediaError, match="nest deeper"):
        read_boxes(data)


def test_the_number_of_boxes_is_bounded() -> None:
    with pytest.raises(MediaError, match="more than"):
        read_boxes(box(b"free") * (MAX_BOXES + 1))


def test_a_claim_of_countless_samples_is_refused() -> None:
    with pytest.raises(MediaError, match=f"more than {MAX_SAMPLES}"):
        read_fragments(moof(trun(0, 0xFFFF_FFFF)), VIDEO)


def test_runs_that_repeat_the_same_bytes_cannot_outgrow_the_data() -> None:
    data = moof(*[trun(0x201, 1, 0, 1000)] * 100)
    with pytest.raises(MediaError, match="outside the data"):
        read_fragments(data, VIDEO)


@pytest.mark.parametrize("at", [1 << 63, (1 << 64) - 1, MAX_DECODE_S * VIDEO.timescale])
def test_a_decode_time_beyond_all_calendars_is_refused(at: int) -> None:
    """Also one that would fit, but no longer when it is counted in another timescale."""
    with pytest.raises(MediaError, match="decode time"):
        read_fragments(moof(trun(0x201, 1, 0, 1), at=at), VIDEO)


def test_samples_outside_the_data_are_refused() -> None:
    with pytest.raises(MediaError, match="outside the data"):
        read_fragments(moof(trun(0x201, 1, 0xFFFF_FF00, 5)), VIDEO)
    with pytest.raises(MediaError, match="outside the data"):
        read_fragments(moof(trun(0x201, 1, 8, 5000)), VIDEO)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.AAC])
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_damaged_files_raise_nothing_but_media_errors(target: object, codec: Codec) -> None:
    track, samples = encode(codec)
    whole = write_init_section(track) + write_chunk(
        track, samples[:3], 1, styp=True, producer_time=ProducerReference(1.0, 0)
    )
    dice = random.Random(f"{codec}")
    for _ in range(300):
        data = bytearray(whole[: 1500 if dice.random() < 0.9 else dice.randrange(len(whole))])
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF))
        target(bytes(data))  # type: ignore[operator]


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_noise_raises_nothing_but_media_errors(data: bytes) -> None:
    for target in TARGETS.values():
        target(data)
