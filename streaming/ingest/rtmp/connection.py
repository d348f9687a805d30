"""The server's side of one RTMP connection (RTMP 1.0; Enhanced RTMP v2), sans-IO.

A connection shakes hands, opens an application (``connect``), may then publish one stream at a
time, and ends. Playing is refused: viewers are served over HTTP and WebRTC.

    HANDSHAKE -> OPEN -> CONNECTED -> PUBLISH_PENDING -> PUBLISHING -> CLOSING -> CLOSED
                             ^_______________________________/

The shell answers PublishRequested by ``accept_publish`` or ``reject_publish``; whole messages that
the peer sent ahead wait for that answer. Whatever the peer does
wrong ends in CLOSING, where it has been told why (an onStatus that encoders show) and its further
bytes are thrown away for a moment, or at once in CLOSED when it never got as far as ``connect``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from streaming.errors import LocalError, PublishRejected, RtmpError
from streaming.ingest.rtmp import commands, messages
from streaming.ingest.rtmp.amf0 import AmfValue
from streaming.ingest.rtmp.chunk_stream import ChunkReader, OrdinaryMedia
from streaming.ingest.rtmp.connection_state import ENDING, TRANSITIONS, State
from streaming.ingest.rtmp.events import (
    Connected,
    ConnectionClosed,
    Event,
    PublishEnded,
    PublishRequested,
)
from streaming.ingest.rtmp.handshake import Handshake
from streaming.ingest.rtmp.limits import MAX_MESSAGE_STREAMS, RtmpLimits
from streaming.ingest.rtmp.messages import Message
from streaming.ingest.rtmp.outgoing import WINDOW_BYTES, Outgoing
from streaming.ingest.rtmp.publisher_watch import PublisherWatch
from streaming.ingest.rtmp.stream_name import MAX_NAME_CHARACTERS, read_stream_name
from streaming.publish_codes import BAD_NAME, UNPUBLISHED

_FLOW_MESSAGES = frozenset({messages.AUDIO, messages.VIDEO, messages.AGGREGATE,
                            messages.DATA_AMF0, messages.DATA_AMF3})  # fmt: skip


@dataclass(frozen=True, slots=True)
class ConnectionStatistics:
    """Counters of one connection since it was accepted."""

    state: State
    received_bytes: int
    sent_bytes: int
    messages: int
    """Whole messages received, all types."""


class RtmpConnection:
    """Owns the protocol of one peer; the shell that owns the socket is its only caller.

    ``nonce`` is the random part of the handshake, ``handshake.NONCE_BYTES`` long. Time is
    whatever steady clock the shell reads; the first ``handle_timer`` starts the time-outs.
    """

    def __init__(self, nonce: bytes, limits: RtmpLimits | None = None) -> None:
        self.state = State.HANDSHAKE
        self._is_ending = False
        self._limits = limits or RtmpLimits()
        self._handshake = Handshake(nonce)
        self._reader = ChunkReader(self._limits.max_media_bytes)
        self._events: deque[Event] = deque()
        self._out = Outgoing()
        self._app = ""
        self._tc_url = ""
        self._may_reconnect = False
        self._streams_created = 0
        self._publish_stream = 0
        self._received_bytes = 0
        self._messages = 0
        self._quota_start = 0
        self._deferred: list[Message] = []
        self._closing_reason = ""
        self._window_bytes = WINDOW_BYTES
        self._acknowledged = 0
        self._deadline: float | None = None
        self._timeout_s: float | None = self._limits.handshake_timeout_s
        self._watch = PublisherWatch(self._limits)

    # -- the five calls of every connection ----------------------------------------------------

    def receive_data(self, data: bytes, media: OrdinaryMedia | None = None) -> None:
        """Take bytes of the peer. What it does wrong ends in events, never in an exception.

        What ``media`` takes of a live publisher's messages came before all events that follow.
        """
        self._received_bytes += len(data)
        try:
            if self.state is State.HANDSHAKE:
                data = self._shake_hands(data)
            if data and not self._is_ending:
                self._receive_messages(self._read_messages(data, media))
                self._keep_account()
        except (PublishRejected, RtmpError) as error:
            self._close_over(error)

    def handle_timer(self, now: float) -> None:
        """Let time pass; call it when ``timer_at`` says so, early calls do no harm."""
        if self._timeout_s is None:
            return
        if self._deadline is None:
            self._deadline = now + self._timeout_s
            self._watch.start_clock(now, self._received_bytes)
        elif now >= self._deadline:
            self._time_out(now)

    def timer_at(self) -> float | None:
        """When to call ``handle_timer``; 0 means at once, None not at all."""
        if self._timeout_s is None:
            return None
        return self._deadline if self._deadline is not None else 0.0

    def next_event(self) -> Event | None:
        """The oldest event not yet taken."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> bytes:
        """Bytes for the peer, each once."""
        return self._out.take()

    # -- what the shell decides ----------------------------------------------------------------

    def accept_publish(self) -> None:
        """Let the publisher in that PublishRequested announced."""
        self._require(State.PUBLISH_PENDING)
        self._out.begin_stream(self._publish_stream)
        self._out.send_status(self._publish_stream, "status", commands.PUBLISH_START, "publishing")
        self._set_state(State.PUBLISHING)
        self._watch.begin()
        self._set_timeout(self._watch.check_s)
        deferred, self._deferred = self._deferred, []
        try:
            self._receive_messages(deferred)
        except (PublishRejected, RtmpError) as error:
            self._close_over(error)

    def reject_publish(self, code: str, description: str) -> None:
        """Turn the publisher away; it is told the code and the description, then closed."""
        self._require(State.PUBLISH_PENDING)
        self.close(code, description)

    def close(self, code: str, description: str) -> None:
        """Tell the peer why, as far as it can be told, and close. Does nothing the second time."""
        if self._is_ending:
            return
        asked = any(isinstance(event, PublishRequested) for event in self._events)
        if asked:  # nobody needs to decide about it any more
            self._events = deque(e for e in self._events if not isinstance(e, PublishRequested))
        self._deferred.clear()
        if self.state in (State.HANDSHAKE, State.OPEN):
            self._finish(description)
            return
        self._out.send_status(self._publish_stream, "error", code, description)
        if self.state is State.PUBLISHING:
            self._events.append(PublishEnded(description))
        self._set_state(State.CLOSING)
        self._set_timeout(self._limits.linger_s)
        self._closing_reason = description

    def request_reconnect(self, description: str, tc_url: str = "") -> bool:
        """Ask the peer to come back, to ``tc_url`` if given, at its next key frame.

        Returns False when the peer did not say in ``connect`` that it understands this
        (Enhanced RTMP v2, NetConnection.Connect.ReconnectRequest): keep serving it or close.
        """
        if not self._may_reconnect or self.state not in (State.CONNECTED, State.PUBLISHING):
            return False
        more = {"tcUrl": tc_url} if tc_url else {}
        self._out.send_status(0, "status", commands.RECONNECT_REQUEST, description, **more)
        return True

    def statistics(self) -> ConnectionStatistics:
        """Counters so far."""
        return ConnectionStatistics(
            self.state, self._received_bytes, self._out.sent_bytes, self._messages
        )

    # -- states and time -----------------------------------------------------------------------

    def _require(self, state: State) -> None:
        if self.state is not state:
            raise LocalError(f"connection is {self.state.value}, not {state.value}")

    def _set_state(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise LocalError(f"no way from {self.state.value} to {state.value}")
        self.state = state
        self._is_ending = state in ENDING

    def _set_timeout(self, seconds: float | None) -> None:
        self._timeout_s = seconds
        self._deadline = None

    def _finish(self, reason: str) -> None:
        self._set_state(State.CLOSED)
        self._set_timeout(None)
        self._events.append(ConnectionClosed(reason))

    def _time_out(self, now: float) -> None:
        if self.state is State.CLOSING:
            self._finish(self._closing_reason)
        elif self.state is not State.PUBLISHING:
            limit_s = self._limits.handshake_timeout_s
            self.close(commands.CONNECT_CLOSED, f"nothing was published within {limit_s:g} s")
        else:
            self._deadline = now + self._watch.check_s
            trouble = self._watch.check(now, self._received_bytes)
            if trouble is not None:
                self.close(*trouble)

    # -- receiving -----------------------------------------------------------------------------

    def _shake_hands(self, data: bytes) -> bytes:
        answer, rest = self._handshake.receive_data(data)
        if answer:
            self._out.send_handshake(answer)
        if self._handshake.is_complete:
            self._set_state(State.OPEN)
        return rest

    def _close_over(self, error: PublishRejected | RtmpError) -> None:
        code = error.code if isinstance(error, PublishRejected) else commands.CONNECT_CLOSED
        description = error.description if isinstance(error, PublishRejected) else str(error)
        self.close(code, description)

    def _read_messages(self, data: bytes, media: OrdinaryMedia | None) -> list[Message]:
        if media is None or self.state is not State.PUBLISHING:
            return self._reader.push(data)
        try:
            return self._reader.push(data, media)
        finally:
            if media.count:
                self._messages += media.count
                self._watch.heard_media = True

    def _receive_messages(self, received: list[Message]) -> None:
        for message in received:
            if self.state is State.PUBLISH_PENDING:
                self._deferred.append(message)
                continue
            self._messages += 1
            if message.type_id not in _FLOW_MESSAGES:
                self._receive_other(message)
                if self._is_ending:
                    return
            elif self.state is State.PUBLISHING:
                self._watch.heard_media = True
                self._events.append(message)

    def _keep_account(self) -> None:
        """Acknowledge what came, and count it against a peer that does not publish."""
        if self._is_ending:
            return
        if self._received_bytes - self._acknowledged >= self._window_bytes:
            self._acknowledged = self._received_bytes
            self._out.acknowledge(self._received_bytes)
        if self.state is not State.PUBLISHING:
            unpublished = self._received_bytes - self._quota_start
            if unpublished > self._limits.max_bytes_before_publish:
                raise RtmpError(f"{unpublished} bytes without publishing", value=unpublished)

    def _receive_other(self, message: Message) -> None:
        if message.type_id in (messages.COMMAND_AMF0, messages.COMMAND_AMF3):
            self._receive_command(message)
        elif message.type_id == messages.WINDOW_ACK_SIZE:
            self._window_bytes = messages.read_uint32(message.payload) or self._window_bytes
        elif message.type_id == messages.USER_CONTROL:
            self._receive_user_control(message.payload)

    def _receive_user_control(self, payload: bytes | bytearray) -> None:
        if int.from_bytes(payload[:2], "big") == messages.PING_REQUEST and len(payload) >= 6:
            self._out.answer_ping(bytes(payload[2:6]))

    def _receive_command(self, message: Message) -> None:
        name, transaction, values = commands.read_command(message)
        if name == "connect":
            self._connect(transaction, values)
        elif self.state is State.OPEN:
            raise RtmpError("a command before connect", value=name)
        else:
            self._obey(name, transaction, message.stream_id, values[1:])

    # -- commands ------------------------------------------------------------------------------

    def _connect(self, transaction: float, arguments: list[AmfValue]) -> None:
        if self.state is not State.OPEN:
            raise RtmpError("connect came twice")
        asked = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
        self._app = _text(asked.get("app"))
        self._tc_url = _text(asked.get("tcUrl"))
        capabilities = asked.get("capsEx")
        self._may_reconnect = isinstance(capabilities, float) and capabilities % 2 == 1
        self._out.open_windows()
        self._out.send_command(commands.write_connect_result(transaction, asked))
        self._set_state(State.CONNECTED)
        client = _text(asked.get("flashVer"))
        self._events.append(Connected(self._app, self._tc_url, client, asked))

    def _obey(
        self, name: str, transaction: float, stream_id: int, arguments: list[AmfValue]
    ) -> None:
        if name == "createStream":
            self._create_stream(transaction)
        elif name == "publish":
            self._publish(stream_id, _text(arguments[0]) if arguments else "")
        elif name in ("FCUnpublish", "closeStream"):
            self._unpublish(name)
        elif name == "deleteStream":
            if not arguments or arguments[0] == self._publish_stream:
                self._unpublish(name)
        elif name in ("releaseStream", "FCPublish", "_checkbw"):
            self._answer(transaction, None)
        elif name == "getStreamLength":
            self._answer(transaction, 0)
        elif name in ("play", "play2"):
            self._publish_stream = stream_id
            reason = "playing over RTMP is not offered here; play the path over HTTP"
            self.close(commands.PLAY_FAILED, reason)
        elif transaction and name not in ("_result", "_error", "onStatus"):
            text = f"{name[:40]!r} is not a command of this server"
            self._out.send_command(commands.write_error(transaction, text))

    def _answer(self, transaction: float, value: int | None) -> None:
        if transaction:
            self._out.send_command(commands.write_result(transaction, None, value))

    def _create_stream(self, transaction: float) -> None:
        if self._streams_created >= MAX_MESSAGE_STREAMS:
            raise RtmpError(f"more than {MAX_MESSAGE_STREAMS} streams created")
        self._streams_created += 1
        self._answer(transaction, self._streams_created)

    def _publish(self, stream_id: int, stream_name: str) -> None:
        if self.state is not State.CONNECTED:
            text = "this connection publishes already"
            self._out.send_status(stream_id, "error", BAD_NAME, text)
            return
        self._publish_stream = stream_id
        self._events.append(read_stream_name(self._app, stream_name, self._tc_url))
        self._set_state(State.PUBLISH_PENDING)
        self._set_timeout(None)

    def _unpublish(self, command: str) -> None:
        if self.state is not State.PUBLISHING:
            return
        self._events.append(PublishEnded(f"the publisher sent {command}"))
        self._out.send_status(self._publish_stream, "status", UNPUBLISHED, "no longer publishing")
        self._set_state(State.CONNECTED)
        self._quota_start = self._received_bytes
        self._set_timeout(self._limits.handshake_timeout_s)


def _text(value: AmfValue) -> str:
    """A name the peer gave, cut just past what read_stream_name refuses; "" for no string."""
    return value[: MAX_NAME_CHARACTERS + 1] if isinstance(value, str) else ""
