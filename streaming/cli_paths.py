"""`headwater paths`, `headwater kick`: the API from the command line."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
from rich.table import Table

from streaming.cli_output import (
    EXIT_FAILED,
    EXIT_REFUSED,
    LOCAL_URL,
    JsonOption,
    UrlOption,
    fail,
    out,
    print_json,
)

TIMEOUT_S: Final = 20.0

TokenOption = Annotated[
    str, typer.Option("--token", help="A token of its API.", envvar="HEADWATER_TOKEN")
]


def paths(url: UrlOption = LOCAL_URL, token: TokenOption = "", as_json: JsonOption = False) -> None:
    """List the paths of a running origin."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = _ask(url, token, "GET", f"/paths?limit=500&after={quote(after)}")
        found += page["paths"]
        after = page.get("next", "")
        if not after:
            break
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
    told = _ask(url, token, "DELETE", place, headers)
    if as_json:
        print_json(told)
    else:
        out.print(f"closed {session or 'the publishers'} of {path}", highlight=False, markup=False)


def _ask(
    url: str, token: str, method: str, place: str, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """The answer of the API, or the end of the command with the reason."""
    import urllib.error
    import urllib.request

    fields = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        request = urllib.request.Request(
            f"{url.rstrip('/')}/api/v1{place}", method=method, headers=fields
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            told: dict[str, Any] = json.loads(answer.read())
            return told
    except urllib.error.HTTPError as error:
        with error:
            fail(_detail(error.read()) or f"the origin says {error.code}", EXIT_REFUSED)
    except (OSError, ValueError) as error:
        fail(f"{url}: {getattr(error, 'reason', None) or error}", EXIT_FAILED)


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""
