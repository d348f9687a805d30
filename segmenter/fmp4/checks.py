"""What CMAF (ISO/IEC 23000-19) demands of a header and a segment, each as a line of text.

The lines begin with the rule: C1 header, C2 chunk structure, C3 random access and brands, C4
composition, C5 switching sets. An empty list means that nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from segmenter.errors import MediaError
from segmenter.media import MediaType, Sample, Track

from .box_tree import Box, first_record, read_boxes, records
from .fragment_records import DecodeTime, MovieFragmentHeader, TrackFragmentHeader, TrackRun
from .header_records import Brands, EditList, MediaHeader, SampleCount, TrackExtends, TrackHeader
from .reader import InitTrack, read_fragments, read_init_tracks

_CHUNK_ORDER = {"styp": 0, "sidx": 0, "prft": 1, "emsg": 2, "moof": 3, "mdat": 4}
_IGNORED = ("free", "skip", "uuid")
_SEGMENT_BRANDS = {"cmfs", "cmff", "cmfl"}


def check_init(data: bytes) -> list[str]:
    """What is wrong with a CMAF header (C1, C4)."""
    findings: list[str] = []
    try:
        findings += _check_header(read_boxes(data))
        read_init_tracks(data)
    except MediaError as error:
        findings.append(f"C1: unreadable: {error}")
    return findings


def check_segment(data: bytes, track: Track | InitTrack, *, is_part: bool = False) -> list[str]:
    """What is wrong with a segment (C2, C3, C4); a part need not begin with a sync sample."""
    try:
        boxes = read_boxes(data)
        samples = read_fragments(data, track)
    except MediaError as error:
        return [f"C2: unreadable: {error}"]
    plain = track.track if isinstance(track, InitTrack) else track
    findings = [*_check_order(boxes), *_check_chunks(boxes), *_check_brands(boxes)]
    if not is_part:
        findings += _check_start(plain, samples)
    return findings


def check_switching_set(renditions: Mapping[str, tuple[Track, bytes]]) -> list[str]:
    """What keeps players from switching between these segments of the same time (C5).

    Keys name the renditions in the findings; the first one is the measure of the others.
    """
    try:
        marks = {name: _switching_marks(*pair) for name, pair in renditions.items()}
    except MediaError as error:
        return [f"C5: unreadable: {error}"]
    findings = []
    for name, mark in marks.items():
        first_name, first = next(iter(marks.items()))
        findings += [
            f"C5: {what} of {name} is {mark[what]}, of {first_name} {first[what]}"
            for what in first
            if mark[what] != first[what]
        ]
    return findings


def _switching_marks(track: Track, data: bytes) -> dict[str, object]:
    samples = read_fragments(data, track)
    end = samples[-1].dts + samples[-1].duration if samples else None
    return {
        "timescale": track.timescale,
        "codec": track.codec.value,
        "first dts": samples[0].dts if samples else None,
        "end": end,
    }


def _check_header(boxes: Sequence[Box]) -> Iterator[str]:
    brands = boxes[0].record if boxes else None
    if not isinstance(brands, Brands) or boxes[0].name != "ftyp":
        yield "C1: the header does not begin with ftyp"
    else:
        named = {brands.major, *brands.compatible}
        if not named & {"cmfc", "cmf2"}:
            yield "C1: ftyp names neither cmfc nor cmf2"
        if not named & {"iso6", "iso7", "iso8", "iso9"}:
            yield "C1: ftyp does not name the structural brand iso6"
        if "cmf2" in named and any(True for _ in records(boxes, EditList)):
            yield "C4: an edit list beside brand cmf2"
    moov = next((box for box in boxes if box.name == "moov"), None)
    if moov is None:
        yield "C1: no moov"
        return
    traks = moov.children_named("trak")
    if len(traks) != 1:
        yield f"C1: {len(traks)} tracks in the file; CMAF has one"
    for trak in traks:
        yield from _check_trak(moov, trak)


def _check_trak(moov: Box, trak: Box) -> Iterator[str]:
    header, media = first_record(trak, TrackHeader), first_record(trak, MediaHeader)
    if header is None or media is None:
        yield "C1: a track without tkhd or mdhd"
        return
    if media.timescale == 0:
        yield "C1: mdhd has timescale 0"
    extends = [record.track_id for record in records((moov,), TrackExtends)]
    if extends != [header.track_id]:
        yield f"C1: trex for tracks {extends}, tkhd says {header.track_id}"
    if any(record.count for record in records((trak,), SampleCount)):
        yield "C1: the header's sample table holds samples"
    if header.duration or media.duration:
        yield "C1: tkhd or mdhd has a duration; it is in the fragments"
    stsd = next((box for box in _all_boxes((trak,)) if box.name == "stsd"), None)
    if stsd is None or len(stsd.children) != 1:
        yield "C1: not exactly one sample entry"
    elif stsd.children[0].name in ("avc3", "hev1"):
        yield f"C1: {stsd.children[0].name}: Apple's players want avc1 or hvc1"


def _check_order(boxes: Sequence[Box]) -> Iterator[str]:
    """Each chunk is [styp] [prft] [emsg] moof mdat."""
    previous = "mdat"
    for box in boxes:
        if box.name in _IGNORED:
            continue
        rank = _CHUNK_ORDER.get(box.name)
        if rank is None:
            yield f"C2: {box.name} at {box.offset} does not belong in a segment"
            continue
        if previous == "moof" and box.name != "mdat":
            yield f"C2: {box.name} at {box.offset} follows moof; mdat was due"
        elif box.name == "mdat" and previous != "moof":
            yield f"C2: mdat at {box.offset} follows {previous}; moof was due"
        elif previous != "mdat" and rank < _CHUNK_ORDER[previous]:
            yield f"C2: {box.name} at {box.offset} follows {previous}"
        previous = box.name
    if previous != "mdat":
        yield f"C2: the segment ends with {previous}"


def _check_chunks(boxes: Sequence[Box]) -> Iterator[str]:
    """Every moof by itself, and that each follows on the one before."""
    moofs = [(n, box) for n, box in enumerate(boxes) if box.name == "moof"]
    if not moofs:
        yield "C2: no moof"
    sequence_number, due = -1, None
    for number, moof in moofs:
        at = f"moof at {moof.offset}"
        mfhd = first_record(moof, MovieFragmentHeader)
        if mfhd is None or mfhd.sequence_number <= sequence_number:
            yield f"C2: {at}: mfhd missing or not increasing"
        sequence_number = mfhd.sequence_number if mfhd else sequence_number
        trafs = moof.children_named("traf")
        if len(trafs) != 1:
            yield f"C2: {at}: {len(trafs)} track fragments; CMAF has one"
            continue
        time = first_record(trafs[0], DecodeTime)
        if time is None:
            yield f"C2: {at}: no tfdt"
            continue
        if due is not None and time.base_media_decode_time != due:
            yield f"C2: {at}: tfdt {time.base_media_decode_time}, earlier durations give {due}"
        due = _end_of(time, trafs[0])
        mdat = boxes[number + 1] if number + 1 < len(boxes) else None
        yield from _check_traf(at, moof, trafs[0], mdat)


def _end_of(time: DecodeTime, traf: Box) -> int | None:
    """The decode time after a traf; None when trex would have to say the durations."""
    header = first_record(traf, TrackFragmentHeader)
    end = time.base_media_decode_time
    for run in records((traf,), TrackRun):
        if run.durations is not None:
            end += sum(run.durations)
        elif header is not None and header.duration is not None:
            end += header.duration * run.sample_count
        else:
            return None
    return end


def _check_traf(at: str, moof: Box, traf: Box, mdat: Box | None) -> Iterator[str]:
    header = first_record(traf, TrackFragmentHeader)
    runs = list(records((traf,), TrackRun))
    if header is None or not runs:
        yield f"C2: {at}: no tfhd or no trun"
        return
    if not header.base_is_moof or header.base_data_offset is not None:
        yield f"C2: {at}: data offsets are not relative to the moof"
    if any(run.durations and 0 in run.durations for run in runs) or header.duration == 0:
        yield f"C2: {at}: a sample without duration"
    if any(run.version == 0 and min(run.composition_offsets or (0,)) < 0 for run in runs):
        yield f"C4: {at}: negative composition offset in trun version 0"
    if mdat is not None and mdat.name == "mdat":
        yield from _check_data(at, moof, header, runs, mdat)


def _check_data(
    at: str, moof: Box, header: TrackFragmentHeader, runs: Sequence[TrackRun], mdat: Box
) -> Iterator[str]:
    """The samples fill the mdat, one after the other."""
    position = mdat.payload_offset
    for run in runs:
        if run.data_offset is not None and moof.offset + run.data_offset != position:
            yield f"C2: {at}: data offset {run.data_offset}, samples are due at {position}"
        if run.sizes is None and header.size is None:
            return
        position += sum(run.sizes or ()) if run.sizes else (header.size or 0) * run.sample_count
    if position != mdat.end:
        yield f"C2: {at}: samples end at {position}, the mdat at {mdat.end}"


def _check_brands(boxes: Sequence[Box]) -> Iterator[str]:
    for box in boxes:
        brands = box.record
        if (
            box.name == "styp"
            and isinstance(brands, Brands)
            and not _SEGMENT_BRANDS & {brands.major, *brands.compatible}
        ):
            yield f"C3: styp at {box.offset} names none of cmfs, cmff, cmfl"


def _check_start(track: Track, samples: Sequence[Sample]) -> Iterator[str]:
    """The first sample can be decoded alone and is presented first."""
    if not samples:
        yield "C2: no samples"
        return
    if track.media_type is MediaType.VIDEO and not samples[0].is_sync:
        yield "C3: the segment does not begin with a sync sample"
    earliest = min(sample.pts for sample in samples)
    if earliest != samples[0].pts:
        yield f"C4: the first sample is presented at {samples[0].pts}, another at {earliest}"


def _all_boxes(boxes: Sequence[Box]) -> Iterator[Box]:
    for box in boxes:
        yield box
        yield from _all_boxes(box.children)
