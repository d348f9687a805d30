"""What is written in a journal is read again; what is damaged costs what comes after it."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.window_records import SegmentRecord, replay
from streaming.live_state.journal_format import (
    MARK,
    VERSION,
    JournalContent,
    fragments,
    read_journal,
    write_record,
)
from streaming.live_state.journal_messages import HeadMessage
from tests.segmenter.stage import SOURCE, START, Stage, video
from tests.streaming.live_state.journals import HEAD, played, written

STAGE = played()
JOURNAL = written(STAGE)


def read(data: bytes) -> JournalContent | None:
    return read_journal(lambda at, size: data[at : at + size], len(data))


def content(data: bytes) -> JournalContent:
    found = read(data)
    assert found is not None
    return found


def test_records_are_read_as_they_were_written() -> None:
    seen = content(JOURNAL)
    assert seen.head == HEAD
    assert list(seen.records) == STAGE.records
    assert replay(seen.records) == replay(STAGE.records)
    assert seen.latest_utc == START + 1.5
    assert seen.torn_bytes == 0


def test_media_are_where_the_places_say() -> None:
    seen = content(JOURNAL)
    assert len(seen.places) == 8
    for (rendition, msn), place in seen.places.items():
        data = JOURNAL[place.offset : place.offset + place.size_bytes]
        assert data == STAGE.data[rendition, f"{msn}.m4s"]


def test_a_file_that_was_cut_off_anywhere_has_everything_before() -> None:
    whole = list(content(JOURNAL).records)
    counts = set()
    for end in range(len(MARK) + 60, len(JOURNAL), 997):
        seen = content(JOURNAL[:end])
        assert list(seen.records) == whole[: len(seen.records)]
        assert 0 <= seen.torn_bytes <= end
        counts.add(len(seen.records))
    assert len(counts) > 3


def test_a_file_of_another_version_or_of_somebody_else_is_not_read() -> None:
    newer = MARK[:-4] + struct.pack(">I", VERSION + 1)
    assert read(newer + JOURNAL[len(MARK) :]) is None
    assert read(b"") is None
    assert read(b"#!/bin/sh\n" * 100) is None


def test_a_file_without_a_head_is_not_read() -> None:
    head = write_record(HEAD)
    assert read(MARK + JOURNAL[len(MARK) + len(head) :]) is None


def test_media_that_are_not_whole_boxes_are_left_out() -> None:
    place = content(JOURNAL).places["source", STAGE.numbers("source")[1]]
    zeros = bytearray(JOURNAL)
    zeros[place.offset : place.offset + place.size_bytes] = bytes(place.size_bytes)
    seen = content(bytes(zeros))
    assert len(seen.places) == 7
    segments = [record for record in seen.records if isinstance(record, SegmentRecord)]
    assert len(segments) == 7


def test_gaps_have_no_media() -> None:
    stage = Stage(SOURCE)
    stage.push(video(seconds=7), video(at=11, seconds=4))
    assert stage.gaps("source")
    assert list(content(written(stage)).records) == stage.records


def test_a_segment_without_parts_is_one_fragment() -> None:
    record = next(r for r in STAGE.records if isinstance(r, SegmentRecord))
    assert fragments(record.segment) == record.segment.parts


@settings(deadline=None)
@given(st.data())
def test_damage_costs_at_most_what_comes_after_it(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(JOURNAL) - 1))
    damaged = bytearray(JOURNAL)
    damaged[at] ^= data.draw(st.integers(1, 255))
    seen = read(bytes(damaged))
    if seen is None:
        assert at < len(MARK) + len(write_record(HEAD))
        return
    whole = STAGE.records
    kept = [record for record in seen.records if record in whole]
    assert len(kept) == len(seen.records)
    before = [place.offset + place.size_bytes for place in seen.places.values()]
    assert sum(end <= at for end in before) <= len(seen.places)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_noise_after_the_mark_is_no_journal(noise: bytes) -> None:
    seen = read(MARK + noise)
    assert seen is None or seen.head == HeadMessage(seen.head.path, seen.head.packaging)
