"""What every command shares: where it prints, how it fails, what its exit status means."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from streaming.config import Config
from streaming.config_file import load_config
from streaming.errors import ConfigError

EXIT_FAILED = 1
"""The work was tried and failed."""
EXIT_USAGE = 2
"""The command line or the configuration is wrong."""
EXIT_REFUSED = 3
"""A server said no."""
EXIT_INTERRUPTED = 130
"""Ctrl-C or SIGTERM; the number is the shells' convention."""

out = Console()
err = Console(stderr=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file (TOML).", envvar="HEADWATER_CONFIG"),
]
ConfigArgument = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="The same as --config.")
]
UrlOption = Annotated[str, typer.Option("--url", help="The origin.", envvar="HEADWATER_URL")]
LOCAL_URL = "http://127.0.0.1:8080"
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Ends the command with one sentence on standard error."""
    err.print("[bold red]error:[/] ", end="")
    err.print(message, highlight=False, markup=False, soft_wrap=True)
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


def environment() -> dict[str, str]:
    """Of the configuration's variables those that are keys of it, and everything else."""
    ours = ("HEADWATER_CONFIG", "HEADWATER_URL", "HEADWATER_TOKEN")
    return {name: value for name, value in os.environ.items() if name not in ours}


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
