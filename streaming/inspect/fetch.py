"""HTTP as an ordinary web player does it, every answer with what its headers said."""

from __future__ import annotations

import contextlib
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Protocol, cast

from streaming.http_opener import http_opener
from streaming.inspect.report import Report, UnreadableError

ORIGIN = "https://player.example"
"""What we say we are a page of, so that CORS shows."""
TIMEOUT_S = 10.0
"""For connecting and for each read."""
MAX_BYTES = 256 << 20
"""Of one answer; an hour of audio as one file is below."""
PIECE_BYTES = 1 << 16
"""Taken at once of an answer that is watched as it comes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, whatever its status; the body is decompressed."""

    url: str
    """After redirects."""
    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    elapsed_s: float = 0.0

    @property
    def content_type(self) -> str:
        """Without parameters, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Fetcher(Protocol):
    """Where answers come from; tests have one of their own."""

    def get(self, url: str, byte_range: str = "") -> Answer:
        """The answer to a GET; ``byte_range`` is ``first-last``. Raises UnreadableError."""


class StreamFetcher(Fetcher, Protocol):
    """A Fetcher that also shows bytes as they come."""

    def stream(self, url: str) -> Iterator[bytes]:
        """The body of a GET, piece by piece. Raises UnreadableError, also for a status not 2xx."""


class HttpFetcher:
    """GET by the standard library: http and https only, wherever redirects point."""

    def __init__(self) -> None:
        self._opener = http_opener()

    def get(self, url: str, byte_range: str = "") -> Answer:
        """See Fetcher."""
        headers = {"Accept-Encoding": "gzip"}
        if byte_range:
            headers = {"Range": f"bytes={byte_range}", "Accept-Encoding": "identity"}
        start = time.monotonic()
        with _explained(url), self._open(url, headers) as response:
            raw = response.read(MAX_BYTES + 1)
            fields = {name.lower(): value for name, value in response.headers.items()}
            body = _decoded(url, raw, fields.get("content-encoding", ""))
            elapsed = time.monotonic() - start
            return Answer(response.url or url, response.status or 0, fields, body, elapsed)

    def stream(self, url: str) -> Iterator[bytes]:
        """See StreamFetcher."""
        with _explained(url), self._open(url, {"Accept-Encoding": "identity"}) as response:
            if not 200 <= response.status < 300:
                raise UnreadableError(f"{url}: HTTP status {response.status}")
            while piece := response.read1(PIECE_BYTES):
                yield piece

    def _open(self, url: str, headers: Mapping[str, str]) -> HTTPResponse:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise UnreadableError(f"{url}: not an HTTP address")
        fields = {"Origin": ORIGIN, "User-Agent": "headwater-inspect", **headers}
        request = urllib.request.Request(url, headers=fields)
        try:
            response = self._opener.open(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            response = error
        if response is None:
            raise UnreadableError(f"{url}: redirected to where we do not go")
        return cast(HTTPResponse, response)


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    """Whatever fails on the network becomes one sentence."""
    try:
        yield
    except urllib.error.URLError as error:
        raise UnreadableError(f"{url}: {_reason(error.reason)}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise UnreadableError(f"{url}: {_reason(error)}") from error


def resolve(base: str, uri: str) -> str:
    """The absolute URL; ``uri`` itself when it is malformed, so that fetching it says so."""
    try:
        return urllib.parse.urljoin(base, uri)
    except ValueError:
        return uri


def _decoded(url: str, raw: bytes, encoding: str) -> bytes:
    if len(raw) > MAX_BYTES:
        raise UnreadableError(f"{url}: more than {MAX_BYTES} bytes")
    if encoding not in ("gzip", "x-gzip"):
        return raw
    try:
        unzip = zlib.decompressobj(wbits=31)
        body = unzip.decompress(raw, MAX_BYTES)
    except zlib.error as error:
        raise UnreadableError(f"{url}: broken gzip: {error}") from error
    if not unzip.eof:
        raise UnreadableError(f"{url}: gzip that is cut off or too large")
    return body


def _reason(error: object) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def check_headers(
    report: Report,
    where: str,
    answer: Answer,
    types: tuple[str, ...],
    rules: tuple[str, str, str],
) -> bool:
    """Whether the answer is a 2xx; ``rules`` are those of its status, its type, and CORS."""
    status_rule, type_rule, cors_rule = rules
    if not 200 <= answer.status < 300:
        report.error(status_rule, where, f"HTTP status {answer.status}")
        return False
    if answer.content_type not in types:
        report.error(type_rule, where, f"Content-Type {answer.content_type!r}, not {types[0]}")
    allowed = answer.headers.get("access-control-allow-origin")
    if allowed not in ("*", ORIGIN):
        report.error(cors_rule, where, "no Access-Control-Allow-Origin")
    return True


def max_age_of(answer: Answer) -> int | None:
    """Seconds that caches may keep it; 0 for no-cache, None when nothing is said."""
    directives = [d.strip() for d in answer.headers.get("cache-control", "").lower().split(",")]
    if "no-cache" in directives or "no-store" in directives:
        return 0
    ages = [d.partition("=")[2] for d in directives if d.startswith(("max-age=", "s-maxage="))]
    return max((int(age) for age in ages if age.isdigit()), default=None)
