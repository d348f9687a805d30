"""The words between FLV tags and samples."""

from __future__ import annotations

import enum
from typing import NamedTuple

from segmenter.media import Codec
from streaming.errors import MalformedTag


class PacketKind(enum.Enum):
    """What a packet carries."""

    CONFIG = "configuration"
    FRAMES = "coded frames"


class FlvPacket(NamedTuple):
    """One track's share of one tag. A tuple, for there are a hundred each second."""

    kind: PacketKind
    codec: Codec
    track_id: int
    is_key: bool
    """The tag calls it a key frame; always true for audio."""
    composition_offset: int
    """pts - dts in milliseconds."""
    body: memoryview


def read_int24(data: memoryview, position: int) -> int:
    """A signed 24-bit integer (SI24). Raises MalformedTag when it is cut off."""
    field = data[position : position + 3]
    if len(field) < 3:
        raise MalformedTag("composition time offset is cut off")
    value = int.from_bytes(field, "big")
    return value - 0x1000000 if value & 0x800000 else value
