"""The command `headwater`; each command's body is in a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.logging import RichHandler
from rich.panel import Panel

from streaming import __version__
from streaming.cli_check import check
from streaming.cli_config import config as config_commands
from streaming.cli_events import events
from streaming.cli_inspect import inspect
from streaming.cli_key import key
from streaming.cli_output import (
    EXIT_FAILED,
    EXIT_USAGE,
    ConfigArgument,
    ConfigOption,
    environment,
    err,
    fail,
    out,
    read_config,
)
from streaming.cli_paths import kick, paths, sessions
from streaming.cli_play import play
from streaming.cli_probe import probe
from streaming.cli_push import push
from streaming.cli_send import send
from streaming.cli_sources import settings as path_settings
from streaming.cli_sources import sources
from streaming.cli_token import token
from streaming.cli_webhooks import webhooks
from streaming.config import Config
from streaming.errors import ConfigError, StreamingError
from streaming.logs import start_logging

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
    from streaming.app import serve as run

    config = file or config
    settings = read_config(config)
    terminal = RichHandler(console=err, show_path=False, markup=False) if err.is_terminal else None
    start_logging("origin", settings.log_level, settings.log_format, terminal)
    try:
        run(settings, lambda: out.print(banner(settings)), config, environment())
    except StreamingError as error:
        fail(str(error), EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILED)


def banner(config: Config) -> Panel:
    """What to open and where to push."""
    scheme = "https" if config.http.tls_certificate else "http"
    page = f"{scheme}://{reachable(config.http.listen)}"
    lines = [f"Open      [bold]{page}/[/]"]
    live = [name for name, path in config.paths.items() if path.source and "*" not in name]
    lines += [f"Watch     [bold]{page}/{name}/[/]" for name in live[:4]]
    if config.rtmp.enabled:
        target = f"rtmp://{reachable(config.rtmp.listen)}/live"
        lines.append(f"Push to   [bold]{target}[/]  stream key [bold]foo[/]")
        if config.rtmp.tls_listen:
            secure = reachable(config.rtmp.tls_listen)
            lines.append(f"          or to [bold]rtmps://{secure}/live[/]")
        lines.append(f"          and watch [bold]{page}/live/foo/[/]")
    lines.append("[dim]Ctrl-C stops.[/]")
    return Panel("\n".join(lines), title=f"Headwater {__version__}", expand=False)


def reachable(listen: str) -> str:
    """An address to type into a browser on this machine for what `listen` says."""
    host, _, port = listen.rpartition(":")
    return f"{'127.0.0.1' if host in ('0.0.0.0', '[::]') else host}:{port}"


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
