"""Advice stands until it is heeded, and is told once while it stands."""

from __future__ import annotations

from streaming.events.advice import b_frames, gop_too_long, timestamp_jump
from streaming.events.advice_memory import AdviceMemory

EXAM = ("gop-too-long", "b-frames")


def test_what_has_not_been_heeded_stands_and_is_told_once() -> None:
    memory = AdviceMemory()
    given = [gop_too_long(5.0, 2.0), b_frames()]
    assert memory.news("primary", given, EXAM) == given
    assert memory.news("primary", given, EXAM) == []
    assert memory.standing() == [("primary", one) for one in given]
    assert memory.news("primary", [b_frames()], EXAM) == []
    assert [(role, one.code) for role, one in memory.standing()] == [("primary", "b-frames")]
    memory.news("primary", [], EXAM)
    assert memory.standing() == []


def test_what_only_happened_does_not_stand() -> None:
    memory = AdviceMemory()
    assert memory.news("primary", [timestamp_jump(1)], ()) != []
    assert memory.standing() == []


def test_who_cannot_change_anything_is_told_nothing() -> None:
    memory = AdviceMemory(deaf_role="primary")
    assert memory.news("primary", [b_frames()], EXAM) == []
    assert memory.standing() == []
    assert memory.news("backup", [b_frames()], EXAM) == [b_frames()]
