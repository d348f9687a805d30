"""An origin's API in a thread of the test's process, for commands: answers what the test says."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from streaming.cli import app
from streaming.cli_output import out


@dataclass
class CommandedOrigin:
    """What commands asked, and what they are answered: "GET /paths" and the like to JSON."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)
    """What each request had as `Authorization`."""

    def run(self, *arguments: str) -> Result:
        """`headwater` with these arguments, its output wide enough for any table."""
        options = ["--url", self.url]
        # Not by COLUMNS: processes that share tests set it, and rich reads it when it is imported.
        out.width = 200
        return CliRunner().invoke(app, [*arguments, *options])

    def json(self, *arguments: str) -> Any:
        """What it prints with --json."""
        done = self.run(*arguments, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


@contextlib.contextmanager
def commanded_origin() -> Iterator[CommandedOrigin]:
    """Listens on loopback."""
    origin = CommandedOrigin()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            place = self.path.removeprefix("/api/v1")
            origin.asked.append((self.command, place, body))
            origin.credentials.append(self.headers.get("Authorization", ""))
            told = origin.answers.get(f"{self.command} {place}")
            if told is None:
                told = origin.answers.get(f"{self.command} {place.partition('?')[0]}")
            status = 200 if told is not None else 404
            data = json.dumps(told if told is not None else {"detail": "not here"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody wants to read it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    origin.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield origin
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def commanded() -> Iterator[CommandedOrigin]:
    """One for a test."""
    with commanded_origin() as running:
        yield running
