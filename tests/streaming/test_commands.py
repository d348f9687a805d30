"""Commands on paths in the main process: what is done, and not when somebody was faster."""

from __future__ import annotations

from typing import Any

import pytest

from streaming.command_messages import (
    ChangeSettings,
    ChooseOnAir,
    Command,
    CommandAnswer,
    CommandRequest,
    EndSession,
    ForgetSettings,
    Kick,
    RemoveSource,
    SetSource,
)
from streaming.commands import Answer, Commands
from streaming.publisher_slot import Rank

ON_PATHS: list[Command] = [
    Kick("live/a"),
    ChooseOnAir("live/a", None),
    EndSession("live/a", "s1"),
    SetSource("live/a", {"source": "test:"}),
    RemoveSource("live/a"),
    ChangeSettings("live/a", {"window_s": 60}),
    ForgetSettings("live/a"),
]


class Origin:
    """Everything that can be commanded; it does what it is told and says so."""

    def __init__(self, version: int | None = 7) -> None:
        self.version = version
        self.done: list[str] = []
        self.commands = Commands(self, self, self, self.send)  # type: ignore[arg-type]

    def command(self, command: Command, if_match: int | None) -> CommandAnswer:
        answers: list[CommandAnswer] = []
        self.commands.execute(CommandRequest(1, command, "ops", if_match), answers.append)
        (answer,) = answers
        return answer

    def state_version(self, name: str) -> int | None:
        return self.version

    def kick(self, name: str) -> bool:
        return self._do("kick")

    def choose_on_air(self, name: str, rank: Rank | None) -> bool:
        return self._do("on-air")

    def end(self, number: int, command: EndSession, answer: Answer) -> None:
        self._do("session")
        answer(CommandAnswer(number, 200))

    def send(self, command: object) -> dict[str, Any]:
        return {"done": self._do("send")}

    def set_path(self, *of: object) -> dict[str, Any]:
        return {"done": self._do("set")}

    def unset_path(self, *of: object) -> dict[str, Any]:
        return {"done": self._do("unset")}

    def _do(self, what: str) -> bool:
        self.done.append(what)
        return True


@pytest.mark.parametrize("command", ON_PATHS, ids=lambda one: type(one).__name__)
def test_a_command_is_carried_out_only_while_the_path_is_in_the_state_it_is_for(
    command: Command,
) -> None:
    origin = Origin()
    answer = origin.command(command, 6)
    assert (answer.status, answer.detail) == (412, "live/a is at state_version 7, not at 6")
    assert origin.done == []
    assert origin.command(command, 7).status == 200
    assert origin.command(command, None).status == 200
    assert len(origin.done) == 2


def test_a_path_that_is_not_there_matches_nothing() -> None:
    origin = Origin(version=None)
    assert origin.command(SetSource("live/a", {"source": "test:"}), 7).status == 412
    assert origin.command(Kick("live/a"), 7).status == 404
    assert origin.done == []
    assert origin.command(SetSource("live/a", {"source": "test:"}), None).status == 200


def test_a_mistake_of_ours_costs_its_asker_an_answer_and_nobody_more() -> None:
    class Broken(Origin):
        def kick(self, name: str) -> bool:
            raise RuntimeError("a mistake")

    answer = Broken().command(Kick("live/a"), None)
    assert (answer.id, answer.status) == (1, 500)
    assert "mistake" not in answer.detail
