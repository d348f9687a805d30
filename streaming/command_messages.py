"""A command of the API on its way from a delivery process to the main process, and its answer."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct


class Kick(Struct, tag="kick", frozen=True):
    """Close the publishers of a path."""

    path: str
    if_match: int | None = None
    """Only while the path's state_version is this."""


class ChooseOnAir(Struct, tag="on_air", frozen=True):
    """Put a rank on air; None lets the policy decide again."""

    path: str
    rank: Literal["primary", "backup", "slate"] | None
    if_match: int | None = None


class EndSession(Struct, tag="end_session", frozen=True):
    """End a WHEP or WHIP session."""

    path: str
    session: str


class SetSource(Struct, tag="set_source", frozen=True):
    """What a path pulls, kept beside the configuration file."""

    path: str
    settings: dict[str, Any]


class RemoveSource(Struct, tag="remove_source", frozen=True):
    """That goes; the configuration file's holds again."""

    path: str


class ListSources(Struct, tag="list_sources", frozen=True):
    """What every path pulls."""


class GetSettings(Struct, tag="get_settings", frozen=True):
    """What a path of this name has, and what of that the API has set."""

    path: str


class ChangeSettings(Struct, tag="change_settings", frozen=True):
    """Other settings of a path, kept beside the configuration file; None takes one back."""

    path: str
    settings: dict[str, Any]


class ForgetSettings(Struct, tag="forget_settings", frozen=True):
    """All of those go, but not its source."""

    path: str


class GetConfig(Struct, tag="get_config", frozen=True):
    """The effective configuration without its secrets."""


class ValidateConfig(Struct, tag="validate_config", frozen=True):
    """Whether a text could be the configuration file."""

    toml: str


class ReloadConfig(Struct, tag="reload_config", frozen=True):
    """Read the configuration again and apply what has changed."""


Command: TypeAlias = (
    Kick
    | ChooseOnAir
    | EndSession
    | SetSource
    | RemoveSource
    | ListSources
    | GetSettings
    | ChangeSettings
    | ForgetSettings
    | GetConfig
    | ValidateConfig
    | ReloadConfig
)


class CommandRequest(Struct, tag="command", array_like=True, frozen=True):
    """One command; the answer carries its `id`."""

    id: int
    command: Command
    actor: str
    """Name of the token, for the log."""


class CommandAnswer(Struct, tag="command_answer", array_like=True, frozen=True):
    """What came of it: an HTTP status, and JSON or, from 400 on, one sentence."""

    id: int
    status: int
    result: Any = None
    detail: str = ""
