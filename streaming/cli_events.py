"""`headwater events`: what happened on a server, and what happens."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from streaming.cli_api import TokenOption
from streaming.cli_output import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    LOCAL_URL,
    JsonOption,
    UrlOption,
    fail,
    interruptible,
    out,
    print_json,
    shown,
)
from streaming.errors import RemoteError

_COLOURS = {
    "path": "green",
    "publisher": "cyan",
    "ingest": "yellow",
    "worker": "red",
    "disk": "red",
    "reset": "magenta",
}


def events(
    url: UrlOption = LOCAL_URL,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on for ever.")] = False,
    after: Annotated[
        str, typer.Option("--after", help="Only events after this id; 0: all that are kept.")
    ] = "",
    path: Annotated[
        list[str] | None, typer.Option("--path", help='Only of these paths, such as "live/*".')
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--type", help='Only these, such as "publisher.*".')
    ] = None,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print the event log; --follow goes on as events happen, over lost connections and restarts.

    Exit status: 0 done, 1 the server is not there, 3 it refused, 130 interrupted.
    """
    # Here, so that `headwater serve` does not import an HTTP client that it has no use for.
    from streaming.follow_events import follow_log

    try:
        with interruptible():
            wanted = path or (), kind or (), token
            if follow:
                for event in follow_log(url, after, *wanted):
                    print_event(event, as_json=as_json)
            else:
                print_log(url, after or "0", *wanted, as_json=as_json)
    except RemoteError as error:
        fail(str(error), EXIT_REFUSED if error.http_status else EXIT_FAILED)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None


def print_log(
    url: str, after: str, paths: Sequence[str], kinds: Sequence[str], token: str, *, as_json: bool
) -> None:
    """Everything that there is by now."""
    from streaming.follow_events import read_log

    while told := read_log(url, after, paths, kinds, token):
        for event in told:
            print_event(event, as_json=as_json)
        after = told[-1]["id"]


def print_event(event: dict[str, Any], *, as_json: bool) -> None:
    """One line."""
    if as_json:
        print_json(event)
        return
    at = datetime.datetime.fromtimestamp(event["ts"]).astimezone()
    colour = _COLOURS.get(event["type"].split(".")[0], "white")
    details = "  ".join(f"{key}={value}" for key, value in event["data"].items())
    out.print(f"[dim]{at:%H:%M:%S}.{at.microsecond // 1000:03}[/]", end=" ", highlight=False)
    out.print(f"[{colour}]{event['type']:<22}[/]", end=" ")
    line = f"{event['path']:<16} {shown(details)}"
    out.print(line, markup=False, highlight=False, soft_wrap=True)
