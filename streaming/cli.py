"""The command `headwater`; each command's body is in a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from streaming import __version__
from streaming.cli_check import check
from streaming.cli_config import config as config_commands
from streaming.cli_events import events
from streaming.cli_inspect import inspect
from streaming.cli_key import key
from streaming.cli_output import ConfigArgument, ConfigOption, out
from streaming.cli_paths import kick, paths, sessions
from streaming.cli_play import play
from streaming.cli_probe import probe
from streaming.cli_push import push
from streaming.cli_send import send
from streaming.cli_sources import settings as path_settings
from streaming.cli_sources import sources
from streaming.cli_token import token
from streaming.cli_webhooks import webhooks

app = typer.Typer(
    name="headwater",
    help="A live media streaming origin: one encode; low-latency HLS, DASH and WebRTC out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def serve(
    file: ConfigArgument = None,
    config: ConfigOption = None,
) -> None:
    """Serve the origin; without a configuration the built-in test source is live at once."""
    from streaming.cli_serve import run_origin

    status = run_origin(file or config)
    if status:
        raise typer.Exit(status)


app.command()(check)
app.add_typer(config_commands)
app.command()(inspect)
app.add_typer(key)
app.add_typer(token)
app.command()(paths)
app.command()(sessions)
app.command()(kick)
app.command()(send)
app.add_typer(sources)
app.add_typer(path_settings)
app.add_typer(webhooks)
app.command()(push)
app.command()(play)
app.command()(probe)
app.command()(events)


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
