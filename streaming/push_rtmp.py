"""The publisher's side of one RTMP connection (RTMP 1.0; Enhanced RTMP v2), sans-IO.

    HANDSHAKE → CONNECTING → CREATING → PUBLISH_PENDING → PUBLISHING → CLOSED

Each arrow but the last is an answer of the server. Whatever it refuses raises PushRefused with the
server's own words; what is not RTMP raises RtmpError.
"""

from __future__ import annotations

import enum
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from streaming.errors import ConfigError, LocalError, RemoteError, RtmpError
from streaming.ingest.rtmp import commands, messages
from streaming.ingest.rtmp.amf0 import AmfValue, Writable, read_values, write_values
from streaming.ingest.rtmp.chunk_stream import DEFAULT_CHUNK_BYTES, ChunkReader
from streaming.ingest.rtmp.handshake import PACKET_BYTES, VERSION
from streaming.ingest.rtmp.messages import Message

CHUNK_BYTES = 65_536
"""Most messages fit into one: a chunk header per message instead of one per 128 bytes."""
CLIENT = "FMLE/3.0 (compatible; Headwater)"
"""Some servers let in as publishers only those whose name begins so."""

_PORTS = {"rtmp": 1935, "rtmps": 443}
_CHUNK_STREAMS = {messages.AUDIO: 4, messages.DATA_AMF0: 5, messages.VIDEO: 6}
_EXTENDED = 0xFFFFFF
_CONNECT, _CREATE_STREAM, _PUBLISH = 1, 4, 5
"""Transaction ids; 2 and 3 are releaseStream and FCPublish, whose answers tell nothing."""
_RECONNECT = 1
"""capsEx: we understand a request to reconnect."""
_ENHANCED_PROPERTIES = frozenset({"fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap"})


class PushRefused(RemoteError):
    """The server said no, or ended the publication; the message is its own reason.

    `code` is its reason code, empty where it gave none.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message, value=code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Target:
    """Where to publish, taken apart."""

    scheme: str
    host: str
    port: int
    app: str
    stream: str
    """The last part of the path with the query: for most services the secret key."""

    @property
    def tc_url(self) -> str:
        """The address of the application, as `connect` names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.app}"


def parse_target(url: str) -> Target:
    """`rtmp://host[:port]/app/name[?query]`; the app may have slashes, the name has none.

    Raises ConfigError with one sentence.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"the target is no address: {error}") from error
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.hostname:
        raise ConfigError("the target must be rtmp://host/app/name or rtmps://host/app/name")
    app, _, stream = parts.path.strip("/").rpartition("/")
    if not app:
        app, stream = stream, ""
    if not app:
        raise ConfigError("the target has no application and no name: rtmp://host/app/name")
    query = f"?{parts.query}" if parts.query else ""
    return Target(scheme, parts.hostname, port or _PORTS[scheme], app, stream + query)


class State(enum.Enum):
    """How far a connection has come."""

    HANDSHAKE = "shaking hands"
    CONNECTING = "opening the application"
    CREATING = "creating a stream"
    PUBLISH_PENDING = "asking to publish"
    PUBLISHING = "publishing"
    CLOSED = "closed"


_TRANSITIONS: dict[State, frozenset[State]] = {
    State.HANDSHAKE: frozenset({State.CONNECTING, State.CLOSED}),
    State.CONNECTING: frozenset({State.CREATING, State.CLOSED}),
    State.CREATING: frozenset({State.PUBLISH_PENDING, State.CLOSED}),
    State.PUBLISH_PENDING: frozenset({State.PUBLISHING, State.CLOSED}),
    State.PUBLISHING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}


class RtmpPublisher:
    """Owns the protocol of one publication; the shell that owns the socket is its only caller.

    `nonce` is the random part of the handshake, `handshake.NONCE_BYTES` long.
    """

    def __init__(self, target: Target, nonce: bytes) -> None:
        self.state = State.HANDSHAKE
        self.speaks_enhanced = False
        """Whether the server named codecs of Enhanced RTMP in its answer to `connect`."""
        self._target = target
        self._received = bytearray()
        self._answered = False
        self._reader = ChunkReader()
        self._chunk_bytes = DEFAULT_CHUNK_BYTES
        self._stream_id = 0
        self._window_bytes = 0
        self._received_bytes = 0
        self._acknowledged = 0
        self._out: list[bytes] = [bytes((VERSION,)) + bytes(8) + nonce]

    def receive_data(self, data: bytes) -> None:
        """Takes bytes of the server. Raises PushRefused and RtmpError."""
        self._received_bytes += len(data)
        if self.state is State.HANDSHAKE:
            data = self._shake_hands(data)
        if data:
            for message in self._reader.push(data):
                self._receive(message)
        self._acknowledge()

    def data_to_send(self) -> bytes:
        """Bytes for the server, each once."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def send_media(self, type_id: int, timestamp_ms: int, payload: bytes) -> None:
        """Queues one audio, video or data message; only while PUBLISHING."""
        if self.state is not State.PUBLISHING:
            raise LocalError(f"cannot send media while {self.state.value}")
        self._send(_CHUNK_STREAMS[type_id], type_id, payload, timestamp_ms, self._stream_id)

    def close(self) -> None:
        """Queues the farewell; does nothing the second time."""
        if self.state is State.PUBLISHING:
            self._call("FCUnpublish", 6, None, self._target.stream)
            self._call("deleteStream", 7, None, self._stream_id)
        if self.state is not State.CLOSED:
            self._set_state(State.CLOSED)

    # -- receiving ---------------------------------------------------------------------------

    def _shake_hands(self, data: bytes) -> bytes:
        self._received += data
        if self._received and self._received[0] != VERSION:
            raise RtmpError(f"not an RTMP server: first byte {self._received[0]}")
        if not self._answered and len(self._received) > PACKET_BYTES:
            self._answered = True
            self._out.append(bytes(self._received[1 : 1 + PACKET_BYTES]))
        if len(self._received) <= 2 * PACKET_BYTES:
            return b""
        rest = bytes(self._received[1 + 2 * PACKET_BYTES :])
        self._received.clear()
        self._set_state(State.CONNECTING)
        self._connect()
        return rest

    def _receive(self, message: Message) -> None:
        if message.type_id == messages.COMMAND_AMF0:
            self._receive_command(read_values(message.payload))
        elif message.type_id == messages.WINDOW_ACK_SIZE:
            self._window_bytes = messages.read_uint32(message.payload) or 0
        elif message.type_id == messages.USER_CONTROL:
            self._receive_user_control(bytes(message.payload))

    def _receive_user_control(self, payload: bytes) -> None:
        if int.from_bytes(payload[:2], "big") == messages.PING_REQUEST and len(payload) >= 6:
            pong = messages.write_user_control(messages.PING_RESPONSE, payload[2:6])
            self._send(messages.CONTROL_CHUNK_STREAM, messages.USER_CONTROL, pong)

    def _receive_command(self, values: list[AmfValue]) -> None:
        name = values[0] if values else None
        transaction = values[1] if len(values) > 1 else None
        arguments = values[2:]
        if name == "_result":
            self._receive_result(transaction, arguments)
        elif name == "_error" and transaction in (_CONNECT, _CREATE_STREAM, _PUBLISH):
            raise PushRefused(_reason(arguments, "without saying why"))
        elif name == "onStatus":
            self._receive_status(arguments)
        elif name == "close":
            raise PushRefused("the server closed the connection")

    def _receive_result(self, transaction: AmfValue, arguments: list[AmfValue]) -> None:
        if self.state is State.CONNECTING and transaction == _CONNECT:
            self.speaks_enhanced = any(
                isinstance(a, dict) and a.keys() & _ENHANCED_PROPERTIES for a in arguments
            )
            self._set_state(State.CREATING)
            stream = self._target.stream
            self._call("releaseStream", 2, None, stream)
            self._call("FCPublish", 3, None, stream)
            self._call("createStream", _CREATE_STREAM, None)
        elif self.state is State.CREATING and transaction == _CREATE_STREAM:
            number = arguments[1] if len(arguments) > 1 else None
            if isinstance(number, bool) or not isinstance(number, float) or not 0 < number < 2**32:
                raise RtmpError("the server created no stream", value=number)
            self._stream_id = int(number)
            self._set_state(State.PUBLISH_PENDING)
            self._call("publish", _PUBLISH, None, self._target.stream, "live")

    def _receive_status(self, arguments: list[AmfValue]) -> None:
        info = next((a for a in arguments if isinstance(a, dict)), {})
        code = info.get("code")
        if info.get("level") == "error":
            raise PushRefused(_reason(arguments, "error"), code=str(code))
        if code == commands.PUBLISH_START and self.state is State.PUBLISH_PENDING:
            self._set_state(State.PUBLISHING)
        elif code == commands.RECONNECT_REQUEST:
            raise RemoteError("the server asks to connect again")

    def _acknowledge(self) -> None:
        if self._window_bytes and self._received_bytes - self._acknowledged >= self._window_bytes:
            self._acknowledged = self._received_bytes
            total = messages.write_uint32(self._received_bytes)
            self._send(messages.CONTROL_CHUNK_STREAM, messages.ACKNOWLEDGEMENT, total)

    # -- sending -----------------------------------------------------------------------------

    def _connect(self) -> None:
        size = messages.write_uint32(CHUNK_BYTES)
        self._send(messages.CONTROL_CHUNK_STREAM, messages.SET_CHUNK_SIZE, size)
        self._chunk_bytes = CHUNK_BYTES
        asked: Mapping[str, Writable] = {
            "app": self._target.app,
            "type": "nonprivate",
            "flashVer": CLIENT,
            "tcUrl": self._target.tc_url,
            "fourCcList": ["avc1", "hvc1", "av01", "vp09", "mp4a", "Opus"],
            "capsEx": _RECONNECT,
        }
        self._call("connect", _CONNECT, asked)

    def _call(self, name: str, transaction: int, *arguments: Writable) -> None:
        payload = write_values(name, transaction, *arguments)
        stream_id = self._stream_id if name == "publish" else 0
        chunk_stream = messages.COMMAND_CHUNK_STREAM
        self._send(chunk_stream, messages.COMMAND_AMF0, payload, stream_id=stream_id)

    def _send(
        self,
        chunk_stream: int,
        type_id: int,
        payload: bytes,
        timestamp_ms: int = 0,
        stream_id: int = 0,
    ) -> None:
        """One message as a type 0 chunk and type 3 chunks (5.3.1)."""
        stamp = timestamp_ms & 0xFFFFFFFF
        extended = stamp.to_bytes(4, "big") if stamp >= _EXTENDED else b""
        header = b"".join(
            (
                bytes((chunk_stream,)),
                min(stamp, _EXTENDED).to_bytes(3, "big"),
                len(payload).to_bytes(3, "big"),
                bytes((type_id,)),
                stream_id.to_bytes(4, "little"),
                extended,
            )
        )
        step = self._chunk_bytes
        self._out += (header, payload[:step])
        continuation = bytes((0xC0 | chunk_stream,)) + extended
        for start in range(step, len(payload), step):
            self._out += (continuation, payload[start : start + step])

    def _set_state(self, state: State) -> None:
        if state not in _TRANSITIONS[self.state]:
            raise LocalError(f"no way from {self.state.value} to {state.value}")
        self.state = state


def _reason(arguments: list[AmfValue], otherwise: str) -> str:
    """The description in an information object, the code where there is none."""
    for info in arguments:
        if isinstance(info, dict):
            for field in ("description", "code"):
                text = info.get(field)
                if isinstance(text, str) and text:
                    return text
    return otherwise
