"""Commands on paths in the main process: what is done, and not when somebody was faster."""

from __future__ import annotations

import asyncio
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
from streaming.errors import ConfigError
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

    async def command(self, command: Command, if_match: int | None) -> CommandAnswer:
        answer = asyncio.get_running_loop().create_future()
        self.commands.execute(CommandRequest(1, command, "ops", if_match), answer.set_result)
        told: CommandAnswer = await answer
        return told

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

    async def set_path(self, *of: object) -> dict[str, Any]:
        return {"done": self._do("set")}

    async def unset_path(self, *of: object) -> dict[str, Any]:
        return {"done": self._do("unset")}

    def _do(self, what: str) -> bool:
        self.done.append(what)
        return True


@pytest.mark.parametrize("command", ON_PATHS, ids=lambda one: type(one).__name__)
async def test_a_command_is_carried_out_only_while_the_path_is_in_the_state_it_is_for(
    command: Command,
) -> None:
    origin = Origin()
    answer = await origin.command(command, 6)
    assert (answer.status, answer.detail) == (412, "live/a is at state_version 7, not at 6")
    assert origin.done == []
    assert (await origin.command(command, 7)).status == 200
    assert (await origin.command(command, None)).status == 200
    assert len(origin.done) == 2


async def test_a_path_that_is_not_there_matches_nothing() -> None:
    origin = Origin(version=None)
    assert (await origin.command(SetSource("live/a", {"source": "test:"}), 7)).status == 412
    assert (await origin.command(Kick("live/a"), 7)).status == 404
    assert origin.done == []
    assert (await origin.command(SetSource("live/a", {"source": "test:"}), None)).status == 200


async def test_a_mistake_of_ours_costs_its_asker_an_answer_and_nobody_more() -> None:
    class Broken(Origin):
        def kick(self, name: str) -> bool:
            raise RuntimeError("a mistake")

    answer = await Broken().command(Kick("live/a"), None)
    assert (answer.id, answer.status) == (1, 500)
    assert "mistake" not in answer.detail


class Slow(Origin):
    """Its disk takes a while; each change is a transition of the path."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = asyncio.Event()

    async def set_path(self, *of: object) -> dict[str, Any]:
        await self.disk.wait()
        assert self.version is not None
        self.version += 1
        return {"done": self._do("set")}


async def test_of_two_who_want_to_change_the_same_state_one_is_told_that_it_was_overtaken() -> None:
    origin = Slow()
    asked = [
        asyncio.ensure_future(origin.command(SetSource("live/a", {"source": "test:"}), 7))
        for _ in range(2)
    ]
    kicked = await origin.command(Kick("live/a"), None)
    assert kicked.status == 200, "what needs no disk does not wait for it"
    origin.disk.set()
    assert [answer.status for answer in await asyncio.gather(*asked)] == [200, 412]
    assert origin.done == ["kick", "set"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("the disk is full", http_status=500), 500),
        (ConfigError("that cannot be"), 422),
        (RuntimeError("a mistake"), 500),
    ],
    ids=["disk", "settings", "mistake"],
)
async def test_what_goes_wrong_with_a_change_reaches_its_asker(
    error: Exception, status: int
) -> None:
    class Failing(Origin):
        async def set_path(self, *of: object) -> dict[str, Any]:
            raise error

    answer = await Failing().command(SetSource("live/a", {"source": "test:"}), None)
    assert (answer.id, answer.status) == (1, status)
    assert (str(error) in answer.detail) is isinstance(error, ConfigError)
