"""Bytes over HTTP for the HLS pull: with limits on time, size and where redirects may lead."""

from __future__ import annotations

import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse

from streaming.errors import RemoteError
from streaming.http_opener import http_opener

CONNECT_TIMEOUT_S = 5.0
"""Also between two reads; a live origin that is silent for longer will not make it in time."""
FETCH_TIMEOUT_S = 20.0
"""One whole resource. A segment that takes longer than this is not being served live."""
MAX_PLAYLIST_BYTES = 2_000_000
"""A day of two-second segments with dates is 5 MB; live windows are a hundredth of that."""
MAX_SEGMENT_BYTES = 64_000_000
"""10 s of 50 Mb/s; what a link between our processes takes as one message, too."""
_GONE = (401, 403, 404, 410)
_CHUNK_BYTES = 65_536
_USER_AGENT = "headwater"


@dataclass(frozen=True, slots=True)
class Resource:
    """What was fetched; `url` is where redirects led to, the base of relative addresses."""

    data: bytes
    url: str


class FetchError(RemoteError):
    """A resource could not be had; `is_gone` when asking again will not help."""

    def __init__(self, message: str, *, is_gone: bool = False) -> None:
        super().__init__(message)
        self.is_gone = is_gone


class Fetcher:
    """Fetches over HTTP and HTTPS and nothing else, whatever a playlist or a redirect names.

    Used by one thread at a time. `clock` is monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._opener = http_opener(urllib.request.ProxyHandler())

    def fetch(
        self, url: str, max_bytes: int, byte_range: tuple[int, int] | None = None
    ) -> Resource:
        """One resource, or `(first byte, length)` of it. Raises FetchError with one sentence."""
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise FetchError(f"{url}: not an HTTP address", is_gone=True)
        headers = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"}
        if byte_range is not None:
            first, length = byte_range
            headers["Range"] = f"bytes={first}-{first + length - 1}"
        try:
            request = urllib.request.Request(url, headers=headers)
            response = self._opener.open(request, timeout=CONNECT_TIMEOUT_S)
            if response is None:  # a redirect to a scheme without a handler
                raise FetchError(f"{url}: redirected to where we do not go", is_gone=True)
            with response:
                return self._read(url, response, max_bytes, byte_range)
        except urllib.error.HTTPError as error:
            error.close()
            raise FetchError(
                f"{url}: HTTP status {error.code}", is_gone=error.code in _GONE
            ) from error
        except urllib.error.URLError as error:
            raise FetchError(f"{url}: {_reason(error.reason)}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise FetchError(f"{url}: {_reason(error)}") from error

    def _read(
        self, url: str, response: HTTPResponse, max_bytes: int, byte_range: tuple[int, int] | None
    ) -> Resource:
        deadline = self._clock() + FETCH_TIMEOUT_S
        chunks: list[bytes] = []
        size = 0
        while chunk := response.read1(_CHUNK_BYTES):
            chunks.append(chunk)
            size += len(chunk)
            if size > max_bytes:
                raise FetchError(f"{url}: more than {max_bytes} bytes", is_gone=True)
            if self._clock() > deadline:
                raise FetchError(f"{url}: not complete within {FETCH_TIMEOUT_S:g} s")
        if response.length:  # what Content-Length promised and did not come
            raise FetchError(f"{url}: ended {response.length} bytes early")
        data = b"".join(chunks)
        if byte_range is not None and response.status != 206:
            first, length = byte_range  # a server that does not know ranges sends everything
            data = data[first : first + length]
        return Resource(data, response.url or url)


def _reason(error: object) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
