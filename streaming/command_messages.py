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


class SetPath(Struct, tag="set_path", frozen=True):
    """Settings of one path, kept beside the configuration file."""

    path: str
    settings: dict[str, Any]


class UnsetPath(Struct, tag="unset_path", frozen=True):
    """Those settings go; the configuration file's hold again."""

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
    | SetPath
    | UnsetPath
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
