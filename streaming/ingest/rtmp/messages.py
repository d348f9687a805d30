"""RTMP messages: their types, and the payloads of control messages (RTMP 1.0, 5.4 and 7)."""

from __future__ import annotations

from typing import NamedTuple

SET_CHUNK_SIZE = 1
ABORT = 2
ACKNOWLEDGEMENT = 3
USER_CONTROL = 4
WINDOW_ACK_SIZE = 5
SET_PEER_BANDWIDTH = 6
AUDIO = 8
VIDEO = 9
DATA_AMF3 = 15
COMMAND_AMF3 = 17
DATA_AMF0 = 18
COMMAND_AMF0 = 20
AGGREGATE = 22

MEDIA_TYPES = frozenset({AUDIO, VIDEO, AGGREGATE})

CONTROL_CHUNK_STREAM = 2
COMMAND_CHUNK_STREAM = 3
STATUS_CHUNK_STREAM = 5

STREAM_BEGIN = 0
PING_REQUEST = 6
PING_RESPONSE = 7

_DYNAMIC_LIMIT = 2


class Message(NamedTuple):
    """One whole message of a peer. A tuple, for there are a hundred each second of a publisher."""

    type_id: int
    timestamp: int
    """Milliseconds, 32 bits, the publisher's clock."""
    stream_id: int
    payload: bytes


def write_uint32(value: int) -> bytes:
    """Payload of Set Chunk Size, Acknowledgement and Window Acknowledgement Size."""
    return (value & 0xFFFFFFFF).to_bytes(4, "big")


def write_peer_bandwidth(window_bytes: int) -> bytes:
    """Payload of Set Peer Bandwidth with the dynamic limit (5.4.5)."""
    return write_uint32(window_bytes) + bytes((_DYNAMIC_LIMIT,))


def write_user_control(event_type: int, data: bytes) -> bytes:
    """Payload of a user control message (7.1.7)."""
    return event_type.to_bytes(2, "big") + data


def read_uint32(payload: bytes) -> int | None:
    """The first four bytes of a control message; None when it is too short."""
    return int.from_bytes(payload[:4], "big") if len(payload) >= 4 else None
