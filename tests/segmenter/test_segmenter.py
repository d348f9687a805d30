"""Parts and segments of one track: their cuts, their bytes, and what another reader finds."""

from __future__ import annotations

import dataclasses
import io
import itertools
from fractions import Fraction

import av
import pytest

from segmenter.boundary import Boundary
from segmenter.errors import UsageError
from segmenter.fmp4.reader import read_boxes, read_fragments
from segmenter.media import Codec, Sample
from segmenter.presentation import PresentationSettings
from segmenter.segment import InitSection, Part, PartReady, SegmentReady
from segmenter.segmenter import MOST_MISSED_PARTS, TrackSegmenter
from tests.segmenter.fmp4.encodes import encode
from tests.segmenter.stage import AUDIO, SOURCE, Stage, audio, video


def parts(stage: Stage, name: str = "source") -> list[Part]:
    return [e.part for e in stage.events if isinstance(e, PartReady) and e.rendition == name]


@pytest.mark.parametrize(
    ("fps", "frames"), [(Fraction(30), 6), (Fraction(24), 5), (Fraction(25), 5), (Fraction(60), 12)]
)
def test_a_part_is_as_many_whole_frames_as_fit(fps: Fraction, frames: int) -> None:
    stage = Stage(dataclasses.replace(SOURCE, frame_rate=fps))
    stage.push(video(fps=fps, gop=int(2 * fps)))
    counts = {part.sample_count for part in parts(stage)}
    assert frames in counts
    assert max(counts) == frames


@pytest.mark.parametrize("name", ["source", "audio"])
def test_h12_parts_are_at_most_the_target_and_at_least_85_percent_of_it(name: str) -> None:
    stage = Stage(SOURCE, AUDIO)
    stage.push(video(seconds=20), audio(seconds=20))
    target_s = stage.presentation.renditions[name].part_target_s
    for part, following in itertools.pairwise(parts(stage, name)):
        assert part.duration / part.timescale <= target_s
        if following.msn == part.msn and not part.is_independent:
            assert part.duration / part.timescale >= 0.85 * target_s


def test_h12_parts_are_cut_by_decoding_times_whatever_is_shown_first() -> None:
    plain, reordered = Stage(SOURCE), Stage(SOURCE)
    frames = video(seconds=20)
    plain.push(frames)
    shown_later = itertools.cycle([2, -1, -1])  # two B-frames behind each P-frame
    reordered.push(
        f if f.is_sync else dataclasses.replace(f, pts=f.dts + 3_000 * next(shown_later))
        for f in frames
    )
    cuts = [(part.name, part.start, part.duration) for part in parts(reordered)]
    assert cuts == [(part.name, part.start, part.duration) for part in parts(plain)]


def test_frames_of_whole_milliseconds_make_even_parts() -> None:
    stage = Stage(SOURCE)
    rounded = [
        dataclasses.replace(s, dts=(ms := s.dts // 90) * 90, pts=ms * 90, duration=0)
        for s in video(seconds=20)
    ]
    stage.push(rounded)
    assert {part.sample_count for part in parts(stage)[:-1]} == {6}


def test_h13_a_segment_is_the_concatenation_of_its_parts() -> None:
    stage = Stage(SOURCE, AUDIO)
    stage.push(video(), audio())
    for name in ("source", "audio"):
        for segment in stage.segments[name]:
            announced = stage.parts_of(name, segment.msn)
            assert [part.size_bytes for part in segment.parts] == [len(data) for data in announced]
            assert sum(map(len, announced)) == segment.size_bytes
            assert [part.offset_bytes for part in segment.parts] == [
                sum(map(len, announced[:index])) for index in range(len(announced))
            ]
            assert sum(part.duration for part in segment.parts) == segment.duration
            assert [part.index for part in segment.parts] == list(range(len(segment.parts)))


def test_h17_parts_that_begin_with_a_key_frame_say_so() -> None:
    stage = Stage(SOURCE)
    stage.push(video(gop=30))
    assert [part.is_independent for part in stage.segments["source"][0].parts] == [
        index % 5 == 0 for index in range(10)
    ]


def test_without_parts_a_segment_is_one_fragment() -> None:
    stage = Stage(SOURCE, settings=PresentationSettings(part_duration_s=0))
    stage.push(video())
    boxes = [box.name for box in read_boxes(stage.data["source", stage.segments["source"][0].name])]
    assert boxes == ["styp", "moof", "mdat"]


def test_without_parts_the_one_fragment_of_a_segment_is_announced_but_not_listed() -> None:
    stage = Stage(SOURCE, settings=PresentationSettings(part_duration_s=0))
    stage.push(video())
    for segment in stage.segments["source"]:
        (data,) = stage.parts_of("source", segment.msn)
        assert (segment.parts, segment.size_bytes) == ((), len(data))
    rendition = stage.presentation.renditions["source"]
    assert (list(rendition.open_parts), rendition.part_target_s) == ([], 0.0)


def test_payloads_travel_uncopied() -> None:
    stage = Stage(SOURCE, settings=PresentationSettings(part_duration_s=0.2))
    samples = video(seconds=1)
    events = stage.push(samples)
    pieces = [piece for event in events if isinstance(event, PartReady) for piece in event.pieces]
    payloads = [id(sample.data) for sample in samples]
    assert [id(piece) for piece in pieces if id(piece) in payloads] == payloads[: 6 * 5]


def test_with_parts_only_the_first_fragment_begins_with_styp() -> None:
    stage = Stage(SOURCE)
    stage.push(video())
    boxes = [box.name for box in read_boxes(stage.data["source", stage.segments["source"][0].name])]
    assert boxes == ["styp"] + ["moof", "mdat"] * 10


def test_the_capture_time_is_told_with_each_segment() -> None:
    stage = Stage(SOURCE)
    stage.push([dataclasses.replace(s, captured_utc=1.8e9) for s in video()])
    boxes = [box.name for box in read_boxes(stage.data["source", stage.segments["source"][0].name])]
    assert boxes[:3] == ["styp", "prft", "moof"]


def test_c5_segments_of_all_rungs_begin_at_the_same_decode_time() -> None:
    rung = dataclasses.replace(SOURCE, name="720p")
    stage = Stage(SOURCE, rung)
    stage.push(video(), video(rung))
    for ours, theirs in zip(stage.segments["source"], stage.segments["720p"], strict=True):
        first = read_fragments(stage.data["source", ours.name], SOURCE)[0]
        other = read_fragments(stage.data["720p", theirs.name], rung)[0]
        assert first.dts == other.dts == ours.start


def test_impossible_durations_are_the_callers_mistake() -> None:
    with pytest.raises(UsageError):
        Stage(SOURCE, settings=PresentationSettings(segment_duration_s=0))


@pytest.mark.parametrize("codec", [Codec.H264, Codec.AAC])
def test_another_reader_finds_the_packets_that_were_pushed(codec: Codec) -> None:
    track, samples = encode(codec)
    stage = Stage(track, settings=PresentationSettings(segment_duration_s=0.5))
    stage.now = samples[0].dts / track.timescale
    for sample in samples:
        stage._record(stage.presentation.push(sample, stage.now))
    stage.end()
    segments = stage.segments[track.name]
    init = segments[0].init.data
    data = init + b"".join(stage.data[track.name, segment.name] for segment in segments)
    with av.open(io.BytesIO(data)) as container:
        found = [
            (packet.dts, packet.pts, bytes(packet))
            for packet in container.demux(container.streams[0])
            if packet.dts is not None
        ]
    # Of signed composition offsets libav makes unsigned ones: all pts are later by the lowest.
    shift = max(sample.dts - sample.pts for sample in samples)
    assert found == [(sample.dts, sample.pts + shift, sample.data) for sample in samples]


def test_c3_each_segment_decodes_alone_after_its_init_section() -> None:
    track, samples = encode(Codec.H264)
    stage = Stage(track, settings=PresentationSettings(segment_duration_s=0.5))
    for sample in samples:
        stage._record(stage.presentation.push(sample, 1.8e9))
    stage.end()
    assert len(stage.segments[track.name]) == 2
    for segment in stage.segments[track.name]:
        data = segment.init.data + stage.data[track.name, segment.name]
        with av.open(io.BytesIO(data)) as container:
            assert len(list(container.decode(video=0))) == segment.sample_count


INIT = InitSection("init-1.mp4", b"init", SOURCE, "avc1.42c01f")


def boundary(time: int) -> Boundary:
    return Boundary(1, time, 90_000, 0, is_break=False, previous_end=time)


@pytest.mark.parametrize("duration", [0, 3000])
@pytest.mark.parametrize("fps", [0, 1, 30])
def test_a_lone_frame_is_a_part_of_some_length_and_what_it_stands_beyond_is_missing(
    fps: int, duration: int
) -> None:
    track = dataclasses.replace(SOURCE, frame_rate=Fraction(fps))
    segmenter = TrackSegmenter(track, INIT, 0.2)
    first, *_ = video(seconds=1)
    segmenter.open(boundary(first.dts), first.dts, follows=False)
    segmenter.push(dataclasses.replace(first, duration=duration))
    (*_, ready) = segmenter.close(first.dts + 90_000)
    assert isinstance(ready, SegmentReady)
    parts = ready.segment.parts
    longest = segmenter.part_target_ms * 90
    assert all(0 < part.duration <= longest for part in parts)
    assert sum(part.duration for part in parts) == ready.segment.duration == 90_000


def test_parts_are_no_shorter_than_a_tick_of_whatever_comes_back() -> None:
    slow = dataclasses.replace(AUDIO, timescale=4, sample_rate=4)
    segmenter = TrackSegmenter(slow, INIT, 0.2, part_target_ms=216)
    segmenter.open(Boundary(1, 0, 4, 0, is_break=False, previous_end=0), 0, follows=False)
    segmenter.push(Sample("audio", 0, 0, b"x", True, 1024))
    (*_, ready) = segmenter.close(1024 + 700)
    assert isinstance(ready, SegmentReady)
    assert all(part.duration > 0 for part in ready.segment.parts)


def test_without_parts_none_are_told_as_missing() -> None:
    segmenter = TrackSegmenter(SOURCE, INIT, 0.0)
    first, *_ = video(seconds=1)
    segmenter.open(boundary(first.dts), first.dts, follows=False)
    segmenter.push(first)
    (*_, ready) = segmenter.close(first.dts + 90_000)
    assert isinstance(ready, SegmentReady)
    assert ready.segment.parts == ()


def test_frames_as_long_as_a_segment_are_parts_as_long_as_it() -> None:
    stage = Stage(slow := dataclasses.replace(SOURCE, frame_rate=Fraction(1, 2)))
    frames = video(slow, fps=Fraction(1, 2), gop=1, seconds=20)
    stage.push([dataclasses.replace(frame, duration=0) for frame in frames])
    assert stage.presentation.renditions["source"].part_target_s == 2.004
    made = [segment.parts for segment in stage.segments["source"]]
    assert len(made) > 5
    assert {(part.duration, part.is_gap) for parts in made for part in parts} == {(180_000, False)}


def test_what_is_told_as_missing_is_bounded() -> None:
    segmenter = TrackSegmenter(SOURCE, INIT, 0.2)
    segmenter.open(boundary(video()[0].dts), video()[0].dts, follows=False)
    for sample in video(seconds=1):
        segmenter.push(sample)
    (*_, ready) = segmenter.close(video()[0].dts + 3600 * 90_000)
    assert isinstance(ready, SegmentReady)
    assert len(ready.segment.parts) <= MOST_MISSED_PARTS + 10
