"""`headwater webhooks`: whom a running origin tells, what it delivered, and telling it again."""

from __future__ import annotations

import datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer
from rich.table import Table

from streaming.cli_api import TokenOption, ask
from streaming.cli_config import show_changes
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

webhooks = typer.Typer(name="webhooks", help="Who is told of events.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="Of the webhook.")]


@webhooks.callback()
def commands() -> None:
    """Whom a running origin tells of events; changes are kept beside its configuration file."""


@webhooks.command("list")
def list_webhooks(
    url: UrlOption = LOCAL_URL, token: TokenOption = "", as_json: JsonOption = False
) -> None:
    """List webhooks and how they fare."""
    told = ask(url, token, "GET", "/webhooks")
    if as_json:
        print_json(told)
        return
    table = Table("name", "to", "state", "waiting", "delivered", "failed", "given up", "latest")
    for one in told["webhooks"]:
        state = "[red]disabled (410)[/]" if one["disabled"] else "told"
        counts = (one[key] for key in ("pending", "delivered", "failed_attempts", "given_up"))
        latest = one["last_error"] or str(one["last_status"] or "")
        to, said = cells(one["url"], latest)
        table.add_row(one["name"], to, state, *map(str, counts), said)
    out.print(table)


@webhooks.command()
def deliveries(
    name: NameArgument,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="So many, newest first.")] = 50,
    event: Annotated[str, typer.Option(help="Those of this event alone.")] = "",
    outcome: Annotated[
        str, typer.Option(help='"delivered", "retry", "given up" or "disabled" alone.')
    ] = "",
    after: Annotated[str, typer.Option(help="Older ones: what the last page said.")] = "",
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print the delivery log of a webhook: each attempt and what came of it."""
    wanted = {"event": event, "outcome": outcome, "after": after}
    query = urlencode({"limit": limit, **{key: value for key, value in wanted.items() if value}})
    told = ask(url, token, "GET", f"/webhooks/{quote(name, safe='')}/deliveries?{query}")
    if as_json:
        print_json(told)
        return
    table = Table("at", "event", "attempt", "answer", "took", "outcome")
    for one in told["deliveries"]:
        at = datetime.datetime.fromtimestamp(one["at_utc"]).strftime("%Y-%m-%d %H:%M:%S")
        answer = one["error"] or str(one["status"])
        attempt = str(one["attempt"])
        took = f"{one['took_s']:.3f} s"
        table.add_row(*cells(at, one["event"], attempt, answer, took, one["outcome"]))
    out.print(table)
    if told.get("next"):
        out.print(f"older ones: --after {told['next']}", highlight=False)


@webhooks.command()
def replay(
    name: NameArgument,
    event: Annotated[list[str] | None, typer.Option(help="This event; again for more.")] = None,
    after: Annotated[str, typer.Option(help='What comes after this one; "0": all kept.')] = "",
    until: Annotated[str, typer.Option(help="Up to and with this one; else the latest.")] = "",
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Post events to a webhook again, under their own ids."""
    if bool(event) == bool(after):
        fail("name either events or --after", EXIT_USAGE)
    body: dict[str, Any] = {"events": event} if event else {"after": after, "until": until}
    replayed = 0
    while True:
        told = ask(url, token, "POST", f"/webhooks/{quote(name, safe='')}/replay", body)
        replayed += told["replayed"]
        if not told["next"]:
            break
        body["after"] = told["next"]
    if as_json:
        print_json({"name": name, "replayed": replayed})
    else:
        out.print(f"{replayed} events are posted to {name} again", highlight=False, markup=False)


@webhooks.command()
def enable(
    name: NameArgument,
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Tell a webhook again that answered 410."""
    told = ask(url, token, "POST", f"/webhooks/{quote(name, safe='')}/enable")
    if as_json:
        print_json(told)
    else:
        out.print(f"{name} is told again", highlight=False, markup=False)


@webhooks.command("set")
def set_webhook(
    name: NameArgument,
    to: Annotated[str, typer.Argument(help="Where to post.")],
    path: Annotated[list[str] | None, typer.Option(help="A pattern of paths; again.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--type", help="Of types; again.")] = None,
    secret: Annotated[list[str] | None, typer.Option(help="whsec_…; else one is made.")] = None,
    in_flight: Annotated[int, typer.Option(help="Posts at once.")] = 4,
    allow_private: Annotated[bool, typer.Option(help="May be in a private network.")] = False,
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Tell a webhook from now on, or another way."""
    body: dict[str, Any] = {
        "url": to, "paths": path or [], "types": kind or [], "max_in_flight": in_flight,
        "allow_private": allow_private, **({"secrets": secret} if secret else {}),
    }  # fmt: skip
    told = ask(url, token, "PUT", f"/webhooks/{quote(name, safe='')}", body)
    if as_json:
        print_json(told)
        return
    show_changes(told["changes"], as_json=False)
    if told["secret"]:
        out.print(f"secret  {told['secret']}", highlight=False, markup=False, soft_wrap=True)


@webhooks.command()
def remove(
    name: NameArgument,
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take back a webhook that was set while the origin ran."""
    told = ask(url, token, "DELETE", f"/webhooks/{quote(name, safe='')}")
    show_changes(told, as_json=as_json)
