"""`headwater serve`: the origin in this process."""

from __future__ import annotations

from pathlib import Path

from rich.logging import RichHandler
from rich.panel import Panel

from streaming import __version__
from streaming.app import serve
from streaming.cli_terminal import EXIT_FAILED, EXIT_USAGE, environment, err, out, print_error
from streaming.config import Config
from streaming.config_file import load_config
from streaming.errors import ConfigError, StreamingError
from streaming.logs import start_logging


def run_origin(file: Path | None) -> int:
    """Serves what `file` configures until it is told to stop; the exit status."""
    try:
        config = load_config(file, environment())
        terminal = RichHandler(console=err, show_path=False, markup=False)
        start_logging(
            "origin", config.log_level, config.log_format, terminal if err.is_terminal else None
        )
        serve(config, lambda: out.print(banner(config)), file, environment())
    except StreamingError as error:
        print_error(str(error))
        return EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILED
    return 0


MOST_WATCHED = 4
"""Addresses in the banner; the dashboard has the others."""


def banner(config: Config) -> Panel:
    """What to open and where to push."""
    scheme = "https" if config.http.tls_certificate else "http"
    page = f"{scheme}://{reachable(config.http.listen)}"
    lines = [f"Open      [bold]{page}/[/]"]
    live = [name for name, path in config.paths.items() if path.source and "*" not in name]
    lines += [f"Watch     [bold]{page}/{name}/[/]" for name in live[:MOST_WATCHED]]
    if len(live) > MOST_WATCHED:
        lines.append(f"          and {len(live) - MOST_WATCHED} more, all on the first page")
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
