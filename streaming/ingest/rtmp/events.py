"""What an RtmpConnection tells its shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from streaming.ingest.rtmp.amf0 import AmfValue
from streaming.ingest.rtmp.messages import Message


@dataclass(frozen=True, slots=True)
class Connected:
    """The peer opened an application; nothing to answer."""

    app: str
    tc_url: str = field(repr=False)
    """May carry the publish key in its query: not for logs."""
    client: str
    """What the encoder calls itself (flashVer)."""
    properties: Mapping[str, AmfValue] = field(repr=False)
    """The whole command object."""


@dataclass(frozen=True, slots=True)
class PublishRequested:
    """Answer with ``accept_publish`` or ``reject_publish``; media wait in the queue till then."""

    path: str
    """App and stream name without slashes at the ends and without query: ``live/foo``."""
    key: str = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    """Parameters of the stream name, then of the app and of tcUrl."""


MediaReceived: TypeAlias = Message
"""An audio, video or metadata message of the live publisher, for FlvDemuxer."""


@dataclass(frozen=True, slots=True)
class PublishEnded:
    """The peer ended its publication; the connection stays and may publish again."""

    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """The last event: nothing more will be read; send what there is and close the socket."""

    reason: str


Event: TypeAlias = Connected | PublishRequested | MediaReceived | PublishEnded | ConnectionClosed
