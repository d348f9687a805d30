"""How large the packets are."""

from __future__ import annotations

from typing import Final

MTU_BYTES: Final = 1200
"""Of an RTP packet with its header extensions and SRTP tag. Browsers send as much; with IP, UDP
and a tunnel or two it passes every path of 1280 bytes (RFC 8200 5) without fragments."""

HEADER_BYTES: Final = 12
EXTENSION_BYTES: Final = 28
"""RFC 8285 one-byte form: 4, mid of 16 bytes, abs-send-time, transport-wide number."""
RTX_BYTES: Final = 2
"""RFC 4588 4: the original sequence number."""
TAG_BYTES: Final = 16

MAX_PAYLOAD_BYTES: Final = MTU_BYTES - HEADER_BYTES - EXTENSION_BYTES - RTX_BYTES - TAG_BYTES
"""The same for every viewer, since packets are made once for all of them."""


def fragment_bytes(size: int, room: int) -> int:
    """Bytes of each fragment of ``size``, so that all but the last are equal and it is little
    smaller: equal packets leave as one (UDP_SEGMENT), and none is small for nothing."""
    count = -(-size // room)
    return -(-size // count)
