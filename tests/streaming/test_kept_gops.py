"""What is kept of a publisher that is off air, and from where on it begins."""

from __future__ import annotations

from segmenter.media import Sample
from streaming.kept_gops import KEPT_BYTES, LONGEST_GOP_S, KeptGops

NOW = 1_700_000_000.0
REACH_S = 2.0


def kept(seconds: float, gop_s: float = 1.0, *, size: int = 10) -> KeptGops:
    """Ten frames each second from NOW on."""
    gops = KeptGops(REACH_S)
    for number in range(round(seconds * 10)):
        is_entry = number % round(gop_s * 10) == 0
        sample = Sample("source", 100 * number, 100 * number, bytes(size), is_entry)
        gops.push(sample, NOW + number / 10, is_entry=is_entry)
    return gops


def begins(taken: list[tuple[Sample, float]]) -> float:
    """Seconds after NOW."""
    return round(taken[0][1] - NOW, 3)


def test_the_newest_group_begins_with_its_key_frame() -> None:
    taken = kept(5.5).take_newest()
    assert begins(taken) == 5.0
    assert [sample.is_sync for sample, _ in taken] == [True, False, False, False, False]


def test_what_follows_the_end_of_media_begins_with_the_key_frame_before_it() -> None:
    assert begins(kept(5.5).take_from(NOW + 4.3)) == 4.0


def test_a_small_hole_is_better_than_a_group_seen_before() -> None:
    assert begins(kept(5.5).take_from(NOW + 3.95)) == 4.0


def test_a_hole_remains_where_nothing_older_was_kept() -> None:
    assert begins(kept(5.5).take_from(NOW + 1.0)) == 3.0


def test_nothing_is_kept_before_the_first_key_frame() -> None:
    gops = KeptGops(REACH_S)
    gops.push(Sample("source", 0, 0, b"x", False), NOW, is_entry=False)
    assert gops.is_empty
    assert gops.take_newest() == []
    assert gops.take_from(NOW) == []


def test_what_is_taken_is_kept_no_more() -> None:
    gops = kept(3)
    gops.take_newest()
    assert gops.is_empty
    assert gops.take_newest() == []


def test_a_group_that_is_too_long_is_dropped_until_the_next_key_frame() -> None:
    assert not kept(REACH_S + LONGEST_GOP_S, gop_s=20).is_empty
    assert kept(REACH_S + LONGEST_GOP_S + 0.3, gop_s=20).is_empty
    assert begins(kept(21, gop_s=20).take_newest()) == 20.0


def test_bytes_are_bounded_by_dropping_whole_groups() -> None:
    gops = kept(5.5, size=KEPT_BYTES // 20)
    assert begins(gops.take_from(NOW)) == 4.0


def test_a_group_that_began_too_long_before_the_end_of_media_is_not_shown_again() -> None:
    gops = kept(3.5)
    assert gops.take_from(NOW + 3.0 + LONGEST_GOP_S + 0.1) == []
    assert gops.is_empty
