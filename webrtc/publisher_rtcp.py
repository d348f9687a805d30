"""RTCP with publishers: their sender reports read; reports and requests to them written.

RFC 3550 6.4, RFC 4585 6.2 and 6.3, draft-holmer-rmcat-transport-wide-cc-extensions-01. Sans-IO.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from webrtc.rtcp import ReportBlock

_SENDER_REPORT: Final = 200
_RECEIVER_REPORT: Final = 201
_GOODBYE: Final = 203
_TRANSPORT_FEEDBACK: Final = 205
_PAYLOAD_FEEDBACK: Final = 206
_NACK: Final = 1
_PLI: Final = 1
_TRANSPORT_WIDE: Final = 15

_HEADER: Final = struct.Struct("!BBHI")
_BLOCK: Final = struct.Struct("!IB3sIIII")

_TICK_S: Final = 250e-6
"""Of transport-wide deltas (3.1.5)."""
_REFERENCE_TICKS: Final = 256
"""64 ms: the unit of the reference time (3.1)."""
_MIN_RUN: Final = 7
"""A vector of two-bit symbols holds seven; longer runs of one symbol are shorter as a run."""
_LOST, _SMALL, _LARGE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class SenderReport:
    """RFC 3550 6.4.1: one moment in wall clock and in timestamps."""

    ssrc: int
    ntp: int
    """64 bits."""
    timestamp: int


def compound_parts(compound: bytes) -> list[tuple[int, int, int]]:
    """Type, beginning and end of each packet; what is broken ends it."""
    parts: list[tuple[int, int, int]] = []
    position = 0
    while position + 4 <= len(compound) and compound[position] >> 6 == 2:
        end = position + 4 + 4 * int.from_bytes(compound[position + 2 : position + 4], "big")
        if end > len(compound):
            break
        parts.append((compound[position + 1], position, end))
        position = end
    return parts


def parse_sender_reports(compound: bytes) -> tuple[list[SenderReport], bool]:
    """All sender reports, and whether the publisher says goodbye; what is broken ends it."""
    reports: list[SenderReport] = []
    says_goodbye = False
    for kind, position, end in compound_parts(compound):
        if kind == _SENDER_REPORT and end - position >= 28:
            reports.append(SenderReport(*struct.unpack_from("!IQI", compound, position + 4)))
        says_goodbye = says_goodbye or kind == _GOODBYE
    return reports, says_goodbye


def render_receiver_report(ssrc: int, reports: Sequence[ReportBlock]) -> bytes:
    """RFC 3550 6.4.2; at most 31 reports."""
    blocks = [
        _BLOCK.pack(
            each.ssrc,
            each.fraction_lost,
            max(-0x800000, min(each.lost, 0x7FFFFF)).to_bytes(3, "big", signed=True),
            each.highest_sequence & 0xFFFFFFFF,
            each.jitter & 0xFFFFFFFF,
            each.last_report,
            each.delay & 0xFFFFFFFF,
        )
        for each in reports[:31]
    ]
    return _packet(_RECEIVER_REPORT, len(blocks), ssrc, b"".join(blocks))


def render_nack(ssrc: int, media_ssrc: int, sequences: Sequence[int]) -> bytes:
    """RFC 4585 6.2.1: a sequence number and which of the next sixteen are missing, too."""
    items: list[bytes] = []
    rest = list(sequences)
    while rest:
        first, mask = rest.pop(0), 0
        while rest and 0 < (rest[0] - first) & 0xFFFF <= 16:
            mask |= 1 << ((rest.pop(0) - first) & 0xFFFF) - 1
        items.append(struct.pack("!HH", first, mask))
    return _packet(
        _TRANSPORT_FEEDBACK, _NACK, ssrc, media_ssrc.to_bytes(4, "big") + b"".join(items)
    )


def render_picture_loss(ssrc: int, media_ssrc: int) -> bytes:
    """RFC 4585 6.3.1: a key frame, please."""
    return _packet(_PAYLOAD_FEEDBACK, _PLI, ssrc, media_ssrc.to_bytes(4, "big"))


def render_arrivals(
    ssrc: int, media_ssrc: int, first_sequence: int, times_s: Sequence[float | None], number: int
) -> bytes:
    """Transport-wide feedback: when each packet from ``first_sequence`` on came, None: not yet.

    ``number`` counts these messages. Times are of any clock; the first that is there is the
    reference. What is too far from its neighbour to be told counts as not there.
    """
    ticks = [None if each is None else round(each / _TICK_S) for each in times_s]
    reference = next((each for each in ticks if each is not None), 0) // _REFERENCE_TICKS
    at = reference * _REFERENCE_TICKS
    symbols: list[int] = []
    deltas: list[bytes] = []
    for tick in ticks:
        delta = None if tick is None else tick - at
        if tick is None or delta is None or not -0x8000 <= delta <= 0x7FFF:
            symbols.append(_LOST)
            continue
        at = tick
        symbols.append(_SMALL if 0 <= delta <= 255 else _LARGE)
        deltas.append(delta.to_bytes(symbols[-1], "big", signed=symbols[-1] == _LARGE))
    head = struct.pack("!IHH", media_ssrc, first_sequence & 0xFFFF, len(symbols))
    head += (reference & 0xFFFFFF).to_bytes(3, "big") + bytes((number & 0xFF,))
    body = head + _chunks(symbols) + b"".join(deltas)
    padding = -len(body) % 4
    if padding:
        body += bytes(padding - 1) + bytes((padding,))
    packet = _packet(_TRANSPORT_FEEDBACK, _TRANSPORT_WIDE, ssrc, body)
    return bytes((packet[0] | (0x20 if padding else 0),)) + packet[1:]


def _chunks(symbols: list[int]) -> bytes:
    """Status chunks (3.1.2): runs where they are long, else vectors of two-bit symbols."""
    chunks: list[int] = []
    position = 0
    while position < len(symbols):
        symbol, run = symbols[position], 1
        while position + run < len(symbols) and symbols[position + run] == symbol and run < 0x1FFF:
            run += 1
        if run >= _MIN_RUN or position + run == len(symbols):
            chunks.append(symbol << 13 | run)
            position += run
            continue
        word = 0xC000
        for index, each in enumerate(symbols[position : position + _MIN_RUN]):
            word |= each << 12 - 2 * index
        chunks.append(word)
        position += _MIN_RUN
    return b"".join(chunk.to_bytes(2, "big") for chunk in chunks)


def _packet(kind: int, count: int, ssrc: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, (len(body) + 4) // 4, ssrc) + body
