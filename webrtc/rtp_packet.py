"""RTP packets of publishers, read (RFC 3550 5.1, RFC 8285)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from webrtc.errors import MediaPacketError

_HEADER_BYTES: Final = 12
_ONE_BYTE_FORM: Final = 0xBEDE
_TWO_BYTE_FORM: Final = 0x1000


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One packet, without protection and padding."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    is_marked: bool
    extensions: dict[int, bytes]
    """Header extension id -> value."""
    payload: bytes


def parse_rtp(packet: bytes) -> RtpPacket:
    """Read a packet. Raises MediaPacketError."""
    if len(packet) < _HEADER_BYTES or packet[0] >> 6 != 2:
        raise MediaPacketError("not an RTP packet", value=len(packet))
    start = _HEADER_BYTES + 4 * (packet[0] & 0xF)
    extensions: dict[int, bytes] = {}
    if packet[0] & 0x10:
        form = int.from_bytes(packet[start : start + 2], "big")
        body = start + 4
        start = body + 4 * int.from_bytes(packet[start + 2 : body], "big")
        if body > len(packet) or start > len(packet):
            raise MediaPacketError("RTP header extension is cut off", value=len(packet))
        extensions = _extensions(form, packet[body:start])
    padding = packet[-1] if packet[0] & 0x20 else 0
    if start + padding > len(packet) or (packet[0] & 0x20 and not padding):
        raise MediaPacketError("RTP padding is larger than the packet", value=padding)
    return RtpPacket(
        payload_type=packet[1] & 0x7F,
        sequence=int.from_bytes(packet[2:4], "big"),
        timestamp=int.from_bytes(packet[4:8], "big"),
        ssrc=int.from_bytes(packet[8:12], "big"),
        is_marked=packet[1] >= 0x80,
        extensions=extensions,
        payload=packet[start : len(packet) - padding],
    )


def _extensions(form: int, body: bytes) -> dict[int, bytes]:
    """Elements up to the first that does not fit; of unknown forms none (RFC 8285 4)."""
    two_bytes = form & 0xFFF0 == _TWO_BYTE_FORM
    if not two_bytes and form != _ONE_BYTE_FORM:
        return {}
    found: dict[int, bytes] = {}
    position = 0
    while position < len(body):
        if not body[position]:  # padding
            position += 1
            continue
        if two_bytes:
            if position + 2 > len(body):
                break
            number, size, start = body[position], body[position + 1], position + 2
        else:
            number, size, start = body[position] >> 4, (body[position] & 0xF) + 1, position + 1
            if number == 15:  # RFC 8285 4.2: stop here
                break
        position = start + size
        if position > len(body):
            break
        found[number] = body[start:position]
    return found
