"""`headwater send`: metadata and chat for whoever watches a path."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from streaming.cli_api import TokenOption, ask
from streaming.cli_output import (
    EXIT_USAGE,
    LOCAL_URL,
    JsonOption,
    UrlOption,
    fail,
    out,
    print_json,
)


def send(
    path: Annotated[str, typer.Argument(help="To whose viewers.")],
    metadata: Annotated[str, typer.Option(help="A JSON object, such as '{\"score\": 3}'.")] = "",
    chat: Annotated[str, typer.Option(help="A chat message.")] = "",
    sender: Annotated[str, typer.Option(help="Who says so, of chat.")] = "",
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    as_json: JsonOption = False,
) -> None:
    """Send metadata or chat to whoever watches a path, at the present media time."""
    kind, body = _message(metadata, chat, sender)
    told = ask(url, token, "POST", f"/paths/{quote(path)}/{kind}", body)
    if as_json:
        print_json(told)
        return
    place = "" if told["media_time_ms"] is None else f" at {told['media_time_ms'] / 1000:.3f}"
    note = place or "; nobody is on air, so only followers of events are told"
    out.print(f"sent {told['id']}{note}", highlight=False, markup=False)


def _message(metadata: str, chat: str, sender: str) -> tuple[str, dict[str, Any]]:
    if bool(metadata) == bool(chat):
        fail("give either --metadata or --chat", EXIT_USAGE)
    if chat:
        return "chat", {"text": chat, "sender": sender}
    try:
        data = json.loads(metadata)
    except ValueError as error:
        fail(f"--metadata is no JSON: {error}", EXIT_USAGE)
    if not isinstance(data, dict):
        fail("--metadata has to be a JSON object", EXIT_USAGE)
    return "metadata", {"data": data}
