"""Many publishers in one cheap process: an FLV file replayed in real time over RTMP.

    python -m bench.rtmp_sender [--spread S] clip.flv seconds host:port/app/name [...]

Chunks are built once, so that a message costs one send; every target gets the same bytes at the
same times. Messages travel in chunks of `CHUNK_BYTES`, as ffmpeg's do once a server has asked for
it. Prints one JSON object a line: when each publisher's first key frame left (CLOCK_MONOTONIC),
and at the end how late the latest message was.
"""

from __future__ import annotations

import argparse
import heapq
import json
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from bench.flv_file import read_messages
from streaming.ingest.rtmp import messages
from streaming.ingest.rtmp.amf0 import Writable, write_values
from streaming.ingest.rtmp.chunk_stream import ChunkWriter

CHUNK_BYTES = 65_536
"""What Headwater asks for; nginx-rtmp is configured to ask for the same."""
HANDSHAKE_BYTES = 1536
CONNECT_S = 10.0
LONGEST_SEND_S = 5
MEDIA_CHUNK_STREAM = 6
GOP_S = 2.0
"""Of the clips. Starts that are spread over it keep key frames from coming together."""
READ_EVERY = 128
"""Messages between two looks at what the server said (acknowledgements)."""


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A media message whose chunks are ready but for the timestamp."""

    at_ms: int
    head: bytes
    """Length, type and stream id of the chunk header."""
    body: bytes
    """The payload with the headers of further chunks within it."""
    is_key: bool
    is_once: bool
    """Metadata and configurations are not repeated with the clip."""


def prepare(file: Path) -> list[PreparedMessage]:
    """All messages of a clip."""
    prepared = []
    for message in read_messages(file):
        payload = bytes(message.payload)
        chunks = [
            payload[start : start + CHUNK_BYTES] for start in range(0, len(payload), CHUNK_BYTES)
        ]
        head = len(payload).to_bytes(3, "big") + bytes([message.type_id, 1, 0, 0, 0])
        body = bytes([0xC0 | MEDIA_CHUNK_STREAM]).join(chunks)
        is_frame = message.type_id in (messages.AUDIO, messages.VIDEO) and payload[1] == 1
        is_key = is_frame and message.type_id == messages.VIDEO and payload[0] >> 4 == 1
        prepared.append(PreparedMessage(message.timestamp, head, body, is_key, not is_frame))
    return prepared


class Publisher:
    """Owns one connection; `open` blocks until the server lets it publish."""

    def __init__(self, target: str) -> None:
        self.target = target
        address, _, name = target.partition("/")
        self._app, _, self._key = name.rpartition("/")
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), CONNECT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sent = 0
        self.first_key_at: float | None = None

    def open(self) -> None:
        """Handshake and commands, all ahead of the answers but the handshake's own."""
        self._socket.sendall(b"\3" + bytes(HANDSHAKE_BYTES))
        greeting = self._read(1 + 2 * HANDSHAKE_BYTES)
        self._socket.sendall(greeting[1 : 1 + HANDSHAKE_BYTES])
        address = self.target.partition("/")[0]
        connect: dict[str, Writable] = {
            "app": self._app,
            "type": "nonprivate",
            "flashVer": "FMLE/3.0",
            "tcUrl": f"rtmp://{address}/{self._app}",
        }
        writer = ChunkWriter()
        size = messages.write_uint32(CHUNK_BYTES)
        out = writer.write(messages.CONTROL_CHUNK_STREAM, messages.SET_CHUNK_SIZE, size)
        writer.chunk_bytes = CHUNK_BYTES
        self._socket.sendall(out + self._command(writer, 0, "connect", 1, connect))
        self._wait_for(b"NetConnection.Connect.Success")
        self._socket.sendall(self._command(writer, 0, "createStream", 2, None))
        self._wait_for(b"_result")
        publish = self._command(writer, 1, "publish", 3, None, self._key, "live")
        self._socket.sendall(publish)
        self._wait_for(b"NetStream.Publish.Start")
        self._socket.settimeout(None)  # Python's own timeout would make every send poll first
        longest = struct.pack("ll", LONGEST_SEND_S, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, longest)

    def send(self, message: PreparedMessage, at_ms: int) -> None:
        """One media message with its timestamp."""
        # Below 0xFFFFFF no extended timestamp is needed: 4.6 hours.
        stamp = at_ms.to_bytes(3, "big")
        self._socket.sendall(bytes([MEDIA_CHUNK_STREAM]) + stamp + message.head + message.body)
        if message.is_key and self.first_key_at is None:
            self.first_key_at = time.monotonic()
        self._sent += 1
        if self._sent % READ_EVERY == 0:
            self._discard()

    def close(self) -> None:
        """Leaves without a word, as a lost publisher does."""
        self._socket.close()

    def _discard(self) -> None:
        try:
            self._socket.recv(65_536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return

    @staticmethod
    def _command(writer: ChunkWriter, stream_id: int, *values: Writable) -> bytes:
        return writer.write(
            messages.COMMAND_CHUNK_STREAM, messages.COMMAND_AMF0, write_values(*values), stream_id
        )

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._receive(size - len(data))
        return data

    def _receive(self, size: int) -> bytes:
        data = self._socket.recv(size)
        if not data:
            raise ConnectionError(f"{self.target}: the server closed the connection")
        return data

    def _wait_for(self, text: bytes) -> None:
        data = b""
        while text not in data:
            data += self._receive(65_536)


@dataclass(slots=True)
class _Replay:
    """Where a publisher is in its clip."""

    publisher: Publisher
    started: float
    position: int = 0
    offset_ms: int = 0


def replay(
    prepared: list[PreparedMessage],
    clip_ms: int,
    publishers: list[Publisher],
    seconds: float,
    spread_s: float = GOP_S,
) -> float:
    """Sends the clip again and again for `seconds`; returns how late the latest message was.

    The publishers' starts are spread over `spread_s` at equal distances.
    """
    now = time.monotonic()
    spread = spread_s / len(publishers)
    replays = [_Replay(p, now + n * spread) for n, p in enumerate(publishers)]
    due = [(replay.started, n) for n, replay in enumerate(replays)]
    latest = 0.0
    while due[0][0] < now + seconds:
        at, n = due[0]
        wait_s = at - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        latest = max(latest, -wait_s)
        current = replays[n]
        message = prepared[current.position]
        current.publisher.send(message, message.at_ms + current.offset_ms)
        _advance(current, prepared, clip_ms)
        next_ms = prepared[current.position].at_ms + current.offset_ms
        heapq.heapreplace(due, (current.started + next_ms / 1000, n))
    return latest


def _advance(current: _Replay, prepared: list[PreparedMessage], clip_ms: int) -> None:
    while True:
        current.position += 1
        if current.position == len(prepared):
            current.position = 0
            current.offset_ms += clip_ms
        if not (current.offset_ms and prepared[current.position].is_once):
            return


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="bench.rtmp_sender")
    parser.add_argument("--spread", type=float, default=GOP_S, help="of their starts, seconds")
    parser.add_argument("file", type=Path)
    parser.add_argument("seconds", type=float)
    parser.add_argument("targets", nargs="+", metavar="host:port/app/name")
    options = parser.parse_args()
    prepared = prepare(options.file)
    clip_ms = round(max(message.at_ms for message in prepared) / 1000) * 1000
    publishers = [Publisher(target) for target in options.targets]
    for publisher in publishers:
        publisher.open()
    latest = replay(prepared, clip_ms, publishers, options.seconds, options.spread)
    for publisher in publishers:
        print(json.dumps({"target": publisher.target, "first_key_at": publisher.first_key_at}))
        publisher.close()
    print(json.dumps({"latest_s": round(latest, 4)}))


if __name__ == "__main__":
    main()
