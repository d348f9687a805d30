"""Fuzz targets of HTTP requests: the short way must never disagree with aiohttp's parser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from unittest.mock import NonCallableMock

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParserPy
from aiohttp.streams import EmptyStreamReader

from streaming.server.conditional import (
    RangeNotSatisfiable,
    accepts_gzip,
    matches_etag,
    parse_range,
)
from streaming.server.fast_path import ends_where_it_seems, parse_plain_fields

SIZE_BYTES = 1_000
_LINE = b"GET /live/foo/index.m3u8 HTTP/1.1"


def fuzz_head(data: bytes) -> None:
    """Header fields that the short way takes are one request without a body to aiohttp, too."""
    plain = parse_plain_fields(data)
    whole = _LINE + b"\r\n" + data
    if plain is not None:
        assert _requests(whole) == (1, True)
        assert ends_where_it_seems(whole)


def fuzz_end(data: bytes) -> None:
    """Where the short way sees an end, aiohttp's parser is between two requests."""
    if ends_where_it_seems(data):
        _, is_between = _requests(data)
        assert is_between


def fuzz_fields(data: bytes) -> None:
    """Single values: a range lies within, a weight is a weight."""
    value = data.decode("latin-1")
    with suppress(RangeNotSatisfiable):
        span = parse_range(value, SIZE_BYTES)
        assert span is None or 0 <= span[0] < span[1] <= SIZE_BYTES
    accepts_gzip(value)
    matches_etag(value, '"a"')


def _requests(data: bytes) -> tuple[int, bool]:
    """How many requests aiohttp reads, and whether it is then between two (or gave up)."""
    parser = HttpRequestParserPy(NonCallableMock(BaseProtocol), _LOOP, 2**16)
    try:
        messages, upgraded, tail = parser.feed_data(data)
        if any(not isinstance(payload, EmptyStreamReader) for _, payload in messages):
            return len(messages), False
        # Half a request would come out when it is completed by an end.
        more, _, _ = parser.feed_data(b"GET / HTTP/1.1\r\nHost: between\r\n\r\n")
    except HttpProcessingError:
        return 0, True  # the connection ends with a 400
    is_between = len(more) == 1 and more[0][0].headers.getall("Host") == ["between"]
    return len(messages), is_between and not upgraded and not tail


_LOOP = asyncio.new_event_loop()
_LOOP.close()

TARGETS: dict[str, Callable[[bytes], None]] = {
    "http_head": fuzz_head,
    "http_end": fuzz_end,
    "http_fields": fuzz_fields,
}
_HEADS = [
    b"Host: a.example:8080\r\nUser-Agent: x\r\nAccept-Encoding: gzip, br\r\n\r\n",
    b"Host: a\r\nConnection: keep-alive\r\nOrigin: null\r\n\r\n",
    b"Host: a\r\nContent-Length: 5\r\n\r\nabcde",
    b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Host: a\nX: y\r\n z\r\n\r\n",
]
SEEDS: dict[str, list[bytes]] = {
    "http_head": _HEADS,
    "http_end": [_LINE + b"\r\n" + head for head in _HEADS],
    "http_fields": [b"bytes=0-99", b"bytes=-5", b'W/"a", "b"', b"gzip;q=0.5, *;q=0"],
}
