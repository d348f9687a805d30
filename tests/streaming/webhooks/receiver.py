"""A receiver of webhooks in threads of the test's process, which answers as the test says."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

LATE = 0
"""An answer that comes after `LATE_S`, when nobody waits for it any more."""
LATE_S = 1.0


@dataclass
class Posted:
    """One request as it came."""

    id: str
    event: dict[str, Any]
    at: float


@dataclass
class Receiver:
    """What was received; `answer` decides the status, and headers to send with it."""

    port: int = 0
    answer: Callable[[str], tuple[int, dict[str, str]]] = lambda webhook_id: (204, {})
    secret: str = SECRET
    posted: list[Posted] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)
    delay_s: float = 0.0
    at_once: int = 0
    most_at_once: int = 0
    """Posts under way at the same time, now and at the most."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=b"

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """Verified by the reference library, which looks at the time as well."""
        webhook_id = headers["webhook-id"]
        try:
            Webhook(self.secret).verify(body, headers)
        except Exception as error:
            self.unverified.append(f"{webhook_id}: {error}")
        with self.lock:
            self.posted.append(Posted(webhook_id, json.loads(body), time.time()))
            return self.answer(webhook_id)


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that listens on loopback."""
    seen = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fields = {name.lower(): value for name, value in self.headers.items()}
            with seen.lock:
                seen.at_once += 1
                seen.most_at_once = max(seen.most_at_once, seen.at_once)
            status, headers = seen.take(fields, body)
            time.sleep(LATE_S if status == LATE else seen.delay_s)
            with seen.lock:
                seen.at_once -= 1
            with contextlib.suppress(OSError):
                self.send_response(status or 204)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody wants to read it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    seen.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
