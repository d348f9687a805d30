"""The API of a running origin as commands ask it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from streaming.cli_output import EXIT_FAILED, EXIT_REFUSED, fail

TIMEOUT_S: Final = 20.0
PAGE: Final = 500

TokenOption = Annotated[
    str, typer.Option("--token", help="A token of its API.", envvar="HEADWATER_TOKEN")
]


def ask(
    url: str,
    token: str,
    method: str,
    place: str,
    body: object = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The answer of the API, or the end of the command with the reason."""
    import urllib.error
    import urllib.request

    fields = dict(headers or {})
    if token:
        fields["Authorization"] = f"Bearer {token}"
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        fields["Content-Type"] = "application/json"
    try:
        request = urllib.request.Request(
            f"{url.rstrip('/')}/api/v1{place}", data=data, method=method, headers=fields
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            told: dict[str, Any] = json.loads(answer.read())
            return told
    except urllib.error.HTTPError as error:
        with error:
            fail(detail_of(error.read()) or f"the origin says {error.code}", EXIT_REFUSED)
    except (OSError, ValueError) as error:
        fail(f"{url}: {getattr(error, 'reason', None) or error}", EXIT_FAILED)


def ask_pages(url: str, token: str, place: str, key: str) -> list[dict[str, Any]]:
    """What a list of the API has, page by page; `key` names it in the answer."""
    found: list[dict[str, Any]] = []
    after = ""
    mark = "&" if "?" in place else "?"
    while True:
        page = ask(url, token, "GET", f"{place}{mark}limit={PAGE}&after={quote(after)}")
        found += page[key]
        after = page.get("next", "")
        if not after:
            return found


def detail_of(body: bytes) -> str:
    """What a problem of the API says; "" where it is none."""
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""
