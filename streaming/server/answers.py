"""From a resource, or its absence, to an HTTP response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp.web import BaseRequest, Response

from streaming.resource import Resource
from streaming.server.conditional import (
    RangeNotSatisfiable,
    accepts_gzip,
    matches_etag,
    parse_range,
)
from streaming.shelf import Absence

RETRY_AFTER_S: Final = 1
"""A starting path is playable within about a segment; players wait so long between tries."""

GONE_MAX_AGE_S: Final = 60
"""Media that have gone do not come back: caches may answer for us."""

FAILED: Final = ("Failed", "Something went wrong here.")
"""Title and detail of a mistake of ours; the log says more."""

_TEXT: Final = "text/plain; charset=utf-8"

_ABSENCE_TEXT: Final = {
    Absence.NEVER: "Not found: nothing has been published here.\n",
    Absence.GONE: "Gone: this has left the live window.\n",
    Absence.ENDED: "Gone: the stream has ended; should it begin again, it will be here.\n",
    Absence.LATE: "Late: what was waited for has not come in time, try again.\n",
    Absence.STARTING: "Starting: the stream is not playable yet, try again in a second.\n",
}


def resource_response(request: BaseRequest, resource: Resource) -> Response:
    """200, 206, 304 or 416 for a GET or HEAD of `resource`; 410 if it has gone meanwhile."""
    headers = _validators(resource, resource.etag)
    if_none_match = request.headers.get("If-None-Match")
    gzip = resource.compressible and accepts_gzip(request.headers.get("Accept-Encoding", ""))
    if if_none_match and matches_etag(if_none_match, resource.etag, resource.gzip_etag):
        if gzip:
            headers["ETag"] = resource.gzip_etag
        return Response(status=304, headers=headers)
    headers["Content-Type"] = resource.content_type
    headers["Accept-Ranges"] = "bytes"
    if _wants_range(request, resource):
        return _range_response(request.headers["Range"], resource, headers)
    if gzip:
        headers["ETag"] = resource.gzip_etag
        headers["Content-Encoding"] = "gzip"
        return Response(body=resource.gzip_body(), headers=headers)
    if request.method == "HEAD":
        headers["Content-Length"] = str(resource.size_bytes)
        return Response(headers=headers)
    return _body_response(200, resource.load(), headers)


def _body_response(status: int, body: bytes | None, headers: dict[str, str]) -> Response:
    if body is None:  # freed since it was found
        return absence_response(Absence.GONE)
    return Response(status=status, body=body, headers=headers)


def _validators(resource: Resource, etag: str) -> dict[str, str]:
    headers = {"ETag": etag, "Cache-Control": resource.cache_control}
    if resource.compressible:
        headers["Vary"] = "Accept-Encoding"
    return headers


def _wants_range(request: BaseRequest, resource: Resource) -> bool:
    # RFC 9110 14.2: only GET; 13.1.5: a validator that does not match strongly means the whole.
    if request.method != "GET" or "Range" not in request.headers:
        return False
    if_range = request.headers.get("If-Range")
    return if_range is None or if_range.strip() == resource.etag


def _range_response(value: str, resource: Resource, headers: dict[str, str]) -> Response:
    size = resource.size_bytes
    try:
        wanted = parse_range(value, size)
    except RangeNotSatisfiable:
        # Kept as long as media it would be what a cache has for everybody.
        size_header = {"Content-Range": f"bytes */{size}"}
        return text_response(416, "No byte of that range exists.\n", size_header)
    if wanted is None:
        return _body_response(200, resource.load(), headers)
    first, end = wanted
    headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    return _body_response(206, resource.load_range(first, end), headers)


def absence_response(absence: Absence) -> Response:
    """404, 410 or 503 in one line of text."""
    headers = {"Content-Type": _TEXT, "Cache-Control": "no-store"}
    if absence is Absence.GONE:
        headers["Cache-Control"] = f"public, max-age={GONE_MAX_AGE_S}"
    if absence.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(status=absence.status, text=_ABSENCE_TEXT[absence], headers=headers)


def text_response(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """A short answer for people; never cached."""
    fields = {"Content-Type": _TEXT, "Cache-Control": "no-store", **(headers or {})}
    return Response(status=status, text=text, headers=fields)


def json_response(value: object, status: int = 200) -> Response:
    """`value` (msgspec-encodable) as JSON; revalidated on each use."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-cache"}
    return Response(status=status, body=msgspec.json.encode(value), headers=headers)


def problem_response(status: int, title: str, detail: str) -> Response:
    """An API error as RFC 9457 problem detail."""
    body = msgspec.json.encode(
        {"type": "about:blank", "title": title, "status": status, "detail": detail}
    )
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    return Response(status=status, body=body, headers=headers)
