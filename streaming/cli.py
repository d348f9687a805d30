"""The command `headwater`."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.panel import Panel

from streaming import __version__
from streaming.config import Config
from streaming.config_example import render_example
from streaming.config_file import load_config
from streaming.errors import ConfigError, StreamingError

EXIT_USAGE = 2
"""The command line or the configuration is wrong."""
EXIT_FAILED = 1
"""The work was tried and failed."""

app = typer.Typer(
    name="headwater",
    help="A live media streaming origin: RTMP in, one encode, HLS and DASH out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console()
err = Console(stderr=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file (TOML).", envvar="HEADWATER_CONFIG"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Ends the command with one sentence on standard error."""
    err.print(f"[bold red]error:[/] {message}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def read_config(file: Path | None) -> Config:
    """The configuration, or the end of the command with the reason."""
    environment = {k: v for k, v in os.environ.items() if k != "HEADWATER_CONFIG"}
    try:
        return load_config(file, environment)
    except ConfigError as error:
        fail(str(error), EXIT_USAGE)


@app.command()
def serve(
    config: ConfigOption = None,
) -> None:
    """Serve the origin; without a configuration the built-in test source is live at once."""
    from streaming.app import serve as run

    settings = read_config(config)
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(message)s",
        datefmt="[%X]",
        handlers=[RichHandler(console=err, show_path=False, markup=False)],
    )
    try:
        run(settings, lambda: out.print(banner(settings)))
    except StreamingError as error:
        fail(str(error), EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILED)


def banner(config: Config) -> Panel:
    """What to open and where to push."""
    page = f"http://{reachable(config.http.listen)}"
    lines = [f"Open      [bold]{page}/[/]"]
    live = [name for name, path in config.paths.items() if path.source and "*" not in name]
    lines += [f"Watch     [bold]{page}/{name}/[/]" for name in live[:4]]
    if config.rtmp.enabled:
        target = f"rtmp://{reachable(config.rtmp.listen)}/live"
        lines.append(f"Push to   [bold]{target}[/]  stream key [bold]foo[/]")
        lines.append(f"          and watch [bold]{page}/live/foo/[/]")
    lines.append("[dim]Ctrl-C stops.[/]")
    return Panel("\n".join(lines), title=f"Headwater {__version__}", expand=False)


def reachable(listen: str) -> str:
    """An address to type into a browser on this machine for what `listen` says."""
    host, _, port = listen.rpartition(":")
    return f"{'127.0.0.1' if host in ('0.0.0.0', '[::]') else host}:{port}"


@app.command()
def check(
    config: ConfigOption = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print the commented example and stop.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a configuration; prints the effective one with --json. Exit status 2: it is wrong."""
    if example:
        sys.stdout.write(render_example())
        return
    settings = read_config(config)
    if as_json:
        import msgspec

        sys.stdout.write(json.dumps(msgspec.to_builtins(settings), indent=2) + "\n")
        return
    where = str(config) if config else "defaults and environment"
    out.print(f"[green]✓[/] {where}: HTTP on {settings.http.listen}, ", end="")
    out.print(f"RTMP on {settings.rtmp.listen}" if settings.rtmp.enabled else "RTMP off", end="")
    out.print(f", {len(settings.paths)} path tables")


def version(show: bool) -> None:
    if show:
        out.print(f"headwater {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    """Entry point of the console command."""
    app()
