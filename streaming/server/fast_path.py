"""The short way for the request that is asked most: a plain GET of something on the shelf.

aiohttp's request and response objects cost more than sending a playlist. A request that came as
one whole chunk, whose every byte is understood here and that asks for nothing but the bytes, is
answered from the resource alone; every other request goes to aiohttp untouched. Judging is
all or nothing and knows only what is listed here, so that this parser and aiohttp's can never
disagree about where a request ends. Sans-IO.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from streaming.resource import Resource
from streaming.server.conditional import accepts_gzip
from streaming.server.counters import Counters
from streaming.server.middleware import SERVER, Headers
from streaming.server.viewers import ViewerCounter
from streaming.shelf import Shelf

MAX_HEAD_BYTES: Final = 4_096
"""Longer ones are aiohttp's, limits included; browsers send about 700 bytes."""

JOIN_BYTES: Final = 16_384
"""Bodies up to here are copied behind their head: one send costs more than the copy."""

MAX_KNOWN_TARGETS: Final = 1_000
"""Request targets whose URL is remembered; of one live path some 10 are asked for at a time. Up to
4 MB with the longest."""

_END: Final = b"\r\n\r\n"
_VERSION: Final = b" HTTP/1.1"

_FIELD: Final = re.compile(rb"([A-Za-z-]+):[ ]?([\x20-\x7e]*)\r\n")
_HOST: Final = re.compile(rb"[A-Za-z0-9.:\[\]_-]+")
_TARGET: Final = re.compile(rb"(/[A-Za-z0-9/._~-]+)(?:\?[\x21\x22\x24-\x7e]*)?")

HARMLESS: Final = frozenset(
    (
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"connection",
        b"dnt",
        b"host",
        b"origin",
        b"pragma",
        b"priority",
        b"referer",
        b"sec-ch-ua",
        b"sec-ch-ua-mobile",
        b"sec-ch-ua-platform",
        b"sec-fetch-dest",
        b"sec-fetch-mode",
        b"sec-fetch-site",
        b"sec-fetch-storage-access",
        b"sec-gpc",
        b"user-agent",
    )
)
"""Fields that change nothing in a plain answer, or whose meaning is looked at below."""

_BODY_WORDS: Final = (b"content-length", b"transfer-encoding", b"upgrade", b"expect")


@dataclass(frozen=True, slots=True)
class PlainFields:
    """What is to know of header fields that ask for nothing special."""

    gzip: bool
    user_agent: bytes


def parse_plain_fields(fields: bytes) -> PlainFields | None:
    """Judges everything after the request line; None: not for this path."""
    found: dict[bytes, bytes] = {}
    at = 0
    while (match := _FIELD.match(fields, at)) is not None:
        name = match[1].lower()
        if name not in HARMLESS or name in found:
            return None
        found[name] = match[2]
        at = match.end()
    if fields[at:] != b"\r\n" or _HOST.fullmatch(found.get(b"host", b"")) is None:
        return None
    if found.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    gzip = accepts_gzip(found.get(b"accept-encoding", b"").decode("ascii"))
    return PlainFields(gzip, found.get(b"user-agent", b""))


def ends_where_it_seems(data: bytes) -> bool:
    """Whether a parser that was at a request's begin is certainly at one again after `data`.

    That is so if `data` ends with its only blank line and announces no body.
    """
    if not data.endswith(_END) or data.find(_END) != len(data) - 4:
        return False
    lower = data.lower()
    return not any(word in lower for word in _BODY_WORDS)


class FastPath:
    """Answers plain requests from the shelf; one per process, asked by every connection."""

    def __init__(
        self, shelf: Shelf, headers: Headers, viewers: ViewerCounter, counters: Counters
    ) -> None:
        self._shelf = shelf
        self._viewers = viewers
        self._counters = counters
        self._fields = headers.static_fields()
        self._urls: dict[bytes, str] = {}
        self._second = 0
        self._begin = b""
        self.open = headers.everyone
        """False: nobody is answered here (web origins are told apart, or we are draining)."""

    def answer(self, line: bytes, plain: PlainFields, viewer: int) -> list[bytes] | None:
        """The whole answer to the request line `line` (without its end), or None."""
        if not line.endswith(_VERSION):
            return None
        resource = self._find(line[4 : -len(_VERSION)])
        if resource is None:
            return None
        zipped = plain.gzip and resource.compressible
        body = resource.gzip_body() if zipped else resource.load()
        if body is None:
            return None
        head = self._date() + self._head(resource, zipped)
        self._viewers.saw(resource.path, viewer)
        self._counters.count_fast(resource.kind, len(body))
        return [head + body] if len(body) <= JOIN_BYTES else [head, body]

    def _find(self, target: bytes) -> Resource | None:
        url = self._urls.get(target)
        if url is None:
            match = _TARGET.fullmatch(target)
            if match is None:
                return None
            if len(self._urls) >= MAX_KNOWN_TARGETS:
                self._urls.clear()
            url = self._urls[target] = match[1].decode("ascii")
        return self._shelf.get(url)

    def _date(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._begin = f"HTTP/1.1 200 OK\r\nDate: {formatdate(now, usegmt=True)}\r\n".encode()
        return self._begin

    def _head(self, resource: Resource, zipped: bool) -> bytes:
        head = resource.gzip_head if zipped else resource.head
        if head:
            return head
        fields = {
            "Server": SERVER,
            "ETag": resource.gzip_etag if zipped else resource.etag,
            "Cache-Control": resource.cache_control,
            "Content-Type": resource.content_type,
            "Accept-Ranges": "bytes",
            "Content-Length": str(len(resource.gzip_body()) if zipped else resource.size_bytes),
            **({"Vary": "Accept-Encoding"} if resource.compressible else {}),
            **({"Content-Encoding": "gzip"} if zipped else {}),
            **self._fields,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode() + b"\r\n"
        if zipped:
            resource.gzip_head = head
        else:
            resource.head = head
        return head
