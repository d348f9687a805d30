"""What every answer carries: CORS, security headers, and no word about our libraries."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Final

from aiohttp.web import BaseRequest, Response, StreamResponse

from streaming.server.player import is_publish_page

SERVER: Final = "headwater"

EXPOSED: Final = "Date, ETag, Content-Length, Content-Range, Retry-After"
"""Date for dash.js's clock and D14, the rest for players that resume and cache."""

ALLOWED_METHODS: Final = "GET, HEAD, OPTIONS"
ALLOWED_HEADERS: Final = (
    "Authorization, If-Match, Range, If-None-Match, If-Range, Content-Type"
    ", CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status"  # CTA-5004
)
PREFLIGHT_MAX_AGE_S: Final = 86_400
"""Browsers cap it at two hours or a day themselves."""

PAGE_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",  # pictures that are fetched with a token
        "media-src 'self' blob:",  # MSE object URLs
        "connect-src 'self'",
        "worker-src 'self' blob:",  # the players' demuxing workers
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)


class Headers:
    """The header fields added to every response, from the configured web origins."""

    def __init__(self, allow_origins: tuple[str, ...]) -> None:
        self._origins = frozenset(allow_origins)
        self.everyone = "*" in self._origins

    def static_fields(self) -> dict[str, str]:
        """The fields that do not depend on the request; all of them when everyone is allowed."""
        fields = {
            "X-Content-Type-Options": "nosniff",
            "Access-Control-Expose-Headers": EXPOSED,
            "Timing-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if self.everyone:
            fields["Access-Control-Allow-Origin"] = "*"
        return fields

    def complete(self, request: BaseRequest, response: StreamResponse) -> None:
        """Adds everything to `response`."""
        headers = response.headers
        headers["Server"] = SERVER
        for name, value in self.static_fields().items():
            headers.setdefault(name, value)
        if not self.everyone:
            _add_vary(headers, "Origin")
            origin = request.headers.get("Origin")
            if origin in self._origins:
                headers["Access-Control-Allow-Origin"] = origin
        if headers.get("Content-Type", "").startswith("text/html"):
            _add_page_fields(headers, captures=is_publish_page(request.path))


def options_response(request: BaseRequest, methods: str = ALLOWED_METHODS) -> Response:
    """The answer to OPTIONS, preflight or not, where `methods` are possible."""
    headers = {"Allow": methods}
    if "Access-Control-Request-Method" in request.headers:
        headers["Access-Control-Allow-Methods"] = methods
        headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        headers["Access-Control-Max-Age"] = str(PREFLIGHT_MAX_AGE_S)
    return Response(status=204, headers=headers)


def _add_page_fields(headers: MutableMapping[str, str], *, captures: bool) -> None:
    headers["Content-Security-Policy"] = PAGE_POLICY
    headers["X-Frame-Options"] = "SAMEORIGIN"
    headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    who = "self" if captures else ""
    headers["Permissions-Policy"] = (
        f"camera=({who}), microphone=({who}), display-capture=({who}), geolocation=()"
    )
    headers["Cross-Origin-Opener-Policy"] = "same-origin"


def _add_vary(headers: MutableMapping[str, str], name: str) -> None:
    old = headers.get("Vary")
    headers["Vary"] = f"{old}, {name}" if old else name
