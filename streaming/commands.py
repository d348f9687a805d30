"""Carries out the API's commands in the main process."""

from __future__ import annotations

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
    GetSettings,
    Kick,
    ListDeliveries,
    ListSessions,
    ListSources,
    ListWebhooks,
    ReloadConfig,
    RemoveSource,
    SendMessage,
    SetSource,
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
    ListSessions,
)  # fmt: skip
"""Not worth a line in the log; messages are events."""


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

    def validate(self, toml: str) -> None:
        """Returns where the text could be the configuration file."""

    def reload(self) -> dict[str, Any]:
        """Reads it again; what has changed."""

    def settings(self, name: str) -> dict[str, Any]:
        """What a path has, secrets hidden, and what of that the API has set."""

    def sources(self) -> list[dict[str, Any]]:
        """Every path that pulls something."""

    def set_path(self, name: str, settings: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
        """Settings of a path from now on; what has changed."""

    def unset_path(self, name: str, keys: Keys) -> dict[str, Any] | None:
        """Takes them back; None where there were none."""


class Commands:
    """Owns nothing; the composition root wires it between delivery and everything it commands."""

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

    def execute(self, request: CommandRequest, answer: Answer) -> None:
        """Does it; `answer` is called once, perhaps later."""
        try:
            self._execute(request, answer)
        except Exception:  # a mistake of ours; raised further it would cost the asker's process
            logger.exception("command %s failed", type(request.command).__name__)
            detail = "something went wrong here; the log says more"
            answer(CommandAnswer(request.id, 500, detail=detail))

    def _execute(self, request: CommandRequest, answer: Answer) -> None:
        command = request.command
        name = type(command).__name__
        overtaken = self._overtaken(request)
        if overtaken is not None:
            told: CommandAnswer | None = overtaken
            answer(overtaken)
        elif isinstance(command, EndSession):
            self._sessions.end(request.id, command, answer)
            told = None
        elif isinstance(command, WebhookCommand) and self._webhooks is not None:
            self._webhooks.execute(request.id, command, answer)
            told = None
        else:
            told = self._carry_out(request)
            answer(told)
        if not isinstance(command, _UNLOGGED):
            status = told.status if told is not None else "passed on"
            path = getattr(command, "path", "") or getattr(command, "name", "")
            logger.info("command %s %s by %s: %s", name, path, request.actor, status)

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
                case SetSource():
                    changes = self._config.set_path(command.path, command.settings, SOURCE_KEYS)
                    return CommandAnswer(number, 200, changes)
                case ChangeSettings():
                    settings = command.settings
                    changes = self._config.set_path(command.path, settings, settings.keys())
                    return CommandAnswer(number, 200, changes)
                case RemoveSource():
                    return self._unset(number, command.path, SOURCE_KEYS)
                case ForgetSettings():
                    return self._unset(number, command.path, SETTING_KEYS)
                case GetSettings():
                    return CommandAnswer(number, 200, self._config.settings(command.path))
                case ListSessions():
                    return self._sessions.list(number, command)
                case ListSources():
                    return CommandAnswer(number, 200, {"sources": self._config.sources()})
                case ValidateConfig():
                    self._config.validate(command.toml)
                    return CommandAnswer(number, 200, {"valid": True, "reason": ""})
                case ReloadConfig():
                    return CommandAnswer(number, 200, self._config.reload())
                case _:
                    return CommandAnswer(number, 200, self._config.effective())
        except MessageRefused as refusal:
            return CommandAnswer(number, refusal.http_status or 400, detail=str(refusal))
        except ConfigError as error:
            if isinstance(command, ValidateConfig):
                return CommandAnswer(number, 200, {"valid": False, "reason": str(error)})
            return CommandAnswer(number, 422, detail=str(error))

    def _unset(self, number: int, path: str, keys: Keys) -> CommandAnswer:
        unset = self._config.unset_path(path, keys)
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
