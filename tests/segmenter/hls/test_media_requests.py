"""Requests for media that is not there yet; standards.md A1 and A2 by number."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmenter.hls.directives import WHOLE, Position
from segmenter.hls.media_requests import MediaRequest, judge_media_request, parse_media_name
from tests.segmenter.hls.test_directives import STATE

BETWEEN = dataclasses.replace(STATE, open_parts=0, hint="101.0.m4s")
ENDED = dataclasses.replace(STATE, open_parts=0, hint="", is_ended=True)


def test_h18_the_hinted_part_may_be_waited_for() -> None:
    assert judge_media_request("101.3.m4s", STATE) is MediaRequest.WAIT
    assert judge_media_request("101.0.m4s", BETWEEN) is MediaRequest.WAIT


@pytest.mark.parametrize("name", ["101.4.m4s", "102.1.m4s", "100.10.m4s", "99.0.m4s", "0.0.m4s"])
def test_h19_a_part_that_is_neither_there_nor_hinted_does_not_exist(name: str) -> None:
    assert judge_media_request(name, STATE) is MediaRequest.NOT_FOUND


def test_h18_the_next_segments_first_part_may_be_waited_for_as_it_may_have_been_hinted() -> None:
    assert judge_media_request("102.0.m4s", STATE) is MediaRequest.WAIT
    assert judge_media_request("103.0.m4s", STATE) is MediaRequest.NOT_FOUND
    assert judge_media_request("102.0.m4s", BETWEEN) is MediaRequest.NOT_FOUND


def test_d4_the_segment_in_progress_is_sent_as_it_grows() -> None:
    assert judge_media_request("101.m4s", STATE) is MediaRequest.STREAM


def test_a_segment_that_has_not_begun_is_held_and_none_after_it() -> None:
    assert judge_media_request("102.m4s", STATE) is MediaRequest.HOLD
    assert judge_media_request("103.m4s", STATE) is MediaRequest.NOT_FOUND
    assert judge_media_request("101.m4s", BETWEEN) is MediaRequest.HOLD
    assert judge_media_request("102.m4s", BETWEEN) is MediaRequest.NOT_FOUND


def test_segments_that_are_due_by_the_clock_are_held_where_media_may_come_late() -> None:
    judged = [judge_media_request(f"{n}.m4s", STATE, may_be_late=True) for n in range(101, 106)]
    assert judged == [MediaRequest.STREAM, *[MediaRequest.HOLD] * 3, MediaRequest.NOT_FOUND]


@pytest.mark.parametrize("name", ["101.3.m4s", "101.m4s", "102.m4s"])
def test_nothing_comes_after_the_end(name: str) -> None:
    assert judge_media_request(name, ENDED) is MediaRequest.NOT_FOUND


def test_names_are_read_strictly() -> None:
    assert parse_media_name("12.m4s") == Position(12, WHOLE)
    assert parse_media_name("12.3.m4s") == Position(12, 3)
    for name in (
        "12",
        "12.m4s.m4s",
        "-1.m4s",
        "1.2.3.m4s",
        "init-1.mp4",
        "\u0661.m4s",
        "12.m4s\n",
        "012.m4s",
    ):
        assert parse_media_name(name) is None
    assert parse_media_name("1" * 16 + ".m4s") is None


@given(name=st.text(max_size=30))
def test_any_name_is_judged(name: str) -> None:
    assert isinstance(judge_media_request(name, STATE), MediaRequest)
