"""RTMP as a publisher writes it, byte by byte, and a reader of what a server answers.

Nothing here comes from the code under test but the AMF0 words, which have tests of their own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from streaming.ingest.rtmp.amf0 import AmfValue, Writable, read_values, write_values
from streaming.ingest.rtmp.connection import RtmpConnection
from streaming.ingest.rtmp.connection_state import State
from streaming.ingest.rtmp.events import Event
from streaming.ingest.rtmp.handshake import NONCE_BYTES
from streaming.ingest.rtmp.limits import RtmpLimits

AUDIO, VIDEO, DATA, COMMAND = 8, 9, 18, 20
NONCE = bytes(range(256)) * 5 + bytes(NONCE_BYTES - 1280)

AVC_CONFIG = bytes.fromhex(
    "0164000dffe1001967 64000dacd941419f9e100000030010000003 03c0f142996001000568ef8672c0fdf8f800"
)
"""320×180 at 30 fps, High."""
AAC_CONFIG = bytes.fromhex("1190")
"""AAC-LC, 48 kHz, stereo."""

IDR = bytes.fromhex("00000004 65888400")
NON_IDR = bytes.fromhex("00000004 419a0200")

VIDEO_CONFIG_TAG = bytes.fromhex("1700000000") + AVC_CONFIG
KEY_TAG = bytes.fromhex("1701000000") + IDR
FRAME_TAG = bytes.fromhex("2701000000") + NON_IDR
AUDIO_CONFIG_TAG = bytes.fromhex("af00") + AAC_CONFIG
SOUND_TAG = bytes.fromhex("af01") + b"\x21\x10\x04\x60\x8c\x1c"


def header(
    form: int,
    chunk_stream: int,
    *,
    time: int = 0,
    length: int = 0,
    type_id: int = 0,
    stream_id: int = 0,
    extended: bool | None = None,
) -> bytes:
    """One chunk header; ``extended`` None writes the extended timestamp when it is needed."""
    if chunk_stream < 64:
        out = bytes((form << 6 | chunk_stream,))
    elif chunk_stream < 320:
        out = bytes((form << 6, chunk_stream - 64))
    else:
        out = bytes((form << 6 | 1,)) + (chunk_stream - 64).to_bytes(2, "little")
    long = time >= 0xFFFFFF if extended is None else extended
    if form < 3:
        out += (0xFFFFFF if long else time).to_bytes(3, "big")
    if form < 2:
        out += length.to_bytes(3, "big") + bytes((type_id,))
    if form == 0:
        out += stream_id.to_bytes(4, "little")
    return out + (time.to_bytes(4, "big") if long else b"")


def message(
    type_id: int,
    payload: bytes,
    *,
    time: int = 0,
    chunk_stream: int = 6,
    stream_id: int = 1,
    chunk_bytes: int = 128,
    repeat_extended: bool = True,
) -> bytes:
    """A whole message: a type 0 chunk and its type 3 continuations."""
    out = header(
        0, chunk_stream, time=time, length=len(payload), type_id=type_id, stream_id=stream_id
    )
    out += payload[:chunk_bytes]
    long = time >= 0xFFFFFF and repeat_extended
    for start in range(chunk_bytes, len(payload), chunk_bytes):
        out += header(3, chunk_stream, time=time if long else 0, extended=long)
        out += payload[start : start + chunk_bytes]
    return out


def command(name: str, transaction: float, *arguments: Writable, stream_id: int = 0) -> bytes:
    """A command message, AMF0."""
    payload = write_values(name, transaction, *arguments)
    return message(COMMAND, payload, chunk_stream=3, stream_id=stream_id)


def handshake() -> bytes:
    """C0, C1 and C2 of a plain client."""
    return b"\x03" + bytes(8) + bytes(1528) + bytes(1536)


def connect(app: str = "live", **properties: Writable) -> bytes:
    """The ``connect`` command."""
    return command("connect", 1, {"app": app, "tcUrl": f"rtmp://host/{app}", **properties})


@dataclass(frozen=True)
class Answer:
    """One message of the server."""

    type_id: int
    stream_id: int
    payload: bytes

    @property
    def values(self) -> list[AmfValue]:
        """Of a command."""
        return read_values(self.payload)


def read_answers(data: bytes, *, chunk_bytes: int = 128) -> list[Answer]:
    """The messages in ``data``, which the server writes in type 0 and 3 chunks without mixing."""
    answers: list[Answer] = []
    position = 0
    while position < len(data):
        assert data[position] >> 6 == 0
        length = int.from_bytes(data[position + 4 : position + 7], "big")
        type_id = data[position + 7]
        (stream_id,) = struct.unpack_from("<I", data, position + 8)
        position += 12
        payload = data[position : position + min(length, chunk_bytes)]
        position += len(payload)
        while len(payload) < length:
            assert data[position] >> 6 == 3
            more = data[position + 1 : position + 1 + min(length - len(payload), chunk_bytes)]
            position += 1 + len(more)
            payload += more
        if type_id == 1:
            chunk_bytes = int.from_bytes(payload, "big")
        answers.append(Answer(type_id, stream_id, payload))
    return answers


class Peer:
    """A publisher talking to an RtmpConnection; remembers the events and the answers."""

    def __init__(self, limits: RtmpLimits | None = None) -> None:
        self.connection = RtmpConnection(NONCE, limits)
        self.events: list[Event] = []
        self.answers: list[Answer] = []
        self._answer_chunk_bytes = 128
        self._handshaken = False
        self.connection.handle_timer(0.0)

    def send(self, data: bytes) -> None:
        """Bytes to the server; takes its events and answers."""
        self.connection.receive_data(data)
        self.take()

    def pass_time(self, now: float) -> None:
        """All timers up to ``now``, each when it is due."""
        while (at := self.connection.timer_at()) is not None and at <= now:
            self.connection.handle_timer(at or self._now)
            self._now = max(self._now, at)
        self._now = now
        self.take()

    _now = 0.0

    def take(self) -> None:
        """Collect what the server says."""
        while (event := self.connection.next_event()) is not None:
            self.events.append(event)
        sent = self.connection.data_to_send()
        if sent and not self._handshaken:
            self._handshaken = True
            sent = sent[3073:]
        for answer in read_answers(sent, chunk_bytes=self._answer_chunk_bytes):
            if answer.type_id == 1:
                self._answer_chunk_bytes = int.from_bytes(answer.payload, "big")
            self.answers.append(answer)

    def connect(self, app: str = "live", **properties: Writable) -> None:
        """Handshake and ``connect``."""
        self.send(handshake())
        self.send(connect(app, **properties))

    def request(self, name: str = "foo") -> None:
        """Everything up to ``publish``, as librtmp does it."""
        self.connect()
        self.send(command("releaseStream", 2, None, name))
        self.send(command("FCPublish", 3, None, name))
        self.send(command("createStream", 4, None))
        self.send(command("publish", 5, None, name, "live", stream_id=1))

    def publish(self, name: str = "foo") -> None:
        """Everything up to Publish.Start."""
        self.request(name)
        assert self.connection.state is State.PUBLISH_PENDING
        self.connection.accept_publish()
        self.take()

    def said(self, name: str) -> list[list[AmfValue]]:
        """The commands of that name among the answers."""
        commands = [answer.values for answer in self.answers if answer.type_id == COMMAND]
        return [values for values in commands if values[0] == name]

    @property
    def status(self) -> tuple[str, str, str]:
        """Level, code and description of the last onStatus."""
        info = self.said("onStatus")[-1][3]
        assert isinstance(info, dict)
        return str(info["level"]), str(info["code"]), str(info["description"])
