"""Carries out the API's commands in the main process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from streaming.command_messages import (
    ChangeSettings,
    ChooseOnAir,
    CommandAnswer,
    CommandRequest,
    EndSession,
    ForgetSettings,
    GetConfig,
    GetSession,
    GetSettings,
    Kick,
    ListDeliveries,
    ListSessions,
    ListSources,
    ListWebhooks,
    ReloadConfig,
    RemoveSource,
    RemoveWebhook,
    SendMessage,
    SetSource,
    SetWebhook,
    ValidateConfig,
    WebhookCommand,
)
from streaming.errors import ConfigError, MessageRefused
from streaming.live_config import SETTING_KEYS, SOURCE_KEYS, Keys
from streaming.publisher_slot import Rank
from streaming.session_commands import SessionCommands
from streaming.webhook_commands import WebhookCommands

logger = logging.getLogger(__name__)

Answer = Callable[[CommandAnswer], None]
_UNLOGGED: Final = (
    GetConfig, ValidateConfig, GetSettings, ListSources, ListWebhooks, ListDeliveries, SendMessage,
    ListSessions, GetSession,
)  # fmt: skip
"""Not worth a line in the log; messages are events."""
_CONFIGURING: Final = (
    SetSource, RemoveSource, ChangeSettings, ForgetSettings, SetWebhook, RemoveWebhook,
    ReloadConfig, ValidateConfig,
)  # fmt: skip
"""What reads or writes files."""


class CommandedPaths(Protocol):
    """The part of the registry that is commanded."""

    def state_version(self, name: str) -> int | None:
        """Number of the path's latest transition; None where there is no such path."""

    def kick(self, name: str) -> bool:
        """Closes the publisher of a path; False where there is none."""

    def choose_on_air(self, name: str, rank: Rank | None) -> bool:
        """Puts a rank on air; False where there is no such path."""


class CommandedConfig(Protocol):
    """The configuration as far as it can be commanded; all raise ConfigError."""

    def effective(self) -> dict[str, Any]:
        """All settings, secrets hidden."""

    async def validate(self, toml: str) -> None:
        """Returns where the text could be the configuration file."""

    async def reload(self) -> dict[str, Any]:
        """Reads it again; what has changed."""

    def settings(self, name: str) -> dict[str, Any]:
        """What a path has, secrets hidden, and what of that the API has set."""

    def sources(self) -> list[dict[str, Any]]:
        """Every path that pulls something."""

    async def set_path(self, name: str, settings: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
        """Settings of a path from now on; what has changed."""

    async def unset_path(self, name: str, keys: Keys) -> dict[str, Any] | None:
        """Takes them back; None where there were none."""


class Commands:
    """Owns the commands that wait for a disk, and their order.

    The composition root wires it between delivery and everything it commands.
    """

    def __init__(
        self,
        paths: CommandedPaths,
        config: CommandedConfig,
        sessions: SessionCommands,
        send: Callable[[SendMessage], dict[str, Any]],
        webhooks: WebhookCommands | None = None,
    ) -> None:
        """`send` raises MessageRefused."""
        self._paths = paths
        self._config = config
        self._sessions = sessions
        self._send = send
        self._webhooks = webhooks
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def execute(self, request: CommandRequest, answer: Answer) -> None:
        """Does it; `answer` is called once, perhaps later."""
        if isinstance(request.command, _CONFIGURING):
            task = asyncio.get_running_loop().create_task(self._configure(request, answer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        try:
            self._execute(request, answer)
        except Exception:  # a mistake of ours; raised further it would cost the asker's process
            answer(_mistake(request))

    async def close(self) -> None:
        """What waits for a disk is not answered any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _configure(self, request: CommandRequest, answer: Answer) -> None:
        """In the order of the requests, so that what one changes is seen by the next."""
        async with self._turn:
            try:
                told = self._overtaken(request) or await self._change(request)
            except ConfigError as error:
                told = CommandAnswer(request.id, error.http_status or 422, detail=str(error))
            except Exception:
                told = _mistake(request)
            answer(told)
        _log(request, told.status)

    def _execute(self, request: CommandRequest, answer: Answer) -> None:
        command = request.command
        overtaken = self._overtaken(request)
        if overtaken is not None:
            told: CommandAnswer | None = overtaken
            answer(overtaken)
        elif isinstance(command, EndSession):
            self._sessions.end(request.id, command, answer)
            told = None
        elif isinstance(command, ListSessions):
            self._sessions.list(request.id, command, answer)
            told = None
        elif isinstance(command, GetSession):
            self._sessions.get(request.id, command, answer)
            told = None
        elif isinstance(command, WebhookCommand) and self._webhooks is not None:
            self._webhooks.execute(request.id, command, answer)
            told = None
        else:
            told = self._carry_out(request)
            answer(told)
        _log(request, told.status if told is not None else "passed on")

    def _overtaken(self, request: CommandRequest) -> CommandAnswer | None:
        """The answer where the path is not in the state that the command is for (RFC 9110 13.1.1).

        What commands a path that is not there is told so instead.
        """
        command = request.command
        if request.if_match is None or isinstance(command, WebhookCommand):
            return None
        path = getattr(command, "path", "")
        version = self._paths.state_version(path)
        is_missing = version is None and isinstance(command, Kick | ChooseOnAir)
        if version == request.if_match or is_missing:
            return None
        now = f"at state_version {version}" if version is not None else "not there"
        detail = f"{path} is {now}, not at {request.if_match}"
        return CommandAnswer(request.id, 412, detail=detail)

    def _carry_out(self, request: CommandRequest) -> CommandAnswer:
        number, command = request.id, request.command
        try:
            match command:
                case Kick():
                    return self._on_path(number, command, self._paths.kick)
                case ChooseOnAir():
                    rank = Rank(command.rank) if command.rank is not None else None
                    return self._on_path(
                        number, command, lambda name: self._paths.choose_on_air(name, rank)
                    )
                case SendMessage():
                    return CommandAnswer(number, 200, self._send(command))
                case GetSettings():
                    return CommandAnswer(number, 200, self._config.settings(command.path))
                case ListSources():
                    return CommandAnswer(number, 200, {"sources": self._config.sources()})
                case _:
                    return CommandAnswer(number, 200, self._config.effective())
        except MessageRefused as refusal:
            return CommandAnswer(number, refusal.http_status or 400, detail=str(refusal))

    async def _change(self, request: CommandRequest) -> CommandAnswer:
        """What changes the configuration, or looks whether it could be. Raises ConfigError."""
        number, command, config = request.id, request.command, self._config
        match command:
            case SetSource():
                changes = await config.set_path(command.path, command.settings, SOURCE_KEYS)
                return CommandAnswer(number, 200, changes)
            case ChangeSettings():
                settings = command.settings
                changes = await config.set_path(command.path, settings, settings.keys())
                return CommandAnswer(number, 200, changes)
            case RemoveSource():
                return await self._unset(number, command.path, SOURCE_KEYS)
            case ForgetSettings():
                return await self._unset(number, command.path, SETTING_KEYS)
            case ValidateConfig():
                return await self._validate(number, command.toml)
            case SetWebhook() | RemoveWebhook() if self._webhooks is not None:
                return await self._webhooks.change(number, command)
            case _:
                return CommandAnswer(number, 200, await config.reload())

    async def _validate(self, number: int, toml: str) -> CommandAnswer:
        try:
            await self._config.validate(toml)
        except ConfigError as error:
            return CommandAnswer(number, 200, {"valid": False, "reason": str(error)})
        return CommandAnswer(number, 200, {"valid": True, "reason": ""})

    async def _unset(self, number: int, path: str, keys: Keys) -> CommandAnswer:
        unset = await self._config.unset_path(path, keys)
        if unset is None:
            return _no_path(number, f"the API has set nothing of that of {path}")
        return CommandAnswer(number, 200, unset)

    def _on_path(
        self, number: int, command: Kick | ChooseOnAir, act: Callable[[str], bool]
    ) -> CommandAnswer:
        version = self._paths.state_version(command.path)
        if version is None:
            return _no_path(number, f"there is no path {command.path}")
        if not act(command.path):
            return CommandAnswer(number, 409, detail=f"{command.path} has no publisher")
        after = self._paths.state_version(command.path)
        return CommandAnswer(number, 200, {"path": command.path, "state_version": after})


def _no_path(number: int, detail: str) -> CommandAnswer:
    return CommandAnswer(number, 404, detail=detail)


def _mistake(request: CommandRequest) -> CommandAnswer:
    """The answer where something was raised that nobody foresaw."""
    logger.exception("command %s failed", type(request.command).__name__)
    detail = "something went wrong here; the log says more"
    return CommandAnswer(request.id, 500, detail=detail)


def _log(request: CommandRequest, outcome: int | str) -> None:
    command = request.command
    if not isinstance(command, _UNLOGGED):
        path = getattr(command, "path", "") or getattr(command, "name", "")
        name = type(command).__name__
        logger.info("command %s %s by %s: %s", name, path, request.actor, outcome)
