"""A whole origin whose authorization hook refuses: its reason reaches whoever asked, however."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.interop.origin_process import OriginProcess, origin_process

pytestmark = pytest.mark.slow

OFFERS = Path(__file__).parents[1] / "webrtc" / "offers"
REASON = "your plan has one stream"
CONFIG = """
[auth_hook]
url = "{url}"
[paths."live/*"]
ladder = "copy"
view = "hook"
"""


@contextlib.contextmanager
def refusing_hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its URL, and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps({"allow": False, "reason": REASON}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody wants to read it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/auth", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refusal(origin: OriginProcess, url: str, offer: str = "") -> tuple[int, str, dict[str, Any]]:
    """Status, type and problem of what is refused."""
    body = (OFFERS / offer).read_bytes() if offer else None
    request = urllib.request.Request(origin.url(url), body, {"Content-Type": "application/sdp"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    with refused.value as error:
        return error.code, error.headers["Content-Type"], json.loads(error.read())


def test_the_hooks_reason_reaches_whoever_asked(tmp_path: Path) -> None:
    with (
        refusing_hook() as (url, asked),
        origin_process(tmp_path, CONFIG.format(url=url)) as origin,
    ):
        main = "from streaming.__main__ import main; main()"
        clip = "test:?width=160&height=90&fps=10&bitrate_kbps=100"
        push = [sys.executable, "-c", main, "push", clip, origin.rtmp_url("live/a?key=k")]
        pushed = subprocess.run(push, capture_output=True, timeout=60, check=False)
        assert pushed.returncode != 0
        assert REASON in " ".join((pushed.stdout + pushed.stderr).decode().split()), "RTMP's text"
        for url, offer in (
            ("/live/a/whip", "chromium-whip-simulcast.sdp"),
            ("/live/a/whep", "chromium-whep.sdp"),
            ("/live/a/index.m3u8", ""),
        ):
            status, content_type, problem = refusal(origin, url, offer)
            assert (status, content_type) == (403, "application/problem+json")
            assert REASON in problem["detail"]
        assert [one["action"] for one in asked] == ["publish", "whip", "whep", "read"]
        assert {one["path"] for one in asked} == {"live/a"}
