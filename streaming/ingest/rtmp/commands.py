"""Command messages: a peer's, and a server's answers (RTMP 1.0, 7.2; Enhanced RTMP v2, connect)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from streaming.errors import RtmpError
from streaming.ingest.rtmp.amf0 import AmfValue, Writable, read_values, write_values
from streaming.ingest.rtmp.messages import COMMAND_AMF3, Message

CONNECT_SUCCESS = "NetConnection.Connect.Success"
CONNECT_REJECTED = "NetConnection.Connect.Rejected"
CONNECT_CLOSED = "NetConnection.Connect.Closed"
RECONNECT_REQUEST = "NetConnection.Connect.ReconnectRequest"
CALL_FAILED = "NetConnection.Call.Failed"
PUBLISH_START = "NetStream.Publish.Start"
PLAY_FAILED = "NetStream.Play.Failed"

VIDEO_FOURCCS = ("avc1", "hvc1", "av01", "vp09")
AUDIO_FOURCCS = ("mp4a", "Opus", ".mp3")

_CAN_DECODE, _CAN_FORWARD = 1, 4
_CODEC_ABILITIES = _CAN_DECODE | _CAN_FORWARD

_RECONNECT, _MULTITRACK, _MOD_EX = 1, 2, 4
_CAPABILITIES = _RECONNECT | _MULTITRACK | _MOD_EX
"""Not TimestampNanoOffset (8): offsets are parsed, but our timeline starts from milliseconds."""

_ENHANCED_PROPERTIES = ("fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx")

_FLASH_VERSION = "FMS/3,5,0,0"
"""Old encoders read a Flash Media Server version here and fall back to odd modes below 3,5."""


class Command(NamedTuple):
    """What a peer asks for."""

    name: str
    transaction: float
    """What its answer has to carry; 0 wants none."""
    values: list[AmfValue]
    """The command object, which only ``connect`` fills, and the arguments."""


def read_command(message: Message) -> Command:
    """The command in a message of type 20 or 17. Raises RtmpError."""
    payload = message.payload
    if message.type_id == COMMAND_AMF3 and payload[0] == 0:
        payload = payload[1:]  # AMF0 follows, as all known senders of type 17 do
    values = read_values(payload)
    name = values[0] if values else None
    if not isinstance(name, str):
        raise RtmpError("a command without a name", value=name)
    transaction = values[1] if len(values) > 1 else 0.0
    if isinstance(transaction, bool) or not isinstance(transaction, float):
        raise RtmpError(f"command with transaction id {transaction!r:.40}", value=transaction)
    return Command(name, transaction, values[2:])


def write_result(transaction: float, *values: Writable) -> bytes:
    """``_result`` of the call with this transaction id."""
    return write_values("_result", transaction, *values)


def write_error(transaction: float, description: str) -> bytes:
    """``_error`` of a call that is unknown here."""
    info = {"level": "error", "code": CALL_FAILED, "description": description}
    return write_values("_error", transaction, None, info)


def write_status(level: str, code: str, description: str, **more: Writable) -> bytes:
    """``onStatus`` with ``level`` ``status`` or ``error``."""
    info = {"level": level, "code": code, "description": description, **more}
    return write_values("onStatus", 0, None, info)


def write_connect_result(transaction: float, asked: Mapping[str, AmfValue]) -> bytes:
    """The answer to ``connect``; codecs and capabilities for those who named theirs."""
    properties: dict[str, Writable] = {"fmsVer": _FLASH_VERSION, "capabilities": 31, "mode": 1}
    information: dict[str, Writable] = {
        "level": "status",
        "code": CONNECT_SUCCESS,
        "description": "connected",
        "objectEncoding": 0,
    }
    if any(name in asked for name in _ENHANCED_PROPERTIES):
        information["fourCcList"] = VIDEO_FOURCCS + AUDIO_FOURCCS
        information["videoFourCcInfoMap"] = dict.fromkeys(VIDEO_FOURCCS, _CODEC_ABILITIES)
        information["audioFourCcInfoMap"] = dict.fromkeys(AUDIO_FOURCCS, _CODEC_ABILITIES)
        information["capsEx"] = _CAPABILITIES
    return write_result(transaction, properties, information)
