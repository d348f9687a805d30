"""`headwater paths`, `sessions`, `kick`: the API from the command line."""

from __future__ import annotations

import datetime
from typing import Annotated
from urllib.parse import quote, urlencode

import typer
from rich.table import Table

from streaming.cli_api import TokenOption, ask, ask_pages
from streaming.cli_output import LOCAL_URL, JsonOption, UrlOption, cells, out, print_json


def paths(url: UrlOption = LOCAL_URL, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the paths of a running origin."""
    found = ask_pages(url, token, "/paths", "paths")
    if as_json:
        print_json({"paths": found})
        return
    table = Table("path", "state", "by", "kbit/s", "viewers", "renditions", "state_version")
    for one in found:
        names = ", ".join(rendition["name"] for rendition in one["renditions"])
        version = str(one["details"].get("state_version", ""))
        rate = f"{one['ingest_bps'] / 1_000:.0f}"
        viewers = str(one["viewers"])
        state = one["state"]
        table.add_row(*cells(one["path"], state, one["publisher"], rate, viewers, names, version))
    out.print(table)


def sessions(
    path: Annotated[str, typer.Option(help="Of this path alone.")] = "",
    protocol: Annotated[str, typer.Option(help="rtmp, whip, pull or whep alone.")] = "",
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """List who publishes to a running origin, and who views."""
    wanted = {"path": path, "protocol": protocol}
    query = urlencode({key: value for key, value in wanted.items() if value})
    place = "/sessions" + (f"?{query}" if query else "")
    found, over_http = ask_pages(url, token, place, "sessions"), {}
    if not protocol:
        over_http = ask(url, token, "GET", place).get("http_viewers", {})
    if as_json:
        print_json({"sessions": found, "http_viewers": over_http})
        return
    table = Table("path", "session", "protocol", "role", "from", "since")
    for one in found:
        role = " ".join(filter(None, (one["rank"], one["role"])))
        if one["role"] == "publisher" and one["is_on_air"]:
            role += ", on air"
        since = datetime.datetime.fromtimestamp(one["since_utc"]).strftime("%Y-%m-%d %H:%M:%S")
        protocol, remote = one["protocol"], one["remote"]
        table.add_row(*cells(one["path"], one["session"], protocol, role, remote, since))
    out.print(table)
    for name, counts in sorted(over_http.items()):
        text = ", ".join(f"{count} by {kind.upper()}" for kind, count in counts.items())
        out.print(f"{name}: {text}", highlight=False, markup=False)


def kick(
    path: Annotated[str, typer.Argument(help="Whose publishers to close.")],
    session: Annotated[
        str, typer.Option(help="Only this one, as `headwater sessions` lists it.")
    ] = "",
    if_match: Annotated[
        int | None, typer.Option(help="Only while the path's state_version is this.")
    ] = None,
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Close the publishers of a path, or one session: a publisher or a WebRTC viewer."""
    name = quote(path)
    place = f"/sessions/{name}/{quote(session, safe='')}" if session else f"/publishers/{name}"
    headers = {} if if_match is None else {"If-Match": f'"{if_match}"'}
    told = ask(url, token, "DELETE", place, headers=headers)
    if as_json:
        print_json(told)
    else:
        out.print(f"closed {session or 'the publishers'} of {path}", highlight=False, markup=False)
