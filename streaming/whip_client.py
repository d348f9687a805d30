"""The HTTP of a WHEP or WHIP client: an offer, its answer, the end (RFC 9725)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping

from streaming.errors import RemoteError

HTTP_S = 15.0


async def offer(url: str, sdp: str, key: str) -> tuple[str, str]:
    """The answer and the session's URL.

    Raises RemoteError; with `http_status` where the server refused.
    """
    headers = {"Content-Type": "application/sdp", **_authorization(key)}
    body, answered = await _request("POST", url, sdp.encode(), headers)
    location = answered.get("Location", "")
    return body, urllib.parse.urljoin(url, location)


async def end(session: str, key: str) -> None:
    """Ends a session; it does not matter if it has ended already."""
    with contextlib.suppress(RemoteError):
        await _request("DELETE", session, b"", _authorization(key))


def _authorization(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


async def _request(
    method: str, url: str, body: bytes, headers: Mapping[str, str]
) -> tuple[str, Mapping[str, str]]:
    return await asyncio.to_thread(_request_blocking, method, url, body, dict(headers))


def _request_blocking(
    method: str, url: str, body: bytes, headers: dict[str, str]
) -> tuple[str, Mapping[str, str]]:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise RemoteError(f"{url!r} is no http address")
    request = urllib.request.Request(url, data=body or None, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=HTTP_S) as response:
            return response.read().decode(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            raise RemoteError(_detail(error), http_status=error.code) from error
    except (OSError, ValueError) as error:
        raise RemoteError(f"{url} cannot be reached: {error}") from error


def _detail(error: urllib.error.HTTPError) -> str:
    """The reason that the server gives."""
    try:
        detail = json.loads(error.read())["detail"]
    except (ValueError, KeyError, TypeError):
        detail = error.reason
    return f"the server answers {error.code}: {detail}"
