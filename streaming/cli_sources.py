"""`headwater sources`, `headwater settings`: what paths of a running origin pull and are like."""

from __future__ import annotations

import tomllib
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from streaming.cli_api import TokenOption, ask
from streaming.cli_config import flat, show_changes
from streaming.cli_output import (
    EXIT_USAGE,
    LOCAL_URL,
    JsonOption,
    UrlOption,
    cells,
    fail,
    out,
    print_json,
)

sources = typer.Typer(name="sources", help="What is pulled.", no_args_is_help=True)
settings = typer.Typer(name="settings", help="Settings of paths.", no_args_is_help=True)
PathArgument = Annotated[str, typer.Argument(help="Such as live/foo.")]


@sources.callback()
def source_commands() -> None:
    """What a running origin pulls; changes are kept beside its configuration file."""


@sources.command("list")
def list_sources(
    url: UrlOption = LOCAL_URL, token: TokenOption = "", as_json: JsonOption = False
) -> None:
    """List what is pulled."""
    told = ask(url, token, "GET", "/sources")
    if as_json:
        print_json(told)
        return
    table = Table("path", "source", "when", "set by")
    for one in told["sources"]:
        when = "while watched" if one["source_on_demand"] else "always"
        by = "API" if one["set_by_api"] else "file"
        table.add_row(*cells(one["path"], one["source"], when, by))
    out.print(table)


@sources.command("set")
def set_source(
    path: PathArgument,
    source: Annotated[str, typer.Argument(help="As `source` in the configuration.")],
    on_demand: Annotated[bool, typer.Option(help="Pull only while someone watches.")] = False,
    idle: Annotated[float, typer.Option(help="Then: close after so long without.")] = 30.0,
    loop: Annotated[bool, typer.Option(help="Begin a file again when it ends.")] = True,
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Pull something from now on, or something else."""
    body = {
        "source": source, "source_on_demand": on_demand, "source_idle_s": idle, "source_loop": loop,
    }  # fmt: skip
    told = ask(url, token, "PUT", f"/sources/{quote(path)}", body)
    show_changes(told, as_json=as_json)


@sources.command()
def remove(
    path: PathArgument,
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take back a source that was set while the origin ran."""
    show_changes(ask(url, token, "DELETE", f"/sources/{quote(path)}"), as_json=as_json)


@settings.callback()
def setting_commands() -> None:
    """Settings of paths of a running origin; changes are kept beside its configuration file."""


@settings.command()
def show(
    path: PathArgument,
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print what a path has, its secrets hidden."""
    told = ask(url, token, "GET", f"/settings/{quote(path)}")
    if as_json:
        print_json(told)
        return
    table = Table("key", "value", "set by")
    for key, value in flat(told["effective"]):
        by = "API" if key in told["set_by_api"] else ""
        table.add_row(*cells(key, value, by))
    out.print(f"table: {told['table'] or 'none'}", highlight=False, markup=False)
    out.print(table)


@settings.command("set")
def change(
    path: PathArgument,
    assignments: Annotated[list[str], typer.Argument(help="key=value, as in the configuration.")],
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Change settings of a path: ladder=copy window_s=20; "key=" takes one back."""
    body = dict(map(_assignment, assignments))
    show_changes(ask(url, token, "PATCH", f"/settings/{quote(path)}", body), as_json=as_json)


@settings.command()
def forget(
    path: PathArgument,
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take back all settings that were set while the origin ran; not the source."""
    show_changes(ask(url, token, "DELETE", f"/settings/{quote(path)}"), as_json=as_json)


def _assignment(text: str) -> tuple[str, Any]:
    key, mark, value = text.partition("=")
    if not mark or not key:
        fail(f"{text!r} is not key=value", EXIT_USAGE)
    if not value:
        return key, None
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value
