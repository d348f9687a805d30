"""RTCP as viewers send it, and our sender reports (RFC 3550 6, RFC 4585 6, RFC 5104 4.3).

Sans-IO. A compound packet is read up to the first thing that is not as it should be; what came
before it counts. The C of the fan-out does the same.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, TypeAlias

_SENDER_REPORT: Final = 200
_RECEIVER_REPORT: Final = 201
_SOURCE_DESCRIPTION: Final = 202
_GOODBYE: Final = 203
_TRANSPORT_FEEDBACK: Final = 205
_PAYLOAD_FEEDBACK: Final = 206

_NACK: Final = 1
_TRANSPORT_WIDE: Final = 15
_PLI: Final = 1
_FIR: Final = 4
_APPLICATION: Final = 15

_BLOCK: Final = struct.Struct("!IB3sIIII")
_SENDER_INFO_BYTES: Final = 20

MAX_LOST: Final = 512
"""Packets that one compound packet may ask for; Chromium asks for at most a few dozen."""
MAX_STATUSES: Final = 1024
"""Packets that one transport-wide message may tell of: as many as are remembered."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one source (RFC 3550 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Of 256, since the last report."""
    lost: int
    """Since the beginning; negative where more came than was sent, as some came twice."""
    highest_sequence: int
    """32 bits, with the cycles."""
    jitter: int
    """Ticks of the RTP clock."""
    last_report: int
    """Middle 32 bits of the last sender report's NTP time; 0 without one."""
    delay: int
    """Since then, in units of 2**-16 s."""


@dataclass(frozen=True, slots=True)
class Nack:
    """RFC 4585 6.2.1."""

    ssrc: int
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PictureLoss:
    """PLI or FIR."""

    ssrc: int


@dataclass(frozen=True, slots=True)
class Remb:
    """draft-alvestrand-rmcat-remb-03: bits per second that the receiver believes in."""

    bitrate: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """draft-holmer-rmcat-transport-wide-cc-extensions-01: when packets came, or None.

    Times are in units of 250 µs since an unknown moment, modulo 2**32.
    """

    first_sequence: int
    times: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Goodbye:
    """RFC 3550 6.6."""


RtcpMessage: TypeAlias = ReportBlock | Nack | PictureLoss | Remb | Arrivals | Goodbye


def is_rtcp(datagram: bytes) -> bool:
    """Whether a datagram of the mux with RTP's version is RTCP (RFC 5761 4)."""
    return len(datagram) >= 8 and datagram[0] >> 6 == 2 and 192 <= datagram[1] <= 223


def parse_rtcp(compound: bytes) -> list[RtcpMessage]:
    """What we care for, in order."""
    messages: list[RtcpMessage] = []
    position, size, lost = 0, len(compound), 0
    while position + 4 <= size and compound[position] >> 6 == 2:
        end = position + 4 + 4 * int.from_bytes(compound[position + 2 : position + 4], "big")
        if end > size:
            break
        body, count = compound[position + 4 : end], compound[position] & 0x1F
        for message in _parse_one(compound[position + 1], count, body):
            if isinstance(message, Nack):
                message = Nack(message.ssrc, message.sequences[: MAX_LOST - lost])
                lost += len(message.sequences)
            messages.append(message)
        position = end
    return messages


def _parse_one(kind: int, count: int, body: bytes) -> list[RtcpMessage]:
    if kind == _RECEIVER_REPORT:
        return _parse_blocks(body, 4, count)
    if kind == _SENDER_REPORT:
        return _parse_blocks(body, 4 + _SENDER_INFO_BYTES, count)
    if kind == _GOODBYE:
        return [Goodbye()]
    if len(body) < 8:
        return []
    ssrc = int.from_bytes(body[4:8], "big")
    if kind == _TRANSPORT_FEEDBACK and count == _NACK:
        return [Nack(ssrc, _parse_lost(body))]
    if kind == _TRANSPORT_FEEDBACK and count == _TRANSPORT_WIDE:
        return _parse_arrivals(body)
    if kind == _PAYLOAD_FEEDBACK and count == _PLI:
        return [PictureLoss(ssrc)]
    if kind == _PAYLOAD_FEEDBACK and count == _FIR:
        starts = range(8, len(body) - 7, 8)
        return [PictureLoss(int.from_bytes(body[at : at + 4], "big")) for at in starts]
    if kind == _PAYLOAD_FEEDBACK and count == _APPLICATION:
        return _parse_remb(body)
    return []


def _parse_blocks(body: bytes, start: int, count: int) -> list[RtcpMessage]:
    blocks: list[RtcpMessage] = []
    for at in range(start, start + count * _BLOCK.size, _BLOCK.size):
        if at + _BLOCK.size > len(body):
            break
        ssrc, fraction, raw, highest, jitter, last, delay = _BLOCK.unpack_from(body, at)
        lost = int.from_bytes(raw, "big", signed=True)
        blocks.append(ReportBlock(ssrc, fraction, lost, highest, jitter, last, delay))
    return blocks


def _parse_lost(body: bytes) -> tuple[int, ...]:
    lost: list[int] = []
    for at in range(8, len(body) - 3, 4):
        first = int.from_bytes(body[at : at + 2], "big")
        mask = int.from_bytes(body[at + 2 : at + 4], "big")
        lost.append(first)
        lost += [first + 1 + bit & 0xFFFF for bit in range(16) if mask >> bit & 1]
        if len(lost) >= MAX_LOST:
            break
    return tuple(lost[:MAX_LOST])


def _parse_remb(body: bytes) -> list[RtcpMessage]:
    if len(body) < 16 or body[8:12] != b"REMB":
        return []
    exponent, mantissa = body[13] >> 2, (body[13] & 3) << 16 | body[14] << 8 | body[15]
    return [Remb(min(mantissa << exponent, (1 << 63) - 1))]


def _parse_arrivals(body: bytes) -> list[RtcpMessage]:
    """Section 3.1; a message that contradicts itself is left out whole."""
    if len(body) < 16:
        return []
    first, count = int.from_bytes(body[8:10], "big"), int.from_bytes(body[10:12], "big")
    time = int.from_bytes(body[12:15], "big") * 256
    if not 0 < count <= MAX_STATUSES:
        return []
    symbols: list[int] = []
    at = 16
    while len(symbols) < count:
        if at + 2 > len(body):
            return []
        symbols += _chunk(int.from_bytes(body[at : at + 2], "big"))
        at += 2
    times: list[int | None] = []
    for symbol in symbols[:count]:
        if symbol in (1, 2):
            if at + symbol > len(body):
                return []
            time += int.from_bytes(body[at : at + symbol], "big", signed=symbol == 2)
            at += symbol
            times.append(time & 0xFFFFFFFF)
        else:
            times.append(None)
    return [Arrivals(first, tuple(times))]


def _chunk(word: int) -> list[int]:
    """Status symbols of a run (3.1.3) or a vector (3.1.4): 0 lost, 1 and 2 bytes of delta."""
    if not word & 0x8000:
        return [word >> 13 & 3] * min(word & 0x1FFF, MAX_STATUSES)
    if not word & 0x4000:
        return [word >> bit & 1 for bit in range(13, -1, -1)]
    return [word >> bit & 3 for bit in range(12, -1, -2)]


def render_sender_report(
    ssrc: int, cname: str, ntp: int, timestamp: int, packets: int, sent_bytes: int
) -> bytes:
    """A compound packet of SR and SDES with the CNAME (RFC 3550 6.1); ``ntp`` has 64 bits."""
    numbers = (ssrc, ntp, timestamp, packets & 0xFFFFFFFF, sent_bytes & 0xFFFFFFFF)
    report = struct.pack("!BBHIQIII", 0x80, _SENDER_REPORT, 6, *numbers)
    name = cname.encode()
    item = struct.pack("!IBB", ssrc, 1, len(name)) + name + b"\0"
    item += bytes(-len(item) % 4)
    return report + struct.pack("!BBH", 0x81, _SOURCE_DESCRIPTION, len(item) // 4) + item
