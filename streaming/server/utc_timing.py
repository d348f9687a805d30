"""The clock that DASH players set themselves by (UTCTiming, DASH-IF D2)."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp.web import Response

from streaming.server.answers import text_response


def render_utc(now_utc: float) -> str:
    """`now_utc` as xs:dateTime with milliseconds, valid for http-xsdate and http-iso alike."""
    moment = datetime.fromtimestamp(now_utc, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_response(now_utc: float) -> Response:
    """The answer of /time; http-head readers take its Date field instead."""
    return text_response(200, render_utc(now_utc))
