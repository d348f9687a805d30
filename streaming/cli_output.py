"""What every command shares: where it prints, how it fails, what its exit status means."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Final, NoReturn

import typer
from rich.text import Text

from streaming.cli_terminal import (
    CONFIG_VARIABLE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    EXIT_USAGE,
    environment,
    err,
    out,
    print_error,
)
from streaming.config import Config
from streaming.config_file import load_config
from streaming.errors import ConfigError

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file (TOML).", envvar=CONFIG_VARIABLE),
]
ConfigArgument = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="The same as --config.")
]
UrlOption = Annotated[str, typer.Option("--url", help="The origin.", envvar="HEADWATER_URL")]
LOCAL_URL = "http://127.0.0.1:8080"
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Ends the command with one sentence on standard error."""
    print_error(message)
    raise typer.Exit(code)


def shown(text: str) -> str:
    """What others say, fit for a terminal, which control characters would command."""
    return text.translate(_CONTROLS)


def cells(*texts: str) -> tuple[Text, ...]:
    """The same for a row of a table, where brackets are no markup."""
    return tuple(Text(shown(text)) for text in texts)


_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}


def print_json(value: Mapping[str, object], *, indent: int | None = None) -> None:
    """One JSON object on standard output, at once: a program may be reading along."""
    sys.stdout.write(json.dumps(value, indent=indent) + "\n")
    sys.stdout.flush()


def read_config(file: Path | None) -> Config:
    """The configuration, or the end of the command with the reason."""
    try:
        return load_config(file, environment())
    except ConfigError as error:
        fail(str(error), EXIT_USAGE)


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM, too, raises KeyboardInterrupt within the block."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


__all__ = [
    "EXIT_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_REFUSED",
    "EXIT_USAGE",
    "LOCAL_URL",
    "ConfigArgument",
    "ConfigOption",
    "JsonOption",
    "UrlOption",
    "cells",
    "environment",
    "err",
    "fail",
    "interruptible",
    "out",
    "print_json",
    "read_config",
    "shown",
]
