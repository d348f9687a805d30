"""What a server's side of a connection sends: control messages, answers, statuses. Sans-IO."""

from __future__ import annotations

from streaming.ingest.rtmp import commands, messages
from streaming.ingest.rtmp.chunk_stream import ChunkWriter

CHUNK_BYTES = 65_536
"""What we ask for at once: FFmpeg stays at 128-byte chunks until told otherwise, and answers a
Set Chunk Size with the same value. Reads per second fall to a fifth."""

WINDOW_BYTES = 2_500_000
"""Asked of the peer, and used for our own acknowledgements until it names another: two to three
seconds of a usual stream, as other servers do."""


class Outgoing:
    """Owns the chunk writer and what waits to be sent; its connection alone calls it."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self._writer = ChunkWriter()
        self._waiting: list[bytes] = []

    def take(self) -> bytes:
        """Bytes for the peer, each once."""
        if not self._waiting:
            return b""
        data = b"".join(self._waiting)
        self._waiting.clear()
        self.sent_bytes += len(data)
        return data

    def send_handshake(self, data: bytes) -> None:
        """Bytes from before there are messages."""
        self._waiting.append(data)

    def open_windows(self) -> None:
        """How much we take, and in chunks of what size: said before the answer to ``connect``."""
        self._send_control(messages.WINDOW_ACK_SIZE, messages.write_uint32(WINDOW_BYTES))
        self._send_control(messages.SET_PEER_BANDWIDTH, messages.write_peer_bandwidth(WINDOW_BYTES))
        self._send_control(messages.SET_CHUNK_SIZE, messages.write_uint32(CHUNK_BYTES))
        self._writer.chunk_bytes = CHUNK_BYTES

    def acknowledge(self, received_bytes: int) -> None:
        """So much has come since the beginning."""
        self._send_control(messages.ACKNOWLEDGEMENT, messages.write_uint32(received_bytes))

    def begin_stream(self, stream_id: int) -> None:
        """The stream may be used."""
        self._send_user_control(messages.STREAM_BEGIN, messages.write_uint32(stream_id))

    def answer_ping(self, stamp: bytes) -> None:
        """The four bytes of a ping request, back."""
        self._send_user_control(messages.PING_RESPONSE, stamp)

    def send_command(self, payload: bytes) -> None:
        """A ``_result`` or an ``_error``."""
        chunk_stream = messages.COMMAND_CHUNK_STREAM
        self._waiting.append(self._writer.write(chunk_stream, messages.COMMAND_AMF0, payload))

    def send_status(self, stream_id: int, level: str, code: str, text: str, **more: str) -> None:
        """``onStatus`` of a stream, 0 being the connection itself."""
        payload = commands.write_status(level, code, text, **more)
        chunk_stream = messages.STATUS_CHUNK_STREAM
        self._waiting.append(
            self._writer.write(chunk_stream, messages.COMMAND_AMF0, payload, stream_id)
        )

    def _send_user_control(self, event_type: int, data: bytes) -> None:
        self._send_control(messages.USER_CONTROL, messages.write_user_control(event_type, data))

    def _send_control(self, type_id: int, payload: bytes) -> None:
        self._waiting.append(self._writer.write(messages.CONTROL_CHUNK_STREAM, type_id, payload))
