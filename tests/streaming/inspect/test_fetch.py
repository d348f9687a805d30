"""The fetcher over a loopback socket: what servers do right and wrong."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streaming.inspect.fetch import ORIGIN, Answer, HttpFetcher, max_age_of
from streaming.inspect.report import UnreadableError

PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n"


class Server(BaseHTTPRequestHandler):
    """One answer for each path."""

    def do_GET(self) -> None:
        match self.path:
            case "/gzip":
                self._answer(200, gzip.compress(PLAYLIST), {"Content-Encoding": "gzip"})
            case "/cut":
                self._answer(200, gzip.compress(PLAYLIST)[:-9], {"Content-Encoding": "gzip"})
            case "/noise":
                self._answer(200, b"noise", {"Content-Encoding": "gzip"})
            case "/moved":
                self._answer(302, b"", {"Location": "/gzip"})
            case "/away":
                self._answer(302, b"", {"Location": "file:///etc/hostname"})
            case "/echo":
                told = f"{self.headers['Origin']} {self.headers.get('Range')}"
                self._answer(200, told.encode(), {})
            case _:
                self._answer(404, b"nothing", {})

    def log_message(self, *_arguments: object) -> None:
        """Silent."""

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_compressed_text_is_unpacked_and_its_headers_are_kept(base: str) -> None:
    answer = HttpFetcher().get(f"{base}/gzip")
    assert (answer.status, answer.body) == (200, PLAYLIST)
    assert answer.headers["content-encoding"] == "gzip"


def test_a_redirect_is_followed_and_its_end_is_the_url(base: str) -> None:
    assert HttpFetcher().get(f"{base}/moved").url == f"{base}/gzip"


def test_an_error_status_is_an_answer(base: str) -> None:
    answer = HttpFetcher().get(f"{base}/nothing")
    assert (answer.status, answer.body) == (404, b"nothing")


def test_we_come_as_a_web_page_and_may_ask_for_a_range(base: str) -> None:
    assert HttpFetcher().get(f"{base}/echo").body.decode() == f"{ORIGIN} None"
    assert HttpFetcher().get(f"{base}/echo", "5-9").body.decode() == f"{ORIGIN} bytes=5-9"


def test_a_redirect_away_from_http_is_not_followed(base: str) -> None:
    assert HttpFetcher().get(f"{base}/away").status == 302


@pytest.mark.parametrize("path", ["/cut", "/noise"])
def test_broken_answers_are_unreadable(base: str, path: str) -> None:
    with pytest.raises(UnreadableError):
        HttpFetcher().get(f"{base}{path}")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "ftp://x.example/", "http://[", "file:///x"]
)
def test_what_cannot_be_asked_is_unreadable(url: str) -> None:
    with pytest.raises(UnreadableError):
        HttpFetcher().get(url)


@pytest.mark.parametrize(
    ("value", "age"),
    [("max-age=3", 3), ("public, s-maxage=9, max-age=3", 9), ("no-cache", 0), ("public", None)],
)
def test_how_long_caches_may_keep_an_answer(value: str, age: int | None) -> None:
    assert max_age_of(Answer("x", 200, {"cache-control": value}, b"")) == age
