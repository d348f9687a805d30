"""Delivery directives (RFC 8216bis 6.2.5), one rule a test; standards.md A1 by number.

The playlist has finished segments up to 100, of which the last has ten parts, and three parts of
segment 101.
"""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.hls.directives import (
    WHOLE,
    Answer,
    Position,
    Refuse,
    Wait,
    decide,
    recheck,
)
from segmenter.hls.rendered_playlist import PlaylistState, Skip

STATE = PlaylistState(
    last_msn=100,
    last_parts=10,
    open_parts=3,
    target_duration=2,
    part_target_s=0.216,
    can_block=True,
    is_ended=False,
    hint="101.3.m4s",
)
NOW = Answer(Skip.NO)


def at(**changes: object) -> PlaylistState:
    return dataclasses.replace(STATE, **changes)  # type: ignore[arg-type]


def wait(msn: int, part: int) -> Wait:
    return Wait(Position(msn, part), Skip.NO)


def test_without_directives_the_playlist_as_it_is_is_the_answer() -> None:
    assert decide("", STATE) == NOW
    assert decide("token=a&_HLS_pathway=b", STATE) == NOW


def test_h1_a_part_without_a_segment_is_refused() -> None:
    assert isinstance(decide("_HLS_part=1", STATE), Refuse)


def test_h2_a_segment_more_than_two_ahead_is_refused_at_once() -> None:
    assert decide("_HLS_msn=102", STATE) == wait(102, WHOLE)
    assert isinstance(decide("_HLS_msn=103", STATE), Refuse)
    assert isinstance(decide("_HLS_msn=103&_HLS_part=0", STATE), Refuse)


@pytest.mark.parametrize(
    ("part_target_s", "last_allowed"), [(0.216, 2 + 13), (0.5, 2 + 6), (1.0, 2 + 3), (2.0, 2 + 3)]
)
def test_h2_a_part_beyond_the_advance_part_limit_is_refused(
    part_target_s: float, last_allowed: int
) -> None:
    state = at(part_target_s=part_target_s)
    assert decide(f"_HLS_msn=101&_HLS_part={last_allowed}", state) == wait(101, last_allowed)
    assert isinstance(decide(f"_HLS_msn=101&_HLS_part={last_allowed + 1}", state), Refuse)


def test_h2_between_segments_the_limit_counts_from_the_last_part_there_is() -> None:
    state = at(open_parts=0)
    assert decide("_HLS_msn=101&_HLS_part=9", state) == wait(101, 9)
    assert isinstance(decide("_HLS_msn=101&_HLS_part=23", state), Refuse)


def test_h3_a_segment_alone_is_waited_for_until_it_is_finished() -> None:
    assert decide("_HLS_msn=100", STATE) == NOW
    assert decide("_HLS_msn=101", STATE) == wait(101, WHOLE)
    assert recheck(Position(101, WHOLE), at(open_parts=9), Skip.NO) == wait(101, WHOLE)
    assert recheck(Position(101, WHOLE), at(last_msn=101, open_parts=0), Skip.NO) == NOW


def test_h3_a_part_is_waited_for_until_it_or_anything_later_is_there() -> None:
    assert decide("_HLS_msn=101&_HLS_part=2", STATE) == NOW
    assert decide("_HLS_msn=101&_HLS_part=3", STATE) == wait(101, 3)
    assert recheck(Position(101, 3), STATE, Skip.NO) == wait(101, 3)
    assert recheck(Position(101, 3), at(open_parts=4), Skip.NO) == NOW
    assert recheck(Position(101, 3), at(last_msn=102), Skip.NO) == NOW


def test_h4_a_part_past_the_end_of_a_segment_means_part_0_of_the_next() -> None:
    assert decide("_HLS_msn=100&_HLS_part=9", STATE) == NOW
    assert decide("_HLS_msn=100&_HLS_part=10", STATE) == NOW
    between = at(open_parts=0)
    assert decide("_HLS_msn=100&_HLS_part=10", between) == wait(101, 0)


def test_h4_who_waits_for_a_part_that_a_segment_did_not_get_waits_for_the_next_segment() -> None:
    finished = at(last_msn=101, last_parts=3, open_parts=0)
    assert recheck(Position(101, 3), finished, Skip.NO) == wait(102, 0)
    assert recheck(Position(101, 3), at(last_msn=101, last_parts=3, open_parts=1), Skip.NO) == NOW


def test_h4_nobody_waits_for_parts_of_a_gap() -> None:
    gap = at(last_msn=101, last_parts=0, open_parts=0)
    assert recheck(Position(101, 0), gap, Skip.NO) == NOW
    # But who knows that it is one asks for what comes after it.
    assert decide("_HLS_msn=101&_HLS_part=0", gap) == wait(102, 0)


@pytest.mark.parametrize("msn", [0, 1, 60, 99])
def test_h5_a_segment_older_than_the_window_gets_the_whole_playlist_at_once(msn: int) -> None:
    assert decide(f"_HLS_msn={msn}", STATE) == NOW
    assert decide(f"_HLS_msn={msn}&_HLS_part=500", STATE) == NOW


@pytest.mark.parametrize("query", ["_HLS_msn=999", "_HLS_part=1", "_HLS_msn=x", "_HLS_skip=YES"])
def test_h7_an_ended_playlist_ignores_all_directives(query: str) -> None:
    assert decide(query, at(is_ended=True, open_parts=0, hint="")) == NOW


def test_h7_the_end_releases_all_who_wait() -> None:
    ended = at(is_ended=True, open_parts=0, hint="")
    assert recheck(Position(102, 5), ended, Skip.NO) == NOW
    assert recheck(Position(102, WHOLE), ended, Skip.NO) == NOW


def test_h9_skip_asks_for_a_delta_also_of_what_is_waited_for() -> None:
    assert decide("_HLS_skip=YES", STATE) == Answer(Skip.YES)
    assert decide("_HLS_skip=v2&_HLS_msn=99", STATE) == Answer(Skip.V2)
    assert decide("_HLS_skip=YES&_HLS_msn=101&_HLS_part=3", STATE) == Wait(
        Position(101, 3), Skip.YES
    )
    assert recheck(Position(101, 3), at(open_parts=4), Skip.YES) == Answer(Skip.YES)


def test_h9_an_unknown_skip_gets_the_whole_playlist() -> None:
    assert decide("_HLS_skip=v3", STATE) == NOW


@pytest.mark.parametrize("query", ["_HLS_msn=999", "_HLS_skip=YES", "_HLS_part=x"])
def test_h10_a_playlist_that_offers_nothing_ignores_all_directives(query: str) -> None:
    assert decide(query, at(can_block=False)) == NOW


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-1",
        "+1",
        "1.0",
        "0x10",
        "1e3",
        " 1",
        "1 ",
        "x",
        "\u0661\u0662",
        "%31%00",
        "1" * 16,
        "1_0",
    ],
)
def test_a_number_that_is_none_is_refused(value: str) -> None:
    assert isinstance(decide(f"_HLS_msn={value}", STATE), Refuse)
    assert isinstance(decide(f"_HLS_msn=101&_HLS_part={value}", STATE), Refuse)


def test_a_directive_that_is_given_twice_is_refused() -> None:
    assert isinstance(decide("_HLS_msn=100&_HLS_msn=101", STATE), Refuse)
    assert isinstance(decide("_HLS_skip=YES&_HLS_skip=v2", STATE), Refuse)


def test_names_and_numbers_may_be_percent_encoded() -> None:
    assert decide("%5FHLS_msn=%31%30%31&_HLS_part=3", STATE) == wait(101, 3)


queries = st.lists(
    st.tuples(
        st.sampled_from(["_HLS_msn", "_HLS_part", "_HLS_skip", "_HLS_other", "t"]),
        st.sampled_from(["98", "99", "100", "101", "102", "103", "0", "3", "9", "10", "YES", "v2"]),
    ),
    max_size=4,
).map(lambda fields: "&".join(f"{name}={value}" for name, value in fields))
states = st.builds(
    at,
    last_parts=st.sampled_from([0, 1, 10]),
    open_parts=st.sampled_from([0, 1, 3, 9]),
    is_ended=st.booleans(),
    can_block=st.booleans(),
)


@given(query=queries, state=states)
def test_who_waits_would_wait_again_and_nobody_waits_beyond_the_next_two_segments(
    query: str, state: PlaylistState
) -> None:
    decision = decide(query, state)
    if isinstance(decision, Wait):
        assert recheck(decision.until, state, decision.skip) == decision
        assert state.last_msn < decision.until.msn <= state.last_msn + 2


@given(query=st.text(max_size=60), state=states)
def test_any_text_gets_a_decision(query: str, state: PlaylistState) -> None:
    assert isinstance(decide(query, state), Answer | Wait | Refuse)
    assert isinstance(decide(f"_HLS_msn={query}", state), Answer | Wait | Refuse)
