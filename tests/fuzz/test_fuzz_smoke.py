"""A second of `make fuzz` in every run: fixed dice, so that a failure can be repeated."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.errors import MediaError, UsageError
from tests.fuzz import runner
from tests.fuzz.mutation import MAX_BYTES, mutate
from tests.fuzz.registry import ALLOWED, HERE, Target, targets
from tests.fuzz.text_mutation import mutate_text

EXECUTIONS = 150
"""Of each target; with some twenty targets about two seconds in all."""

ALL = targets()
NAMES = sorted(ALL)


@pytest.mark.parametrize("name", NAMES)
def test_honest_inputs_and_what_once_broke_a_target_cost_nothing_but_its_errors(name: str) -> None:
    for seed in ALL[name].seeds:
        ALL[name].run(seed)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_inputs_cost_nothing_but_a_targets_own_errors(name: str) -> None:
    dice = random.Random(name)
    for _ in range(EXECUTIONS):
        ALL[name].run(ALL[name].mutate(dice))


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(NAMES), st.binary(max_size=120))
def test_noise_costs_nothing_but_a_targets_own_errors(name: str, data: bytes) -> None:
    ALL[name].run(data)


def test_every_module_of_targets_is_found() -> None:
    modules = {target.function.__module__.rpartition(".")[2] for target in ALL.values()}
    assert modules == {file.stem for file in HERE.glob("targets_*.py")}


def test_equal_dice_give_equal_bytes_and_never_too_many() -> None:
    seeds = [bytes(MAX_BYTES - 1), b"abc"]
    first, second = random.Random("x"), random.Random("x")
    runs = [(mutate(first, seeds), mutate(second, seeds)) for _ in range(200)]
    assert all(a == b and len(a) <= MAX_BYTES for a, b in runs)
    assert len({a for a, _ in runs}) > 150


def target_of(function: Callable[[bytes], None]) -> Target:
    return Target("made_up", function, (b"\1\2\3",))


def test_only_the_errors_that_a_peer_may_cause_are_allowed() -> None:
    def media(_data: bytes) -> None:
        raise MediaError("x")

    def usage(_data: bytes) -> None:
        raise UsageError("x")

    target_of(media).run(b"")
    with pytest.raises(UsageError):
        target_of(usage).run(b"")


def test_the_runner_finds_a_bug_and_keeps_its_input_by_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "CORPUS", tmp_path)
    monkeypatch.setattr(runner, "ROOT", str(tmp_path))

    def fragile(data: bytes) -> None:
        if len(data) > 5:
            raise IndexError("boom")

    outcome = runner.fuzz(target_of(fragile), 5.0, "seed", most=2000)
    (file,) = (tmp_path / "made_up").iterdir()
    assert len(file.read_bytes()) > 5
    assert list(outcome.crashes.values()) == [str(file)]


def test_texts_are_changed_in_lines_and_words_and_stay_texts() -> None:
    seeds = [b"a=one:1 x\r\na=two:2\r\n", b"m=video 9\r\n"]
    first, second = random.Random("x"), random.Random("x")
    runs = [(mutate_text(first, seeds), mutate_text(second, seeds)) for _ in range(300)]
    assert all(a == b and len(a) <= MAX_BYTES for a, b in runs)
    texts = [a.decode("utf-8", "replace") for a, _ in runs]
    assert len(set(texts)) > 200
    assert sum(text.startswith(("a=", "m=")) for text in texts) > 150


def test_an_offer_is_read_to_its_end_by_a_good_part_of_the_inputs() -> None:
    dice, target, answered = random.Random("x"), ALL["sdp-offer"], 0
    for _ in range(300):
        with contextlib.suppress(*ALLOWED):
            target.function(target.mutate(dice))
            answered += 1
    assert answered > 60
