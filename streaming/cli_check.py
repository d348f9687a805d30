"""`headwater check`: whether a configuration can work, and what it comes to."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from streaming.auth.view_keys import access_rules
from streaming.auth.view_tokens import check_key
from streaming.cli_output import (
    EXIT_USAGE,
    ConfigArgument,
    ConfigOption,
    JsonOption,
    err,
    fail,
    out,
    print_json,
    read_config,
)
from streaming.config import Config
from streaming.config_example import render_example
from streaming.config_secrets import effective
from streaming.config_warnings import find_warnings
from streaming.errors import ConfigError
from streaming.live_state.state_dir import find_state_dir


def check(
    file: ConfigArgument = None,
    config: ConfigOption = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print the commented example and stop.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a configuration; prints the effective one with --json, its keys hidden.

    Exit status: 0 it can be served, 2 it is wrong.
    """
    if example:
        sys.stdout.write(render_example())
        return
    config = file or config
    settings = read_config(config)
    where = str(config) if config else "defaults and environment"
    try:
        warnings = find_warnings(settings)
        for key in access_rules(settings).keys:
            check_key(key)
    except ConfigError as error:
        fail(f"{where}: {error}", EXIT_USAGE)
    for warning in warnings:
        err.print(f"[yellow]warning:[/] {where}: ", end="", highlight=False)
        err.print(warning, highlight=False, markup=False, soft_wrap=True)
    if as_json:
        print_json(effective(settings), indent=2)
        return
    rtmp = f"RTMP on {settings.rtmp.listen}" if settings.rtmp.enabled else "RTMP off"
    out.print(
        f"[green]✓[/] {where}: HTTP on {settings.http.listen}, {rtmp}, "
        f"{len(settings.paths)} path tables, live windows kept {where_kept(settings)}",
        soft_wrap=True,
    )


def where_kept(config: Config) -> str:
    """Where live windows survive a restart, for people."""
    root = find_state_dir(config.state_dir, os.environ)
    return "in memory alone" if root is None else f"in {root}"
