"""Thousands of clients in one tight loop, which also commands the server of benchmark (g).

    python -m bench.crowd waiting|following http_port control_port clients rounds pid [pid …]

`waiting`: all wait for the same version of a playlist, which then comes; again and again.
`following`: all follow segments that get a part every 200 ms, to their end. The pids are those of
the server, whose memory and CPU are read here at the right moments. Prints one JSON object.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bench.live_rendition import PART_BYTES, PARTS
from bench.processes import cpu_s, rss_bytes

FIELDS = (
    "Host: 127.0.0.1\r\nAccept: */*\r\nAccept-Language: en-US,en;q=0.9\r\n"
    "Origin: https://example.org\r\nReferer: https://example.org/\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Safari/537.36\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\n"
    "Sec-Fetch-Site: cross-site\r\n\r\n"
)
"""What Chromium sends, but for compression."""
SETTLE_S = 1.0
"""After the last request was sent: the server has read them all by then."""
PART_S = 0.2
PATIENCE_S = 10.0
READ_BYTES = 1 << 20
_CHUNK_BYTES = len(f"{PART_BYTES:x}\r\n") + PART_BYTES + len("\r\n")
_LAST_CHUNK_BYTES = len("0\r\n\r\n")


@dataclass(slots=True)
class Client:
    """One connection and how much of its answer has come."""

    socket: socket.socket
    received: int = 0
    head: int = 0
    """Bytes of the response's head; 0 until it has come."""


class Crowd:
    """Owns all connections."""

    def __init__(self, port: int, count: int) -> None:
        self.epoll = select.epoll()
        self.clients: dict[int, Client] = {}
        self.discarded = bytearray(READ_BYTES)
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setblocking(False)
            self.clients[connection.fileno()] = Client(connection)
            self.epoll.register(connection, select.EPOLLIN)

    def __len__(self) -> int:
        return len(self.clients)

    def ask(self, target: str) -> None:
        """Everyone sends the same request."""
        request = f"GET {target} HTTP/1.1\r\n{FIELDS}".encode()
        for client in self.clients.values():
            client.received = client.head = 0
            client.socket.send(request)

    def receive(self, until: float) -> Iterator[Client]:
        """Yields each client that has got more, up to a moment of time.monotonic."""
        while (left_s := until - time.monotonic()) > 0:
            for descriptor, _ in self.epoll.poll(left_s, 1024):
                client = self.clients[descriptor]
                _take(client, self.discarded)
                yield client


def _take(client: Client, discarded: bytearray) -> None:
    if client.head:  # only the count matters: the kernel need not copy the rest
        size = client.socket.recv_into(discarded, READ_BYTES, socket.MSG_TRUNC)
        client.received += size
    else:
        data = client.socket.recv(READ_BYTES)
        size = len(data)
        client.received += size
        client.head, _ = _read_head(data)
    if not size:
        raise SystemExit("the server has closed a connection")


def _read_head(data: bytes) -> tuple[int, int]:
    """Bytes of the head of an answer, and its Content-Length."""
    end = data.find(b"\r\n\r\n")
    if not data.startswith(b"HTTP/1.1 200 ") or end < 0:
        raise SystemExit(f"an answer begins with {data[:200]!r}")
    at = data.lower().find(b"content-length:", 0, end)
    return end + 4, int(data[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


class Server:
    """The server's control port and its processes."""

    def __init__(self, control_port: int, pids: list[int]) -> None:
        self._pids = pids
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", control_port))
        self._socket.settimeout(PATIENCE_S)

    def tell(self, command: str) -> dict[str, Any]:
        """Sends a command and waits for its answer."""
        self._socket.send(command.encode())
        answer: dict[str, Any] = json.loads(self._socket.recv(65_536))
        return answer

    def rss_bytes(self) -> int:
        """Of all its processes."""
        return sum(map(rss_bytes, self._pids))

    def cpu_s(self) -> float:
        """Of all its processes."""
        return sum(map(cpu_s, self._pids))


def wait_together(port: int, server: Server, count: int, rounds: int) -> dict[str, Any]:
    """Delays from the command until each client's last byte, for each round."""
    before = server.rss_bytes()
    crowd = Crowd(port, count)
    delays, lags, costs, waiting_bytes = [], [], [], 0
    for _ in range(rounds):
        place = server.tell("where")
        query = f"_HLS_msn={place['msn']}&_HLS_part={place['part']}&_HLS_skip=YES"
        crowd.ask(f"/bench/video/index.m3u8?{query}")
        time.sleep(SETTLE_S)
        waiting_bytes = max(waiting_bytes, server.rss_bytes() - before)
        server.tell("lag")
        cpu = server.cpu_s()
        at = server.tell("part")["at"]
        delays.append(sorted(_completions(crowd, at)))
        costs.append((server.cpu_s() - cpu) / count)
        lags.append(server.tell("lag")["lag_s"])
    return {
        "delays_s": delays,
        "lags_s": lags,
        "cpu_s": costs,
        "bytes_per_client": waiting_bytes / count,
    }


def _completions(crowd: Crowd, at: float) -> list[float]:
    """When each client had all of its answer; they are all of one length, that of the first.

    A tight loop: the clients must not take longer than the server.
    """
    delays: list[float] = []
    received: dict[int, int] = {}
    now, discarded, whole = time.monotonic, crowd.discarded, 0
    receives = {number: client.socket.recv_into for number, client in crowd.clients.items()}
    while len(delays) < len(receives):
        events = crowd.epoll.poll(PATIENCE_S, 256)
        if not events:
            raise SystemExit(f"{len(receives) - len(delays)} clients got no answer")
        for descriptor, _ in events:
            if not whole:
                whole = _whole_bytes(crowd.clients[descriptor].socket)
            # The kernel need not copy what only counts.
            size = receives[descriptor](discarded, READ_BYTES, socket.MSG_TRUNC)
            if not size:
                raise SystemExit("the server has closed a connection")
            if size != whole:
                size += received.get(descriptor, 0)
                received[descriptor] = size
            if size == whole:
                delays.append(now() - at)
    return delays


def _whole_bytes(connection: socket.socket) -> int:
    """Length of the answer that has begun to come."""
    data = connection.recv(READ_BYTES, socket.MSG_PEEK)
    head, length = _read_head(data)
    return head + length


def follow_together(port: int, server: Server, count: int, rounds: int) -> dict[str, Any]:
    """Delays from each part's command until each client has all of it, and the server's CPU."""
    crowd = Crowd(port, count)
    delays, shares = [], []
    for _ in range(rounds):
        while (place := server.tell("where"))["part"] != 1:
            server.tell("part")
        crowd.ask(f"/bench/video/{place['msn']}.m4s")
        _parts(crowd, 1, time.monotonic())
        cpu, begun = server.cpu_s(), time.monotonic()
        late: list[float] = []
        for part in range(2, PARTS + 1):
            # The time between parts is the server's own too: it sends until the next one is due.
            time.sleep(max(0.0, begun + (part - 1) * PART_S - time.monotonic()))
            late += _parts(crowd, part, server.tell("part")["at"])
        delays.append(sorted(late))
        shares.append((server.cpu_s() - cpu) / (time.monotonic() - begun))
    return {"delays_s": delays, "cpu_shares": shares}


def _parts(crowd: Crowd, part: int, at: float) -> list[float]:
    """Waits until everyone has so many parts, at the end with the last chunk."""
    delays: list[float] = []
    body = part * _CHUNK_BYTES
    body += _LAST_CHUNK_BYTES if part == PARTS else 0
    for client in crowd.receive(at + PATIENCE_S):
        if client.received == client.head + body:
            delays.append(time.monotonic() - at)
            if len(delays) == len(crowd):
                return delays
    raise SystemExit(f"{len(crowd) - len(delays)} clients did not get part {part}")


def main() -> None:
    """Reads the command line."""
    kinds: dict[str, Callable[[int, Server, int, int], dict[str, Any]]] = {
        "waiting": wait_together,
        "following": follow_together,
    }
    port, control, count, rounds, *pids = map(int, sys.argv[2:])
    print(json.dumps(kinds[sys.argv[1]](port, Server(control, pids), count, rounds)))


if __name__ == "__main__":
    main()
