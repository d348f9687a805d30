"""A NAT that gives a flow another address in mid-stream. Sans-IO; IPv4 and UDP.

To the server a viewer that went from Wi-Fi to a mobile network looks the same: its packets come
from an address and a port that have never been seen.
"""

from __future__ import annotations

import ipaddress
import struct

_UDP = 17
_UDP_HEADER_BYTES = 8
_PORT_STEP = 7_919


class Rebinding:
    """Owns the mapping. ``inside`` is the viewer's address, ``outside`` what the server sees after
    the first rebinding; each further one changes the ports."""

    def __init__(self, inside: str, outside: str) -> None:
        self._inside = ipaddress.IPv4Address(inside).packed
        self._outside = ipaddress.IPv4Address(outside).packed
        self._shift = 0

    def rebind(self) -> None:
        """From now on the server sees other ports, and the outside address."""
        self._shift += _PORT_STEP

    def outward(self, packet: bytes) -> bytes:
        """A packet of the viewer's as the server sees it."""
        if not self._shift or not _is_udp(packet):
            return packet
        return _rewritten(packet, 12, self._outside, 0, self._shift)

    def inward(self, packet: bytes) -> bytes | None:
        """A packet of the server's as the viewer sees it; None when no mapping has its address."""
        if not self._shift or not _is_udp(packet):
            return packet
        if packet[16:20] != self._outside:
            return None  # the mapping that there was is gone
        return _rewritten(packet, 16, self._inside, 2, -self._shift)


def _is_udp(packet: bytes) -> bool:
    return packet[0] >> 4 == 4 and packet[9] == _UDP


def _rewritten(packet: bytes, at: int, address: bytes, port_at: int, shift: int) -> bytes:
    """With another address at ``at`` of the IP header and another port of the UDP header."""
    changed = bytearray(packet)
    changed[at : at + 4] = address
    header_bytes = (packet[0] & 15) * 4
    if not int.from_bytes(packet[6:8], "big") & 0x1FFF:  # only the first fragment has ports
        port_at += header_bytes
        (port,) = struct.unpack_from("!H", changed, port_at)
        struct.pack_into("!H", changed, port_at, port + shift & 0xFFFF)
        changed[header_bytes + 6 : header_bytes + 8] = b"\0\0"  # RFC 768: no checksum
    changed[10:12] = b"\0\0"
    struct.pack_into("!H", changed, 10, checksum(changed[:header_bytes]))
    return bytes(changed)


def checksum(header: bytes | bytearray) -> int:
    """RFC 1071, of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
