"""`headwater config`: the configuration on disk, and the one that a running origin has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from streaming.cli_api import TokenOption, ask
from streaming.cli_check import check
from streaming.cli_output import (
    EXIT_USAGE,
    LOCAL_URL,
    JsonOption,
    UrlOption,
    fail,
    out,
    print_json,
)

config = typer.Typer(name="config", help="The configuration.", no_args_is_help=True)
config.command()(check)


@config.callback()
def commands() -> None:
    """The configuration, on disk and of a running origin."""


@config.command()
def effective(
    url: UrlOption = LOCAL_URL, token: TokenOption = "", as_json: JsonOption = False
) -> None:
    """Print what a running origin has, its secrets hidden."""
    told = ask(url, token, "GET", "/config")
    if as_json:
        print_json(told, indent=2)
        return
    table = Table("key", "value")
    for key, value in flat(told):
        table.add_row(key, value)
    out.print(table)


@config.command()
def validate(
    file: Annotated[Path, typer.Argument(help="What would be the configuration file.")],
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask a running origin whether it could serve a file. Exit status: 0 yes, 2 no."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {getattr(error, 'strerror', None) or error}", EXIT_USAGE)
    told = ask(url, token, "POST", "/config/validate", {"toml": text})
    if as_json:
        print_json(told)
    if not told["valid"]:
        if as_json:
            raise typer.Exit(EXIT_USAGE)
        fail(f"{file}: {told['reason']}", EXIT_USAGE)
    if not as_json:
        out.print(f"[green]✓[/] {file} can be served", highlight=False)


@config.command()
def reload(
    url: UrlOption = LOCAL_URL, token: TokenOption = "", as_json: JsonOption = False
) -> None:
    """Have a running origin read its configuration again; says what changed."""
    show_changes(ask(url, token, "POST", "/config/reload"), as_json=as_json)


def show_changes(told: dict[str, Any], *, as_json: bool) -> None:
    """What came of another configuration."""
    if as_json:
        print_json(told)
        return
    words = {
        "changed": "holds now",
        "webhooks": "webhook, holds now",
        "deferred": "in part when the path begins anew",
        "needs_restart": "waits for a restart",
    }
    rows = [(name, words[key]) for key in words for name in told.get(key, ())]
    if not rows:
        out.print("nothing has changed")
        return
    table = Table("what", "when")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def flat(values: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Tables of tables as rows: "http.listen" and its value."""
    if not isinstance(values, dict) or not values:
        return [(prefix, str(values))]
    rows = []
    for key, value in values.items():
        name = f'"{key}"' if "." in key or "*" in key else key
        rows += flat(value, f"{prefix}.{name}" if prefix else name)
    return rows
