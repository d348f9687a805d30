"""`headwater paths`, `headwater kick`: the API from the command line."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer
from rich.table import Table

from streaming.cli_api import TokenOption, ask, ask_pages
from streaming.cli_output import LOCAL_URL, JsonOption, UrlOption, out, print_json


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
        table.add_row(
            one["path"], one["state"], one["publisher"], rate, str(one["viewers"]), names, version
        )
    out.print(table)


def kick(
    path: Annotated[str, typer.Argument(help="Whose publishers to close.")],
    session: Annotated[
        str, typer.Option(help="End this WebRTC session instead, publisher or viewer.")
    ] = "",
    if_match: Annotated[
        int | None, typer.Option(help="Only while the path's state_version is this.")
    ] = None,
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Close the publishers of a path, or one WebRTC session."""
    name = quote(path)
    place = f"/sessions/{name}/{quote(session, safe='')}" if session else f"/publishers/{name}"
    headers = {} if if_match is None else {"If-Match": f'"{if_match}"'}
    told = ask(url, token, "DELETE", place, headers=headers)
    if as_json:
        print_json(told)
    else:
        out.print(f"closed {session or 'the publishers'} of {path}", highlight=False, markup=False)
