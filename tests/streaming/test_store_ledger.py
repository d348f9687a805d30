"""The ledger of the media store: whose bytes are where, and what may be freed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.errors import UsageError
from streaming.store_ledger import Geometry, Log, StoreLedger

PAGE = 4096
SMALL = Geometry(region_bytes=16 * PAGE, region_count=100, room_bytes=4 * PAGE)


def ledger(limit_bytes: int = 1 << 40, geometry: Geometry = SMALL) -> StoreLedger:
    return StoreLedger(geometry, limit_bytes)


def test_what_a_log_appends_is_contiguous_whoever_else_appends_between() -> None:
    store, one, other = ledger(), Log(), Log()
    first = store.allocate(one, 1000, starts_segment=True)
    store.allocate(other, 500, starts_segment=True)
    second = store.allocate(one, 1000, starts_segment=False)
    assert first is not None
    assert second == first + 1000


def test_nothing_lies_where_the_marks_are() -> None:
    assert ledger().allocate(Log(), 1, starts_segment=True) == SMALL.region_bytes


def test_a_segment_begins_in_a_new_region_where_the_old_one_is_nearly_used_up() -> None:
    store, log = ledger(), Log()
    store.allocate(log, 11 * PAGE, starts_segment=True)
    assert store.allocate(log, 2 * PAGE, starts_segment=False) == 27 * PAGE
    assert store.allocate(log, PAGE, starts_segment=True) == 32 * PAGE


def test_a_segment_longer_than_a_region_has_room_for_is_refused_and_the_next_is_not() -> None:
    store, log = ledger(), Log()
    store.allocate(log, 12 * PAGE, starts_segment=True)
    assert store.allocate(log, 5 * PAGE, starts_segment=False) is None
    assert store.allocate(log, 5 * PAGE, starts_segment=True) == 32 * PAGE


def test_nothing_is_given_out_over_the_limit_until_something_is_freed() -> None:
    store, log = ledger(limit_bytes=1000), Log()
    store.allocate(log, 600, starts_segment=True)
    second = store.allocate(log, 400, starts_segment=True)
    assert store.allocate(log, 1, starts_segment=True) is None
    store.free(log, second)
    assert store.held_bytes == 400
    assert store.allocate(log, 600, starts_segment=True) is not None


def test_what_could_not_be_written_is_as_if_never_asked_for() -> None:
    store, log = ledger(), Log()
    offset = store.allocate(log, 600, starts_segment=True)
    assert offset is not None
    store.take_back(log, offset)
    assert store.held_bytes == 0
    assert store.allocate(log, 10, starts_segment=True) == offset


def test_whole_pages_are_freed_and_the_mark_is_exact() -> None:
    store, log = ledger(), Log()
    base = store.allocate(log, 5000, starts_segment=True)
    second = store.allocate(log, 5000, starts_segment=True)
    assert base is not None
    [freed] = store.free(log, second)
    assert (freed.region, freed.mark, freed.offset, freed.length) == (1, base + 5000, base, PAGE)
    [last] = store.close(log)
    assert (last.mark, last.offset, last.length) == (base + 10_000, base + PAGE, 2 * PAGE)


def test_freeing_goes_on_over_the_end_of_a_region() -> None:
    store, log = ledger(), Log()
    store.allocate(log, 13 * PAGE, starts_segment=True)
    second = store.allocate(log, 2 * PAGE, starts_segment=True)
    third = store.allocate(log, 2 * PAGE, starts_segment=True)
    assert second == 32 * PAGE
    assert [(f.region, f.length) for f in store.free(log, third)] == [(1, 13 * PAGE), (2, 2 * PAGE)]


def test_freeing_everything_lets_the_log_go_on() -> None:
    store, log = ledger(), Log()
    store.allocate(log, 3000, starts_segment=True)
    store.free(log, None)
    assert store.held_bytes == 0
    assert store.allocate(log, 10, starts_segment=True) == SMALL.region_bytes + 3000


def test_an_offset_of_another_log_is_the_callers_mistake() -> None:
    store, one, other = ledger(), Log(), Log()
    store.allocate(one, 10, starts_segment=True)
    foreign = store.allocate(other, 10, starts_segment=True)
    with pytest.raises(UsageError):
        store.free(one, foreign)


def test_fresh_regions_are_used_before_old_ones() -> None:
    store, log = ledger(geometry=Geometry(16 * PAGE, 3, 4 * PAGE)), Log()
    store.allocate(log, 10, starts_segment=True)
    store.close(log)
    assert store.allocate(log, 10, starts_segment=True) == 32 * PAGE
    store.close(log)
    assert store.allocate(log, 10, starts_segment=True) == 16 * PAGE


def test_where_pages_cannot_be_given_back_old_regions_are_used_first() -> None:
    geometry = Geometry(16 * PAGE, 100, 4 * PAGE, punches_holes=False)
    store, log = ledger(geometry=geometry), Log()
    for _ in range(5):
        assert store.allocate(log, 10, starts_segment=True) == 16 * PAGE
        store.close(log)


def test_when_all_regions_are_taken_a_new_log_is_refused() -> None:
    store, log = ledger(geometry=Geometry(16 * PAGE, 2, 4 * PAGE)), Log()
    store.allocate(log, 10, starts_segment=True)
    assert store.allocate(Log(), 10, starts_segment=True) is None


@given(st.lists(st.tuples(st.integers(1, 3 * PAGE), st.booleans()), max_size=60), st.integers(1, 9))
def test_freed_bytes_are_those_of_segments_that_went_each_once(
    parts: list[tuple[int, bool]], kept: int
) -> None:
    store, log = ledger(), Log()
    segments: list[list[tuple[int, int]]] = []
    punched: set[int] = set()
    for size, starts in parts:
        starts = starts or not segments
        offset = store.allocate(log, size, starts_segment=starts)
        if offset is None:
            continue
        if starts:
            segments.append([])
        segments[-1].append((offset, size))
        if len(segments) > kept:
            segments.pop(0)
            for freed in store.free(log, segments[0][0][0]):
                pages = set(range(freed.offset, freed.offset + freed.length, PAGE))
                assert freed.length % PAGE == freed.offset % PAGE == 0
                assert not pages & punched
                punched |= pages
        live = [part for segment in segments for part in segment]
        assert store.held_bytes == sum(size for _, size in live)
        for offset, size in live:
            assert not punched & set(range(offset - offset % PAGE, offset + size, PAGE))
