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
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from streaming.live_requests import LiveRequests, Pending, There
from streaming.resource import Resource
from streaming.server.access import Access
from streaming.server.answers import RETRY_AFTER_S
from streaming.server.conditional import accepts_gzip
from streaming.server.counters import Counters
from streaming.server.middleware import SERVER, Headers
from streaming.server.viewers import ViewerCounter
from streaming.waiting_room import Outcome, Ticket

MAX_HEAD_BYTES: Final = 4_096
"""Longer ones are aiohttp's, limits included; browsers send about 700 bytes."""

JOIN_BYTES: Final = 16_384
"""Bodies up to here are copied behind their head: one send costs more than the copy."""

MAX_KNOWN: Final = 1_000
"""Request lines whose URL is remembered, and sets of header fields whose meaning is; of one live
path some 10 lines are asked for at a time. Up to 4 MB each with the longest."""

MAX_KEPT: Final = 256
"""Answers kept whole until the shelf changes: 4 MB with the largest."""

_END: Final = b"\r\n\r\n"
_TOKEN_LINE: Final = b"GET /t/"
_OK: Final = b"HTTP/1.1 200 OK\r\n"
_UNAVAILABLE: Final = b"HTTP/1.1 503 Service Unavailable\r\n"
_APOLOGY_FIELDS: Final = {
    "Cache-Control": "no-store",
    "Retry-After": str(RETRY_AFTER_S),
    "Content-Length": "0",
}

_FIELD: Final = re.compile(rb"([A-Za-z-]+):[ ]?([\x20-\x7e]*)\r\n")
_HOST: Final = re.compile(rb"[A-Za-z0-9.:\[\]_-]+")
_LINE: Final = re.compile(rb"GET (/[A-Za-z0-9/._~-]+)(?:\?([\x21\x22\x24-\x7e]*))? HTTP/1\.1")

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


@dataclass(frozen=True, slots=True)
class _Kept:
    """A whole answer."""

    sent: list[bytes]
    path: str
    kind: str
    body_bytes: int
    content_type: str
    is_guarded: bool
    """Whether it is for viewers with a token alone."""


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
        self,
        live: LiveRequests,
        headers: Headers,
        viewers: ViewerCounter,
        counters: Counters,
        access: Access,
    ) -> None:
        self._live = live
        self._access = access
        self._viewers = viewers
        self._counters = counters
        self._fields = headers.static_fields()
        self._lines: dict[bytes, tuple[bytes, str, str]] = {}
        self._known_fields: dict[bytes, tuple[bytes, PlainFields | None]] = {}
        self._kept: dict[tuple[bytes, bool], _Kept] = {}
        self._kept_as_of = (0, 0)
        self._second = 0
        self._begin: dict[bytes, bytes] = {}
        self.open = headers.everyone
        """False: nobody is answered here (web origins are told apart, or we are draining)."""

    def answer(self, line: bytes, plain: PlainFields, viewer: int) -> list[bytes] | Pending | None:
        """The whole answer to the request line `line` (without its end), or what it waits for.

        None: the request is aiohttp's.
        """
        as_of = (self._live.shelf.changes, int(time.time()))
        if as_of != self._kept_as_of:
            self._kept.clear()
            self._kept_as_of = as_of
        token = b""
        if line.startswith(_TOKEN_LINE):
            token, _, rest = line[len(_TOKEN_LINE) :].partition(b"/")
            line = b"GET /" + rest
        kept = self._kept.get((line, plain.gzip))
        if kept is None:
            made = self._make(line, plain)
            if isinstance(made, Pending) and not self._may_wait(line, token, viewer):
                return None
            if not isinstance(made, _Kept):
                return made
            kept = made
        # A token that is not needed is aiohttp's business as well: it may be a trick in a URL.
        if (kept.is_guarded or token) and not self._access.admits(token, kept.path, viewer):
            return None
        self._viewers.saw(kept.path, viewer, kept.content_type)
        self._counters.count_fast(kept.kind, kept.body_bytes)
        return kept.sent

    def _make(self, line: bytes, plain: PlainFields) -> _Kept | Pending | None:
        found = self._find(line)
        if isinstance(found, Pending):
            return found if found.late is None else None
        if not isinstance(found, Resource):
            return None
        zipped = plain.gzip and found.compressible
        body = found.gzip_body() if zipped else found.load()
        if body is None:
            return None
        head = self._date(_OK) + self._head(found, zipped)
        joins = len(body) <= JOIN_BYTES
        guarded = not self._access.policy.is_open(found.path)
        sent = [head + body] if joins else [head, body]
        kept = _Kept(sent, found.path, found.kind, len(body), found.content_type, guarded)
        if joins and len(self._kept) < MAX_KEPT:
            # Everyone who waited for this is sent the same bytes object.
            self._kept[line, plain.gzip] = kept
        return kept

    def _may_wait(self, line: bytes, token: bytes, viewer: int) -> bool:
        if not token and self._access.policy.all_open:
            return True
        path = self._live.shelf.path_of(self._lines[line][1])
        if not token and self._access.policy.is_open(path):
            return True
        return self._access.admits(token, path, viewer)

    def forget(self) -> None:
        """The rules have changed."""
        self._kept.clear()

    def know_fields(self, fields: bytes) -> tuple[bytes, PlainFields | None]:
        """What follows a request line, and what it means; one object for all who send the same."""
        known = self._known_fields.get(fields)
        if known is None:
            if len(self._known_fields) >= MAX_KNOWN:
                self._known_fields.clear()
            known = self._known_fields[fields] = fields, parse_plain_fields(fields)
        return known

    def know_line(self, line: bytes) -> bytes:
        """A line that was answered lately; one object for all who ask the same."""
        known = self._lines.get(line)
        return line if known is None else known[0]

    def wait(
        self, pending: Pending, deadline: float, release: Callable[[Outcome], None]
    ) -> Ticket | None:
        """A connection waits for what `answer` gave; None when too many do."""
        return self._live.wait(pending, deadline, release)

    def apology(self) -> bytes:
        """The answer to those who have waited in vain (RFC 8216bis 6.2.5.2: 503).

        It is the last one of its connection if nothing is answered here any more.
        """
        self._counters.count("playlist", 503, 0)
        closing = {} if self.open else {"Connection": "close"}
        fields = {"Server": SERVER, **_APOLOGY_FIELDS, **closing, **self._fields}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return self._date(_UNAVAILABLE) + head.encode() + b"\r\n"

    def _find(self, line: bytes) -> There | None:
        known = self._lines.get(line)
        if known is None:
            match = _LINE.fullmatch(line)
            if match is None:
                return None
            if len(self._lines) >= MAX_KNOWN:
                self._lines.clear()
            known = line, match[1].decode("ascii"), (match[2] or b"").decode("ascii")
            self._lines[line] = known
        return self._live.get(known[1], known[2])

    def _date(self, status: bytes) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            date = f"Date: {formatdate(now, usegmt=True)}\r\n".encode()
            self._begin = {status: status + date for status in (_OK, _UNAVAILABLE)}
        return self._begin[status]

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
