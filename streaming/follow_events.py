"""Follows a server's event log over HTTP, over lost connections and restarts; blocking."""

from __future__ import annotations

import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from typing import Any, Final

from streaming.cli_api import detail_of
from streaming.errors import RemoteError
from streaming.events.sse_reader import SseReader

SILENCE_S: Final = 35.0
"""Two heartbeats of 15 s and a little: a connection that says less is lost."""
FIRST_DELAY_S: Final = 0.25
LONGEST_DELAY_S: Final = 10.0
READ_BYTES: Final = 65_536


def read_log(
    url: str,
    after: str,
    paths: Sequence[str] = (),
    types: Sequence[str] = (),
    token: str = "",
) -> list[dict[str, Any]]:
    """The events that the log has after an id ("0": all of them), as far as one answer holds.

    Raises RemoteError.
    """
    query = {"after": after, "wait": "0"}
    try:
        with _open(url, query, paths, types, _bearer(token)) as response:
            body = response.read()
    except OSError as error:
        raise _refusal(url, error) from error
    events: list[dict[str, Any]] = json.loads(body) if body else []
    return events


def follow_log(
    url: str,
    after: str = "",
    paths: Sequence[str] = (),
    types: Sequence[str] = (),
    token: str = "",
) -> Iterator[dict[str, Any]]:
    """Events as they happen, for ever, each once and in order.

    Raises RemoteError when the server refuses; a server that is not there is waited for.
    """
    reader = SseReader(after)
    headers = {"Accept": "text/event-stream", **_bearer(token)}
    delay_s = FIRST_DELAY_S
    while True:
        try:
            query = {"after": reader.last_id} if reader.last_id else {}
            with _open(url, query, paths, types, headers) as response:
                while data := response.read1(READ_BYTES):
                    delay_s = FIRST_DELAY_S
                    for message in reader.push(data):
                        yield json.loads(message.data)
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise _refusal(url, error) from error
        except (OSError, HTTPException, ValueError):
            pass
        reader = SseReader(reader.last_id)
        time.sleep(delay_s * random.uniform(0.5, 1.5))
        delay_s = min(2 * delay_s, LONGEST_DELAY_S)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _open(
    url: str,
    query: dict[str, str],
    paths: Sequence[str],
    types: Sequence[str],
    headers: dict[str, str],
) -> Any:
    fields = [*query.items(), *(("path", p) for p in paths), *(("type", t) for t in types)]
    target = f"{url.rstrip('/')}/api/v1/events?{urllib.parse.urlencode(fields)}"
    return urllib.request.urlopen(
        urllib.request.Request(target, headers=headers), timeout=SILENCE_S
    )


def _refusal(url: str, error: OSError) -> RemoteError:
    if isinstance(error, urllib.error.HTTPError):
        with error:
            reason = detail_of(error.read(4_096)) or f"the origin says {error.code}"
        return RemoteError(f"{url}: {reason}", http_status=error.code)
    return RemoteError(f"{url}: {getattr(error, 'reason', None) or error}")
