"""Segments without media, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from segmenter.boundary import Boundary
from segmenter.gaps import Gaps
from segmenter.rendition import Rendition
from segmenter.segment import Segment, SegmentReady
from tests.segmenter.test_rendition import INIT, TWO_SECONDS, rendition, segment

NOW = 1_000.0


def boundary(msn: int, *, late: int = 0, breaks: bool = False, media_end: int = 0) -> Boundary:
    time = msn * TWO_SECONDS + late
    return Boundary(msn, time, 90_000, int(breaks), breaks, media_end or time)


def begun(end: int = TWO_SECONDS) -> tuple[Rendition, Gaps]:
    """A rendition whose segment 0 ends at `end`."""
    made = rendition()
    made.add(segment(0, duration=end), NOW)
    return made, Gaps(made)


def told(events: Sequence[object]) -> list[Segment]:
    return [event.segment for event in events if isinstance(event, SegmentReady)]


def test_a_segment_is_a_gap_once_the_next_one_is_due_as_well() -> None:
    made, gaps = begun()
    assert gaps.pass_by([boundary(1)], INIT, NOW) == []
    assert gaps.is_due
    (gap,) = told(gaps.pass_by([boundary(2)], INIT, NOW))
    assert (gap.msn, gap.start, gap.duration) == (1, TWO_SECONDS, TWO_SECONDS)
    assert gap.is_gap
    assert made.segments[-1] is gap


def test_several_boundaries_at_once_leave_the_last_to_be_joined() -> None:
    _, gaps = begun()
    gap_numbers = [gap.msn for gap in told(gaps.pass_by(map(boundary, (1, 2, 3)), INIT, NOW))]
    assert gap_numbers == [1, 2]
    gaps.join()
    assert not gaps.is_due
    assert gaps.pass_by([boundary(4)], INIT, NOW) == []


def test_nothing_is_missed_of_a_rendition_that_has_not_begun() -> None:
    made = rendition()
    gaps = Gaps(made)
    assert gaps.pass_by([boundary(1), boundary(2)], INIT, NOW) == []
    assert not made.segments


@pytest.mark.parametrize(
    ("media_end", "start"),
    [
        (TWO_SECONDS - 3_000, TWO_SECONDS - 3_000),  # a frame or so: no hole is left
        (TWO_SECONDS - 18_000, TWO_SECONDS),
        (TWO_SECONDS + 18_000, TWO_SECONDS + 18_000),  # never before what is there
    ],
)
def test_a_gap_begins_where_it_leaves_no_seam(media_end: int, start: int) -> None:
    _, gaps = begun(media_end)
    gaps.pass_by([boundary(1)], INIT, NOW)
    (gap,) = told(gaps.end(2 * TWO_SECONDS, INIT, NOW))
    assert (gap.start, gap.end) == (start, 2 * TWO_SECONDS)


def test_a_gap_before_a_break_ends_where_the_media_did() -> None:
    _, gaps = begun()
    media_end = TWO_SECONDS + 90_000
    gaps.pass_by([boundary(1)], INIT, NOW)
    breaking = boundary(2, late=900_000, breaks=True, media_end=media_end)
    (gap,) = told(gaps.pass_by([breaking], INIT, NOW))
    assert gap.end == media_end
    assert not gap.starts_discontinuity
    (broken,) = told(gaps.end(breaking.time + TWO_SECONDS, INIT, NOW))
    assert (broken.start, broken.starts_discontinuity) == (breaking.time, True)
