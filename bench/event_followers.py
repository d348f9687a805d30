"""Thousands of followers of the event log in one tight loop, for benchmark (h).

    python -m bench.event_followers http_port control_port clients seconds pid [pid …]

As many of each way: Server-Sent Events, WebSocket, long-poll. The pids are those of the server.
Prints one JSON object: for each way the memory of a follower, and how long events were under way.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.crowd import FIELDS
from bench.processes import cpu_s, rss_bytes

WAYS = ("SSE", "WebSocket", "long-poll")
URL = "/api/v1/events"
SETTLE_S = 1.0
"""After the last connection: the server has read everything by then."""
WARM_UP_S = 1.0
PATIENCE_S = 10.0
READ_BYTES = 1 << 16
_AT = b'"at":'
_TAG = re.compile(rb'ETag: W/"([0-9-]+)"')
_UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@dataclass(slots=True)
class Way:
    """All followers of one way, and what they were told."""

    name: str
    bytes_per_follower: float = 0.0
    delays_s: list[float] = field(default_factory=list)
    """Of the oldest event in each read."""
    events: int = 0


class Followers:
    """Owns all connections."""

    def __init__(self, port: int, pids: list[int]) -> None:
        self._port = port
        self._pids = pids
        self._epoll = select.epoll()
        self._takers: dict[int, Callable[[], None]] = {}
        self._sockets: list[socket.socket] = []
        self._is_counting = False

    def add(self, way: Way, count: int) -> None:
        """Connects so many, and measures what they cost the server in memory."""
        before = self._rss_bytes()
        for _ in range(count):
            self._connect(way)
        self.receive(time.monotonic() + SETTLE_S)
        way.bytes_per_follower = (self._rss_bytes() - before) / count

    def _rss_bytes(self) -> int:
        return sum(map(rss_bytes, self._pids))

    def cpu_s(self) -> float:
        """Of the server."""
        return sum(map(cpu_s, self._pids))

    def _connect(self, way: Way) -> None:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_S)
        self._sockets.append(connection)
        target, more = URL, ""
        if way.name == "WebSocket":
            more = _UPGRADE
        elif way.name == "long-poll":
            target = f"{URL}?wait=25"
        fields = FIELDS.replace("Origin: https://example.org\r\n", "")
        connection.sendall(f"GET {target} HTTP/1.1\r\n{more}{fields}".encode())
        connection.setblocking(False)
        taker = self._poller(connection, way) if way.name == "long-poll" else None
        self._takers[connection.fileno()] = taker or self._streamer(connection, way)
        self._epoll.register(connection, select.EPOLLIN)

    def _streamer(self, connection: socket.socket, way: Way) -> Callable[[], None]:
        def take() -> None:
            self._note(way, _read(connection))

        return take

    def _poller(self, connection: socket.socket, way: Way) -> Callable[[], None]:
        held = b""

        def take() -> None:
            nonlocal held
            held += _read(connection)
            tag = _TAG.search(held)
            if tag is None or not (held.endswith(b"]\n") or b" 204 " in held[:16]):
                return
            self._note(way, held)
            held = b""
            after = tag[1].decode()
            connection.send(f"GET {URL}?wait=25&after={after} HTTP/1.1\r\n{FIELDS}".encode())

        return take

    def _note(self, way: Way, data: bytes) -> None:
        at = data.find(_AT)
        if self._is_counting and at >= 0:
            end = data.find(b"}", at)
            if end > at:
                way.delays_s.append(time.monotonic() - float(data[at + len(_AT) : end]))
            way.events += data.count(_AT)

    def receive(self, until: float) -> None:
        """Takes what comes up to a moment of time.monotonic."""
        takers, poll = self._takers, self._epoll.poll
        while (left_s := until - time.monotonic()) > 0:
            for descriptor, _ in poll(left_s, 1024):
                takers[descriptor]()

    def count(self, seconds: float) -> float:
        """Counts for so long; the share of a core that the server used."""
        self._is_counting = True
        cpu, began = self.cpu_s(), time.monotonic()
        self.receive(began + seconds)
        self._is_counting = False
        return (self.cpu_s() - cpu) / (time.monotonic() - began)


def _read(connection: socket.socket) -> bytes:
    data = connection.recv(READ_BYTES)
    if not data:
        raise SystemExit("the server has closed a connection")
    return data


def measure(port: int, control: int, count: int, seconds: int, pids: list[int]) -> dict[str, Any]:
    """Connects all, begins the events, and listens."""
    followers = Followers(port, pids)
    ways = [Way(name) for name in WAYS]
    for way in ways:
        followers.add(way, count)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as commander:
        commander.sendto(b"begin", ("127.0.0.1", control))
    followers.receive(time.monotonic() + WARM_UP_S)
    share = followers.count(seconds)
    return {
        "cpu_share": share,
        "ways": {
            way.name: {
                "bytes_per_follower": way.bytes_per_follower,
                "delays_s": sorted(way.delays_s),
                "events_per_s": way.events / count / seconds,
            }
            for way in ways
        },
    }


def main() -> None:
    """Reads the command line."""
    port, control, count, seconds, *pids = map(int, sys.argv[1:])
    json.dump(measure(port, control, count, seconds, pids), sys.stdout)


if __name__ == "__main__":
    main()
