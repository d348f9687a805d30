"""One attempt: a POST without redirects, proxies or cookies, over in a bounded time. Blocks."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Final

from streaming import __version__
from streaming.webhooks.address_guard import connect
from streaming.webhooks.verdict import Answer

MOST_ANSWER_BYTES: Final = 65_536
"""What is read of an answer, for the connection's sake; nobody looks at it."""
MOST_ERROR_CHARS: Final = 200


class _Plain(http.client.HTTPConnection):
    """Connects to addresses that may be connected to."""

    def __init__(self, url: urllib.parse.SplitResult, timeout_s: float, *, allow_private: bool):
        super().__init__(url.hostname or "", url.port, timeout=timeout_s)
        self._timeout_s = timeout_s
        self._allow_private = allow_private

    def connect(self) -> None:
        self.sock = connect(
            self.host, self.port, self._timeout_s, allow_private=self._allow_private
        )


class _Secure(_Plain):
    """The same over TLS, verified."""

    default_port = 443

    def connect(self) -> None:
        super().connect()
        context = ssl.create_default_context()
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)


def post(
    url: str, headers: Mapping[str, str], body: bytes, timeout_s: float, *, allow_private: bool
) -> Answer:
    """What came of it; never raises for what the receiver or the network does."""
    parts = urllib.parse.urlsplit(url)
    kind = _Secure if parts.scheme == "https" else _Plain
    connection = kind(parts, timeout_s, allow_private=allow_private)
    # Time-outs of sockets are for each read: a receiver that sends a byte now and then would hold
    # its place for ever.
    is_late = threading.Event()
    overdue = threading.Timer(timeout_s, _cut, [connection, is_late])
    overdue.daemon = True
    overdue.start()
    try:
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        fields = {
            "Content-Type": "application/json",
            "User-Agent": f"headwater/{__version__}",
            "Connection": "close",
            **headers,
        }
        connection.connect()
        if is_late.is_set():  # before there was anything to cut
            raise TimeoutError
        connection.request("POST", target, body, fields)
        response = connection.getresponse()
        response.read(MOST_ANSWER_BYTES)
        return Answer(response.status, response.headers.get("Retry-After", ""))
    except (OSError, http.client.HTTPException, ValueError) as error:
        if is_late.is_set():
            return Answer(0, error=f"no answer within {timeout_s:g} s")
        return Answer(0, error=f"{type(error).__name__}: {error}"[:MOST_ERROR_CHARS])
    finally:
        overdue.cancel()
        connection.close()


def _cut(connection: http.client.HTTPConnection, is_late: threading.Event) -> None:
    is_late.set()
    try:
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
