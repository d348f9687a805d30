"""`headwater token`: tokens for viewers and for the API."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from streaming.cli_api import TokenOption, ask
from streaming.cli_output import (
    EXIT_USAGE,
    ConfigOption,
    JsonOption,
    fail,
    out,
    print_json,
    read_config,
)
from streaming.duration import parse_duration_s
from streaming.errors import ConfigError

token = typer.Typer(name="token", help="Tokens for viewers and for the API.", no_args_is_help=True)


@token.callback()
def commands() -> None:
    """Tokens for viewers and for the API."""


@token.command()
def new(
    scope: Annotated[str, typer.Option(help="read, control or admin.")] = "read",
    name: Annotated[str, typer.Option(help="Whose it is, for the log.")] = "me",
    as_json: JsonOption = False,
) -> None:
    """Make a token of the API, and its line for [api] in the configuration."""
    from streaming.auth.api_tokens import SCOPES, hash_token, new_token

    if scope not in SCOPES:
        fail(f"{scope!r} is none of {', '.join(SCOPES)}", EXIT_USAGE)
    made = new_token()
    record = {"name": name, "hash": hash_token(made), "scope": scope}
    if as_json:
        print_json({"token": made, **record})
        return
    line = ", ".join(f"{key} = {json.dumps(value)}" for key, value in record.items())
    for text in (f"token  {made}", f"tokens = [{{ {line} }}]"):
        out.print(text, highlight=False, markup=False, soft_wrap=True)


@token.command()
def mint(
    path: Annotated[list[str], typer.Option("--path", help="A pattern of paths; again for more.")],
    expires: Annotated[str, typer.Option(help="For how long: 90s, 15m, 1h, 7d.")] = "1h",
    ip: Annotated[str, typer.Option(help="Bind it to an address or network.")] = "",
    max_sessions: Annotated[int, typer.Option(min=0, help="Viewers at once; 0 any.")] = 0,
    key: Annotated[str, typer.Option(help="Sign by this key of [view]; else by the first.")] = "",
    config: ConfigOption = None,
    url: Annotated[
        str, typer.Option("--url", help="Have a running origin make it, by its own keys.")
    ] = "",
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a viewing token by a key of the configuration, or of a running origin."""
    try:
        expires_s = parse_duration_s(expires)
    except ValueError as error:
        fail(str(error), EXIT_USAGE)
    if url:
        body = {"path": path, "expires_s": expires_s, "ip": ip, "max_sessions": max_sessions}
        told = ask(url, token, "POST", "/tokens", {**body, "key": key})
        made, expires_utc = told["token"], told["expires_utc"]
    else:
        expires_utc = int(time.time()) + expires_s
        made = _mint_here(config, path, expires_utc, ip=ip, max_sessions=max_sessions, key=key)
    if as_json:
        record: dict[str, Any] = {"token": made, "expires_utc": expires_utc, "path": path}
        print_json(record)
        return
    out.print(made, highlight=False, markup=False, soft_wrap=True)


def _mint_here(file: Path | None, path: list[str], expires_utc: int, **limits: Any) -> str:
    from streaming.auth.minting import mint_view_token
    from streaming.auth.view_keys import access_rules

    try:
        return mint_view_token(access_rules(read_config(file)), path, expires_utc, **limits)
    except ConfigError as error:
        fail(str(error), EXIT_USAGE)
