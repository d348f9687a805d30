"""ISO/IEC 23000-19 on what the presentation hands out: one test for each demand that applies.

C1 header, C2 chunks, C3 random access and brands, C4 composition, C5 switching sets. C6 is about
encryption, which there is none of.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import itertools

import av
import pytest

from segmenter.fmp4.box_tree import Box, records
from segmenter.fmp4.checks import check_init, check_segment, check_switching_set
from segmenter.fmp4.fragment_records import (
    DecodeTime,
    MovieFragmentHeader,
    ProducerTime,
    TrackFragmentHeader,
    TrackRun,
)
from segmenter.fmp4.header_records import Brands, EditList
from segmenter.fmp4.reader import read_boxes, read_fragments
from segmenter.media import Codec, Sample, Track
from segmenter.presentation import Presentation, PresentationSettings
from segmenter.segment import InitReady, PartReady, SegmentReady

from .encodes import EPOCH_S, encode

RUNGS = ("source", "720p")


@dataclasses.dataclass
class Output:
    """What one rendition handed out."""

    track: Track
    init: bytes = b""
    parts: list[bytes] = dataclasses.field(default_factory=list)
    segments: list[bytes] = dataclasses.field(default_factory=list)


@functools.cache
def outputs() -> dict[str, Output]:
    """Two rungs of the same 25 fps video with B-frames, and AAC, cut every 0.6 s, parts 0.2 s."""
    video, pictures = encode(Codec.H264)
    audio, sounds = encode(Codec.AAC)
    tracks = [dataclasses.replace(video, name=name) for name in RUNGS] + [audio]
    samples = [dataclasses.replace(sample, track=name) for name in RUNGS for sample in pictures]
    samples = [dataclasses.replace(s, captured_utc=EPOCH_S + 1.0) for s in (*samples, *sounds)]
    timescales = {track.name: track.timescale for track in tracks}
    presentation = Presentation(PresentationSettings(segment_duration_s=0.6, part_duration_s=0.2))
    events = presentation.start(tracks)
    for sample in sorted(samples, key=lambda s: s.dts / timescales[s.track]):
        events += presentation.push(sample, EPOCH_S + 2.0)
    events += presentation.end(EPOCH_S + 3.0)
    found = {track.name: Output(track) for track in tracks}
    for event in events:
        if isinstance(event, InitReady):
            found[event.rendition].init = event.init.data
        elif isinstance(event, PartReady):
            found[event.rendition].parts.append(event.data)
        elif isinstance(event, SegmentReady) and not event.segment.is_gap:
            count, size = len(event.segment.parts), event.segment.size_bytes
            segment = b"".join(found[event.rendition].parts[-count:])
            assert len(segment) == size
            found[event.rendition].segments.append(segment)
    return found


NAMES = (*RUNGS, "audio")


def chunks(name: str) -> list[list[Box]]:
    """The boxes of each part."""
    return [read_boxes(part) for part in outputs()[name].parts]


def samples_of(data: bytes, name: str) -> list[Sample]:
    return read_fragments(data, outputs()[name].track)


@pytest.mark.parametrize("name", NAMES)
def test_there_is_something_to_judge(name: str) -> None:
    assert (
        len(outputs()[name].parts) > len(outputs()[name].segments) >= (1 if name == "audio" else 2)
    )


@pytest.mark.parametrize("name", NAMES)
def test_c1_the_header_names_cmfc_and_iso6_and_holds_one_track(name: str) -> None:
    ftyp, moov = read_boxes(outputs()[name].init)
    assert isinstance(ftyp.record, Brands)
    assert {"iso6", "cmfc"} <= set(ftyp.record.compatible)
    assert len(moov.children_named("trak")) == 1
    assert check_init(outputs()[name].init) == []


@pytest.mark.parametrize("name", NAMES)
def test_c2_a_chunk_is_styp_prft_moof_mdat_with_one_traf(name: str) -> None:
    for boxes in chunks(name):
        names = [box.name for box in boxes]
        assert names in (["styp", "prft", "moof", "mdat"], ["moof", "mdat"])
        assert len(boxes[-2].children_named("traf")) == 1


@pytest.mark.parametrize("name", NAMES)
def test_c2_tfdt_is_the_sum_of_the_durations_before_it(name: str) -> None:
    due = None
    for boxes, part in zip(chunks(name), outputs()[name].parts, strict=True):
        (time,) = records(boxes, DecodeTime)
        assert time.version == 1
        assert due in (None, time.base_media_decode_time)
        last = samples_of(part, name)[-1]
        due = last.dts + last.duration


@pytest.mark.parametrize("name", NAMES)
def test_c2_mfhd_increases_over_all_chunks(name: str) -> None:
    numbers = [next(records(boxes, MovieFragmentHeader)).sequence_number for boxes in chunks(name)]
    assert all(earlier < later for earlier, later in itertools.pairwise(numbers))


@pytest.mark.parametrize("name", NAMES)
def test_c2_data_offsets_count_from_the_moof_and_samples_fill_the_mdat(name: str) -> None:
    for boxes, part in zip(chunks(name), outputs()[name].parts, strict=True):
        moof, mdat = boxes[-2:]
        assert next(records([moof], TrackFragmentHeader)).base_is_moof
        (run,) = records([moof], TrackRun)
        assert run.data_offset == mdat.payload_offset - moof.offset
        assert sum(len(s.data) for s in samples_of(part, name)) == mdat.end - mdat.payload_offset


@pytest.mark.parametrize("name", NAMES)
def test_c2_a_segment_is_its_parts_one_after_the_other(name: str) -> None:
    assert b"".join(outputs()[name].parts) == b"".join(outputs()[name].segments)


@pytest.mark.parametrize("name", NAMES)
def test_c3_a_segment_begins_with_a_sync_sample_and_a_styp_of_cmaf(name: str) -> None:
    for segment in outputs()[name].segments:
        boxes = read_boxes(segment)
        assert boxes[0].name == "styp"
        assert isinstance(boxes[0].record, Brands)
        assert {"cmfs", "cmff", "cmfl"} <= set(boxes[0].record.compatible)
        assert samples_of(segment, name)[0].is_sync
        assert check_segment(segment, outputs()[name].track) == []


@pytest.mark.parametrize("name", NAMES)
def test_c4_signed_offsets_and_no_edit_list(name: str) -> None:
    assert not list(records(read_boxes(outputs()[name].init), EditList))
    for boxes in chunks(name):
        assert all(run.version == 1 for run in records(boxes, TrackRun))


@pytest.mark.parametrize("name", NAMES)
def test_c4_the_first_sample_of_a_segment_is_presented_first_and_at_its_tfdt(name: str) -> None:
    for segment in outputs()[name].segments:
        samples = samples_of(segment, name)
        (time, *_) = records(read_boxes(segment), DecodeTime)
        assert samples[0].pts == min(s.pts for s in samples) == time.base_media_decode_time


def test_c5_the_rungs_can_be_switched_at_every_segment() -> None:
    first, second = (outputs()[name] for name in RUNGS)
    assert len(first.segments) == len(second.segments)
    for pair in zip(first.segments, second.segments, strict=True):
        assert check_switching_set(
            {o.track.name: (o.track, d) for o, d in zip((first, second), pair, strict=True)}
        ) == []  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_segment_says_when_its_first_sample_was_captured(name: str) -> None:
    for segment in outputs()[name].segments:
        (clock,) = records(read_boxes(segment), ProducerTime)
        assert clock.utc == EPOCH_S + 1.0
        assert clock.media_time == samples_of(segment, name)[0].pts


@pytest.mark.parametrize("name", NAMES)
def test_ffmpeg_reads_init_and_segments_as_one_file(name: str) -> None:
    output = outputs()[name]
    expected = [(s.dts, s.data) for d in output.segments for s in samples_of(d, name)]
    with av.open(io.BytesIO(output.init + b"".join(output.segments))) as container:
        packets = [p for p in container.demux(container.streams[0]) if p.dts is not None]
    assert [(packet.dts, bytes(packet)) for packet in packets] == expected
